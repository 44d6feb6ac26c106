"""Which messages a process works on, noted where its death does not reach, so that one that kills is found.

What fails in Python becomes a dead letter. What ends the process in native code, or takes all memory, does
not: the next start reads the same message and dies of it again. So each process keeps a file of the messages
it has under way, which outlives it (not the machine: nothing is forced to disk). A message that was under way
when `DEATHS` processes died is suspect and is tried alone in a child process (`suspects`). If the child dies,
too, the message is put aside; if not, it was not what killed, and goes on like any other.
"""

import fcntl
import json
import logging
import os
import threading
import zlib
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines import kept
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.process import PROCESS
from schemas.errors import StateError, cause

_LOGGER = logging.getLogger(__name__)

#: So many processes have to have died over a message before it is tried alone.
DEATHS = 3

#: The newest deaths that are remembered.
DEATHS_KEPT = 30


class Range(NamedTuple):
    """Messages of a partition, offsets `first` to `last`."""

    topic: str
    partition: int
    first: int
    last: int


class InFlight:
    """The messages this process has under way, and over which ones others of its job have died."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._known = folder / "deaths.json"
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._deaths = [*_remembered(self._known), *_died(folder)][-DEATHS_KEPT:]
            self._remember()
            self._file = (folder / f"{os.getpid()}.json").open("w+b", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self._under_way: dict[Hashable, list[Range]] = {}

    def begin(self, owner: Hashable, chunk: Chunk) -> NDArray[np.bool_]:
        """Note a chunk before it is worked on; tell which of its messages are suspect."""
        suspect = np.zeros(len(chunk.values), np.bool_)
        with self._lock:
            for number in np.unique(chunk.partitions).tolist():
                own = chunk.partitions == number
                offsets = chunk.offsets[own]
                noted = Range(chunk.topic, number, int(offsets[0]), int(offsets[-1]))
                self._under_way.setdefault(owner, []).append(noted)
                suspect[own] = self._times(noted, offsets) >= DEATHS
            self._note()
        return suspect

    def settled(self, owner: Hashable) -> None:
        """Note that all an owner began is done."""
        with self._lock:
            if self._under_way.pop(owner, None):
                self._note()

    def acquit(self, chunk: Chunk) -> None:
        """Forget the deaths over messages that were tried: they were not of them, or they are put aside."""
        with self._lock:
            for number in np.unique(chunk.partitions).tolist():
                offsets = chunk.offsets[chunk.partitions == number]
                tried = Range(chunk.topic, number, int(offsets[0]), int(offsets[-1]))
                self._deaths = [[each for each in of if not _meet(each, tried)] for of in self._deaths]
            self._deaths = [of for of in self._deaths if of]
            self._remember()

    def _times(self, at: Range, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many processes died with each of some messages under way."""
        times = np.zeros(len(offsets), np.int64)
        for death in self._deaths:
            over = np.zeros(len(offsets), np.bool_)
            for each in death:
                if _meet(each, at):
                    over |= (offsets >= each.first) & (offsets <= each.last)
            times += over
        return times

    def _note(self) -> None:
        noted = json.dumps([each for of in self._under_way.values() for each in of]).encode()
        os.pwrite(self._file.fileno(), noted, 0)
        os.ftruncate(self._file.fileno(), len(noted))

    def _remember(self) -> None:
        kept.write(self._known, json.dumps(self._deaths).encode())


def in_flight(folder: str) -> InFlight | None:
    """Return what this process has under way, by the folder of its job; None without one."""
    if not folder:
        return None
    try:
        return PROCESS.shared("in flight", folder, lambda: InFlight(Path(folder)))
    except OSError as error:
        _LOGGER.warning("what is under way cannot be noted in %s (%s)", folder, error.strerror)
        return PROCESS.shared("in flight", folder, lambda: None)


def folder_of(settings: KafkaSettings, job: str) -> str:
    """Return where the processes of a job note what they have under way."""
    name = f"{job}-{settings.group}-{zlib.crc32(settings.brokers.encode()):08x}"
    return str(Path("var/in_flight", name).absolute())


def _died(folder: Path) -> list[list[Range]]:
    """Return what processes that are gone had under way, and remove their files."""
    found = []
    for path in sorted(folder.glob("[0-9]*.json")):
        with suppress(OSError), path.open("rb") as file:
            if not _gone(file):
                continue
            if noted := _read_ranges(file.read()):
                found.append(noted)
            path.unlink()
    return found


def _gone(file: IO[bytes]) -> bool:
    """Tell whether the process that wrote a file, which keeps it locked, has ended."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remembered(path: Path) -> list[list[Range]]:
    try:
        return [_ranges(each) for each in json.loads(kept.read(path) or b"[]")]
    except (StateError, ValueError, TypeError) as error:
        _LOGGER.warning("over which messages processes died is counted anew: %s", cause(error))
        return []


def _read_ranges(text: bytes) -> list[Range]:
    try:
        return _ranges(json.loads(text))
    except (ValueError, TypeError):
        return []


def _ranges(found: Any) -> list[Range]:
    return [Range(str(topic), int(number), int(first), int(last)) for topic, number, first, last in found]


def _meet(one: Range, other: Range) -> bool:
    return one[:2] == other[:2] and one.first <= other.last and other.first <= one.last
