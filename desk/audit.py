"""The audit chain: who saw and did what, a line each, every line with the hash of the one before it.

A line that was changed, taken out or put in breaks the chain at that place. Whoever rewrites the whole file
can hide that from the file alone, but not from topic `actions`: each action carries the hash of its line.
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import StateError, cause

FIRST = "0" * 64


class Fault(NamedTuple):
    """A line at which the chain does not hold, counted from 1."""

    line: int
    why: str


class Audit:
    """Appends to one file; thread-safe, one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._last, self.count = FIRST, 0
        for line, entry in enumerate(entries(path), 1):
            if entry["before"] != self._last or entry["hash"] != hash_of(entry):
                raise _broken(path, line)
            self._last, self.count = entry["hash"], line
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        path.chmod(0o600)

    def write(
        self, by: str, role: str, what: str, about: Mapping[str, str] | None = None, *, kept: bool = False
    ) -> str:
        """Add a line and return its hash; `kept` waits until the disk has it.

        Raises:
            StateError: the file cannot be written; nothing was added.

        """
        with self._lock:
            body = {
                "n": self.count + 1,
                "at_us": time.time_ns() // 1000,
                "by": by,
                "role": role,
                "what": what,
            }
            entry = body | dict(about or {}) | {"before": self._last}
            entry["hash"] = digest = hash_of(entry)
            self._append(json.dumps(entry, ensure_ascii=False).encode() + b"\n", kept=kept)
            self._last, self.count = digest, self.count + 1
            return self._last

    def _append(self, line: bytes, *, kept: bool) -> None:
        """Add a line, all of it or nothing."""
        before = os.lseek(self._file, 0, os.SEEK_END)
        try:
            while line:
                line = line[os.write(self._file, line) :]
            if kept:
                os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, before)
            raise StateError(
                f"the audit chain {self.path} cannot be written ({cause(error)}), and nothing is done "
                "without it; make room, or let this user write it"
            ) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def hash_of(entry: dict[str, Any]) -> str:
    """Return the hash of a line without its own."""
    bare = {name: value for name, value in entry.items() if name != "hash"}
    return sha256(json.dumps(bare, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file, none if there is no file.

    Raises:
        StateError: a line is no entry, or the file cannot be read.

    """
    if not path.exists():
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise StateError(
            f"the audit chain {path} cannot be read ({cause(error)}); name the file of it"
        ) from error
    with file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                _ = entry["hash"], entry["before"], entry["n"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise _broken(path, number) from error
            yield entry


def _broken(path: Path, line: int) -> StateError:
    return StateError(
        f"{path}, line {line}, is no entry of the audit chain or does not follow the one before; keep the "
        "file and ask who may write it; to go on, move it away, and the desk begins another"
    )


def faults(path: Path, acted: Iterable[str] = ()) -> Iterator[Fault]:
    """Yield where the chain does not hold; `acted` are the hashes that topic `actions` bears witness to."""
    before, seen, line = FIRST, set[str](), 0
    for line, entry in enumerate(entries(path), 1):
        if entry["before"] != before:
            yield Fault(line, "does not follow the line before it: one was taken out, put in or changed")
        if entry["hash"] != hash_of(entry):
            yield Fault(line, "was changed")
        if entry["n"] != line:
            yield Fault(line, f"says it is line {entry['n']}")
        before = entry["hash"]
        seen.add(before)
    for missing in sorted({each for each in acted if each} - seen):
        yield Fault(line + 1, f"an action on Kafka names line {missing[:12]}…, which is not here")
