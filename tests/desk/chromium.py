"""Debian's Chromium as people at the desk use it."""

import os
import shutil
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

#: Marks of a module whose tests need a browser.
NEEDS_IT = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs Debian's chromium and chromium-driver",
    ),
]

#: Where pictures are kept to be looked at, if anywhere.
PICTURES = os.environ.get("DESK_PICTURES", "")


def browser(width: int = 1280, language: str = "en") -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--lang={language}"):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    shape = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    made.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    return made


def until(holds: Any, seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    return found


def picture(made: Any, name: str) -> None:
    if PICTURES:
        whole = made.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        Path(PICTURES, f"{name}.png").write_bytes(b64decode(whole["data"]))


def rows(made: Any) -> list[str]:
    return made.execute_script("return [...document.querySelectorAll('tr[data-case]')].map(r => r.id)")


def complaints(made: Any) -> list[str]:
    return [each["message"] for each in made.get_log("browser") if "favicon" not in each["message"]]
