"""The command line in this process, for tests."""

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from console.cli import app


def command(*words: str | Path, width: int = 120, **how: Any) -> Any:
    """Run `stopline words...` on a terminal of a width; a refusal is raised."""
    how = {"catch_exceptions": False, "env": {"COLUMNS": str(width)}} | how
    return CliRunner().invoke(app, [*map(str, words)], **how)
