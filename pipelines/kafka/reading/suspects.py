"""Messages that processes of a job died over, tried alone before they are worked on again."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from apache_beam.internal import pickler
from numpy.typing import NDArray

from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.in_flight import InFlight
from schemas.rows.values import Values

_LOGGER = logging.getLogger(__name__)

#: What is said of a message that is put aside.
KILLED = "Three processes ended while this message was under way, and one that was given nothing else"

#: How long a child may take for what it is given, starting included; what it stands at then has hung it.
TRIAL_S = 300.0

#: Works on a chunk as the job would, and has no effect.
Work = Callable[[Chunk], object]

_CHILD = "from pipelines.kafka.reading.suspects import try_each; try_each()"


class Admitted(NamedTuple):
    """What of a chunk is worked on, which of its messages these are, and the places of the others."""

    chunk: Chunk
    left: NDArray[np.bool_]
    deadly: list[int]


def admitted(noted: InFlight | None, owner: Hashable, chunk: Chunk, begin: Callable[[], Work]) -> Admitted:
    """Note a chunk as under way; messages that processes died over are tried before, by what `begin` returns.

    `begin` is called in the child and makes all ready; it can be pickled.
    """
    if noted is None or not (suspect := noted.begin(owner, chunk)).any():
        return Admitted(chunk, np.ones(len(chunk.values), np.bool_), [])
    deadly = killers(chunk, suspect, begin)
    noted.acquit(chunk)
    return Admitted(*without(chunk, deadly), deadly)


def killers(chunk: Chunk, suspect: NDArray[np.bool_], begin: Callable[[], Work]) -> list[int]:
    """Try suspect messages one by one in child processes; return the places of those that ended one."""
    left, found = np.flatnonzero(suspect).tolist(), []
    while left:
        reached = _tried([alone(chunk, place) for place in left], begin)
        if reached is None:
            break
        found.append(left[reached])
        left = left[reached + 1 :]
    return found


def alone(chunk: Chunk, place: int) -> Chunk:
    """Return one message of a chunk as a chunk."""
    one = slice(place, place + 1)
    columns = (chunk.partitions[one].copy(), chunk.offsets[one].copy(), chunk.timestamps[one].copy())
    traces = None if chunk.traces is None else chunk.traces[one].copy()
    return Chunk(chunk.topic, Values.of([chunk.values[place]]), *columns, traces=traces)


def without(chunk: Chunk, places: Iterable[int]) -> tuple[Chunk, NDArray[np.bool_]]:
    """Return a chunk without the messages at some places, and which are left."""
    kept = np.ones(len(chunk.values), np.bool_)
    kept[list(places)] = False
    values = Values.of([value for value, good in zip(chunk.values, kept, strict=True) if good])
    columns = (chunk.partitions[kept], chunk.offsets[kept], chunk.timestamps[kept])
    traces = None if chunk.traces is None else chunk.traces[kept]
    return Chunk(chunk.topic, values, *columns, traces=traces), kept


def _tried(messages: list[Chunk], begin: Callable[[], Work]) -> int | None:
    """Return which of some messages a child process died of, None if it lived."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    given = pickler.dumps((begin, [each._asdict() | {"values": list(each.values)} for each in messages]))
    try:
        said, _ = child.communicate(given, TRIAL_S)
    except subprocess.TimeoutExpired:
        child.kill()
        said, _ = child.communicate()
    words = said.split()
    if not words:
        _LOGGER.error("suspect messages could not be tried: the child process did not begin")
        return None
    return None if words[-1] == b"done" else int(words[-1])


def try_each() -> None:
    """Work on the messages given on standard input, and say before each which one it is; end the process."""
    begin, messages = pickler.loads(sys.stdin.buffer.read())
    work = begin()
    for number, each in enumerate(messages):
        os.write(1, b"%d\n" % number)
        with suppress(Exception):  # what can be caught is a dead letter later
            work(Chunk(**each | {"values": Values.of(each["values"])}))
    os.write(1, b"done\n")
    os._exit(0)  # without waiting for threads of clients
