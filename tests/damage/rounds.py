"""A round: make what a job keeps, damage one file of it, read it back as the job does, and judge."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from schemas.errors import StoplineError
from tests.damage.kinds import Kind

#: A person is told, or what is older has taken over, within this time.
TAKEN_OVER_S = 60.0


class Round(NamedTuple):
    """What came of a round: which file, how long it took, what was said; `wrong` if too little."""

    file: str
    took_s: float
    said: str
    wrong: bool


def _flip(content: bytes, draw: Random) -> bytes:
    place = draw.randrange(8 * len(content))
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


DEEDS: dict[str, Callable[[bytes, Random], bytes | None]] = {
    "flip": _flip,
    "cut": lambda content, draw: content[: draw.randrange(len(content))],
    "remove": lambda content, draw: None,
}


def play(kind: Kind, deed: str, folder: Path, draw: Random) -> Round:
    """Damage one file of a kind in a folder that is empty, use what is left, and what is put back."""
    kind.make(folder)
    whole = kind.use(folder)
    before = _files(folder)
    path = draw.choice(sorted(before))
    if (damaged := DEEDS[deed](before[path], draw)) is None:
        path.unlink()
    else:
        written_s = path.stat().st_mtime
        path.write_bytes(damaged)
        os.utime(path, (written_s, written_s))
    held = _files(folder)
    began = time.monotonic()
    with _listening() as heard:
        try:
            found = kind.use(folder)
            said, wrong = _judged(kind, deed, found, whole, heard)
        except StoplineError as refused:
            said, wrong = f"refused: {refused}", "\n" in str(refused)
        except Exception as error:
            said, wrong = f"FAULT {type(error).__name__}: {error}", True
    took_s = time.monotonic() - began
    gone = [each for each, content in held.items() if each != path and _files(folder).get(each) != content]
    if gone and not wrong and said != "whole" and not kind.derived:
        said, wrong = f"{gone[0].name} beside it was changed or removed", True
    for each, content in before.items():
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_bytes(content)
    if kind.use(folder) != whole:
        said, wrong = "put back, it is not what it was", True
    return Round(
        path.relative_to(folder).as_posix()[-45:], took_s, said[:300], wrong or took_s > TAKEN_OVER_S
    )


def _judged(kind: Kind, deed: str, found: object, whole: object, heard: list[str]) -> tuple[str, bool]:
    if found == whole:
        return "whole", False
    if heard:
        return f"goes on: {heard[0]}", False
    if deed == "remove" and kind.deletable:
        return "gone, as what is kept for a time is", False
    return "SILENT: something else was read and nothing said", True


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.stat().st_size}


@contextmanager
def _listening() -> Iterator[list[str]]:
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Ear(logging.WARNING)
    logging.getLogger().addHandler(ear)
    try:
        yield heard
    finally:
        logging.getLogger().removeHandler(ear)
