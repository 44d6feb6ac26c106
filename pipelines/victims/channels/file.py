"""A file of tries, a line each; for teams whose own system takes files, and for trying things out."""

import os
from pathlib import Path

import msgspec

from pipelines.victims.channels.port import Receipt, Result
from schemas.contact import Attempt
from schemas.contract import UNREADABLE


class _Line(msgspec.Struct):
    key: str


class File:
    """A file that a try is appended to once."""

    recognises_keys = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = set(_keys(path))

    def hand(self, attempt: Attempt) -> Result:
        """Append one try, and have it on disk."""
        if attempt.key in self._keys:
            return Result("SENT", "was there already")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                before = b"" if not file.tell() or _ends_whole(self._path) else b"\n"
                file.write(before + msgspec.json.encode(attempt) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return Result("RETRY", str(error.strerror))
        self._keys.add(attempt.key)
        return Result("SENT")

    def receipts(self) -> list[Receipt]:
        """Return nothing: a file tells nothing."""
        return []

    def close(self) -> None:
        """Keep nothing open."""


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _keys(path: Path) -> list[str]:
    """Return the keys of the whole lines of a file; one cut off by a crash is written again."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(msgspec.json.decode(line, type=_Line).key)
        except UNREADABLE:
            continue
    return found
