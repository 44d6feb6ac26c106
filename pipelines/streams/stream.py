"""What a stream is: a topic, where reading starts, how messages become facts, and which ledger owns those."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from models.ledgers.ledger import Fold
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from schemas.contract import UNREADABLE
from schemas.dead_letter import DeadLetter, ErrorCode, dead_letter, unreadable_as
from schemas.rows import Rows
from schemas.rows.values import Values

_QUOTED_WORD = re.compile(r"^Invalid enum value .*(?= - at `\$[^`]*`$)", re.DOTALL)

#: Where a start without a checkpoint begins. WHOLE: at the topic's beginning, as what was said then may
#: still be in force. SINCE: where the group stands, but some hours of what lies before are read again, to
#: refill the ledgers. COMMITTED: where the group stands.
Begin = Literal["WHOLE", "SINCE", "COMMITTED"]

#: The ledgers of the hot path: of paying parties, of accounts, and of tainted money on accounts.
Owner = Literal["payers", "accounts", "taint"]


class Facts(NamedTuple):
    """Facts of one kind that a stream brings.

    Attributes:
        row: their type, with `at_us`.
        owner: the ledger they belong to.
        keys: columns of tokens; a fact goes to the shard of each.
        fold: what the owner does with them; None where the stage makes other facts of them first.

    """

    row: np.dtype[np.void]
    owner: Owner
    keys: tuple[str, ...] = ("key",)
    fold: Fold | None = None


class Decoded(NamedTuple):
    """What a chunk holds: facts, a part for each kind; letters; and what else is counted of it."""

    facts: Sequence[Rows]
    letters: list[DeadLetter]
    counts: Mapping[str, int] = {}


class Stream(NamedTuple):
    """A topic the main job reads.

    Attributes:
        topic: its name.
        begin: where reading starts.
        facts: the kinds of facts it brings.
        decode: makes them of a chunk and of what its event times may be; refuses messages by dead letters,
            never by raising.
        ahead: begins to decode values while other work goes on; `decode` finds it in `Chunk.ahead`.

    """

    topic: str
    begin: Begin
    facts: tuple[Facts, ...]
    decode: Callable[[Chunk, Policy, Window], Decoded]
    ahead: Callable[[Values], Any] | None = None


def refusal(chunk: Chunk, place: int, code: ErrorCode, message: str) -> DeadLetter:
    """Return the dead letter of one message of a chunk."""
    return dead_letter(
        chunk.topic,
        int(chunk.partitions[place]),
        int(chunk.offsets[place]),
        timestamp_us=int(chunk.timestamps[place]),
        stage="decode",
        error_code=code,
        message=message,
        value=chunk.values[place],
    )


def unreadable(chunk: Chunk, place: int, error: Exception) -> DeadLetter:
    """Return the dead letter of a message that reading raised one of `UNREADABLE` for."""
    code, said = unreadable_as(error)
    return refusal(chunk, place, code, _without_value(said))


def _without_value(message: str) -> str:
    """Return `message` without the one thing of the record it may quote: a word that is not in a list."""
    return _QUOTED_WORD.sub("Not one of the words of the schema", message)


def each(
    chunk: Chunk, row: np.dtype[np.void], read: Callable[[bytes], Sequence[Rows]], window: Window, field: str
) -> tuple[Rows, list[DeadLetter]]:
    """Read messages one by one, each into parts of `row`; for streams of few messages.

    `field` is where a message states its event time; when it was stated, where rows tell, is bound likewise.
    """
    found: list[Rows] = []
    letters: list[DeadLetter] = []
    for place, value in enumerate(chunk.values):
        try:
            parts = read(value)
            times = [int(at_us) for part in parts for at_us in _instants(part)]
            faults = (window.fault(place, at_us, field) for at_us in times)
            if fault := next(filter(None, faults), None):
                letters.append(refusal(chunk, place, *fault))
                continue
            found += parts
        except UNREADABLE as error:
            letters.append(unreadable(chunk, place, error))
    rows = np.frombuffer(b"".join(part.data for part in found), row)
    return rows, letters


def _instants(rows: Rows) -> Rows:
    """Return the times that rows state."""
    if "stated_us" not in (rows.dtype.names or ()):
        return rows["at_us"]
    return np.concatenate((rows["at_us"], rows["stated_us"][rows["stated_us"] > 0]))
