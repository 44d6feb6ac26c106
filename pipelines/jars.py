"""Java that we run is what we looked at: every jar of a folder has its SHA-256 in a file of `sha256sum`."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import ConfigError


def noted(lock: Path) -> Mapping[str, str]:
    """Return the digests of a lock by name of the jar."""
    lines = (line.split() for line in lock.read_text(encoding="utf-8").splitlines() if line.strip())
    return {name: digest for digest, name in lines}


def verify(libs: Path, lock: Path) -> None:
    """Look at every jar before Java sees it.

    Raises:
        ConfigError: one is missing, is not in the lock, or holds other bytes.

    """
    if wrong := next(_faults(libs, noted(lock)), None):
        raise ConfigError(
            f"{wrong}; Java is not started: remove {libs.parent} to have the jars fetched anew, and if that "
            f"does not help ask who changed them; {lock} has what was looked at"
        )


def _faults(libs: Path, digests: Mapping[str, str]) -> Iterator[str]:
    found = {path.name: path for path in libs.glob("*.jar")}
    for name in sorted(digests.keys() - found):
        yield f"{libs / name} is missing"
    for name, path in sorted(found.items()):
        if name not in digests:
            yield f"{path} is no jar that this release runs"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digests[name]:
            yield f"{path} is not the jar that this release runs, its SHA-256 differs"
