"""axe-core, taken from the npm registry when a test asks for it: the one version that its digest names."""

import hashlib
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

VERSION, SHA256 = "4.14.1", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

#: What a page must not have; WCAG 2.2 A and AA, and what axe calls best practice.
GRAVE = ("serious", "critical")


@cache
def script() -> str:
    """Return the script, or skip the test where the registry is not reached."""
    if not shutil.which("npm"):
        pytest.skip("needs npm to take axe-core")
    with TemporaryDirectory() as folder:
        words = ["npm", "pack", f"axe-core@{VERSION}", "--silent"]
        taken = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if taken.returncode:
            pytest.skip(f"axe-core cannot be taken: {taken.stderr[-200:]}")
        with tarfile.open(Path(folder) / taken.stdout.strip()) as archive:
            file = archive.extractfile("package/axe.min.js")
            assert file is not None
            found = file.read()
    assert hashlib.sha256(found).hexdigest() == SHA256
    return found.decode()


def findings(browser: Any) -> list[str]:
    """Return what axe finds grave on the page that a browser shows."""
    browser.execute_script(script())
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(r => done(r.violations), e => done(String(e)))"
    )
    assert isinstance(found, list), found
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['html'][:160]}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
