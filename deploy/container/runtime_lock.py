"""Print the part of requirements.lock that running Stopline needs, hashes included: no tool of development.

The lock says of every package who asked for it, so no index and no network is needed.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ASKED = re.compile(r"^    #\s+(?:via )?(\S.*)$", re.MULTILINE)
_US = "stopline (pyproject.toml)"


def runtime_lock(lock: str, project: str, extras: tuple[str, ...] = ()) -> str:
    """Return the blocks of `lock` that the dependencies of `project`, and of its `extras`, ask for."""
    declared = tomllib.loads(project)["project"]
    optional = declared["optional-dependencies"]
    asked = [*declared["dependencies"], *(each for name in extras for each in optional[name])]
    needed = {_name(each) for each in asked}
    blocks = {_name(block): block for block in re.split(r"\n(?=[a-z0-9])", lock)}
    askers = {name: set(_ASKED.findall(block)) - {"via", _US} for name, block in blocks.items()}
    while more := {name for name, by in askers.items() if name not in needed and by & needed}:
        needed |= more
    return "\n".join(block for name, block in blocks.items() if name in needed)


def _name(text: str) -> str:
    """Return the distribution's name at the beginning of a requirement, in the lock's spelling."""
    found = _NAME.match(text)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


if __name__ == "__main__":
    locked, project = (ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text()
    sys.stdout.write(runtime_lock(locked, project, tuple(sys.argv[1:])))
