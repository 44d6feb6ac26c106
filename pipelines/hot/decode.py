"""Chunks of messages into blocks of rows; what cannot be decoded becomes a dead letter."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam import pvalue
from apache_beam.metrics import Metrics
from msgspec import ValidationError
from numpy.typing import NDArray

from measures.in_force import Enforcement, read_enforcement
from models.ledgers.ledger import ENFORCEMENT, NOTHING_LEAVES
from pipelines.hot.records import dead_letter_record
from pipelines.hot.tracer import by_account_shard, moves
from pipelines.kafka.port import Chunk
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.state.shards import Rows, by_shard, concatenated, pack, shard_of, windowed
from schemas.dead_letter import DeadLetter, ErrorCode, dead_letter
from schemas.payment import STATUSES
from schemas.rows.tokens import token_words
from schemas.rows.transfers import full_transfers, plain_transfers
from schemas.topics import MEASURES, TRACES

#: No payment is larger; a longer value is refused, and never parsed as a tree.
VALUE_BYTES_MAX = 16_384

#: An event time this far after the message's arrival is a wrong clock, microseconds.
FUTURE_US_MAX = 3_600_000_000

_INITIATED = STATUSES.index("INITIATED")

_QUOTED_WORD = re.compile(r"^Invalid enum value .*(?= - at `\$[^`]*`$)", re.DOTALL)

#: A measure without an end, microseconds UTC.
FOREVER = np.iinfo(np.int64).max

#: Chunks are decoded while the next are read: plain JSON is read without the interpreter's lock.
_BESIDE = ThreadPoolExecutor(2, "decode")

Places = NDArray[np.int64]


def decode(chunk: Chunk, policy: Policy) -> tuple[Rows, list[DeadLetter]]:
    """Decode a chunk: TRANSFER rows in message order, and a dead letter for every message without a row."""
    letters: list[DeadLetter] = []
    rows, plain = chunk.begun.result() if chunk.begun else plain_transfers(chunk.values)
    plain &= chunk.values.sizes() <= VALUE_BYTES_MAX
    decoded = np.ones(len(rows), np.bool_)
    decoded[_decode_fully(chunk, np.flatnonzero(~plain), rows, letters)] = False
    rows["partition"], rows["offset"] = chunk.partitions, chunk.offsets
    rows["received_us"] = chunk.timestamps
    unknown = decoded & np.isnan(policy.value(rows))
    future = (rows["received_us"] > 0) & (rows["at_us"] - rows["received_us"] > FUTURE_US_MAX)
    future &= decoded & ~unknown
    for place in np.flatnonzero(unknown).tolist():
        letters.append(_letter(chunk, place, "UNKNOWN_CURRENCY", "No rate - at `$.currency`"))
    for place in np.flatnonzero(future).tolist():
        letters.append(_letter(chunk, place, "FUTURE", "Over an hour after arrival - at `$.accepted_at_us`"))
    return rows.take(np.flatnonzero(decoded & ~(unknown | future))) if letters else rows, letters


def begun(chunk: Chunk) -> Chunk:
    """Begin to decode a chunk of payments beside what goes on; `decode` will find what came of it."""
    if chunk.topic in (MEASURES, TRACES):
        return chunk
    return chunk._replace(begun=_BESIDE.submit(plain_transfers, chunk.values))


def _decode_fully(chunk: Chunk, places: Places, rows: Rows, letters: list[DeadLetter]) -> list[int]:
    """Decode the messages at `places` into `rows`, with a letter for each refused; return where those are.

    Messages that fail together are halved until those at fault stand alone.
    """
    if not len(places):
        return []
    values = [chunk.values[place] for place in places.tolist()]
    try:
        if max(map(len, values)) > VALUE_BYTES_MAX:
            raise OverflowError(f"Longer than {VALUE_BYTES_MAX} bytes")
        rows[places] = full_transfers(values)
    except (ValueError, OverflowError, RecursionError) as error:
        if len(places) > 1:
            halves = np.array_split(places, 2)
            return [place for half in halves for place in _decode_fully(chunk, half, rows, letters)]
        letters.append(_letter(chunk, int(places[0]), _code(error), _without_value(str(error))))
        return [int(places[0])]
    return []


def _code(error: Exception) -> ErrorCode:
    if isinstance(error, OverflowError):
        return "TOO_LARGE"
    return "INVALID" if isinstance(error, ValidationError) else "NOT_JSON"


def _without_value(message: str) -> str:
    """Return `message` without the one thing of the record it may quote: a word that is not in a list."""
    return _QUOTED_WORD.sub("Not one of the words of the schema", message)


def _letter(chunk: Chunk, place: int, code: ErrorCode, message: str) -> DeadLetter:
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


def enforcements(chunk: Chunk) -> tuple[Rows, list[DeadLetter]]:
    """Read what a chunk of topic `measures` forbids: ENFORCEMENT rows, a dead letter per unreadable one."""
    found: list[Rows] = []
    letters: list[DeadLetter] = []
    for place, value in enumerate(chunk.values):
        try:
            if (stated := read_enforcement(value)) is not None:
                found.append(_enforced(stated))
        except (ValueError, OverflowError, RecursionError) as error:
            letters.append(_letter(chunk, place, _code(error), _without_value(str(error))))
    return concatenated(found, ENFORCEMENT), letters


def _enforced(stated: Enforcement) -> Rows:
    rows = np.zeros(1, ENFORCEMENT)
    limit = NOTHING_LEAVES if stated.limit_minor is None else stated.limit_minor
    rows["key"], rows["version"] = token_words([stated.account_token]), stated.version
    rows["limit_minor"] = limit if stated.in_force else 0
    rows["until_us"] = FOREVER if stated.until_us is None else stated.until_us
    return rows


def tainted(chunk: Chunk) -> tuple[Rows, list[DeadLetter]]:
    """Read what a chunk of topic `measures` or `traces` says of tainted money: MOVE rows, dead letters."""
    letters: list[DeadLetter] = []

    def refuse(place: int, error: Exception) -> None:
        letters.append(_letter(chunk, place, _code(error), _without_value(str(error))))

    return moves(chunk, refuse), letters


class Payments(NamedTuple):
    """A chunk of payments: INITIATED ones by shard of the payer, how many, how many others, letters."""

    parts: list[tuple[int, Rows]]
    initiated: int
    other: int
    letters: list[DeadLetter]


def payments(chunk: Chunk, policy: Policy, shards: int) -> Payments:
    """Decode a chunk of payments and split it."""
    rows, letters = decode(chunk, policy)
    initiated = rows
    if (rows["status"] != _INITIATED).any():
        initiated = rows.take(np.flatnonzero(rows["status"] == _INITIATED))
    parts = by_shard(initiated, shard_of(initiated["debtor"], shards))
    return Payments([*parts], len(initiated), len(rows) - len(initiated), letters)


class DecodeFn(beam.DoFn):  # type: ignore[misc]
    """Decode chunks; per bundle one block of TRANSFER rows for every shard of the paying parties.

    Payments that are not INITIATED are counted and go no further. What topic `measures` forbids leaves as
    blocks of ENFORCEMENT rows for the shards of the accounts, and what it and topic `traces` say of tainted
    money as blocks of MOVE rows. Refused messages leave as records for the
    topic `dead_letters` on the output of that name.
    """

    _initiated = Metrics.counter("stopline.decode", "payments")
    _other = Metrics.counter("stopline.decode", "payments_not_initiated")
    _letters = Metrics.counter("stopline.decode", "dead_letters")

    def __init__(self, policy: Policy, shards: int) -> None:
        self._policy = policy
        self._shards = shards

    def start_bundle(self) -> None:
        """Start without rows."""
        self._payments: list[tuple[Future[Payments], int]] = []
        self._enforced: list[tuple[Rows, int]] = []
        self._moved: list[tuple[Rows, int]] = []

    def process(self, chunk: Chunk) -> Iterator[Any]:
        """Decode one chunk, payments beside what follows."""
        received_us = int(chunk.timestamps[0])
        if chunk.topic not in (MEASURES, TRACES):
            self._payments.append((_BESIDE.submit(payments, chunk, self._policy, self._shards), received_us))
            return
        moved, letters = tainted(chunk)
        self._moved.append((moved, received_us))
        if chunk.topic == MEASURES:
            stated, more = enforcements(chunk)
            self._enforced.append((stated, received_us))
            letters = list({each.dead_letter_id: each for each in (*letters, *more)}.values())
        for record in self._refused(letters):
            yield pvalue.TaggedOutput("dead_letters", record)

    def _refused(self, letters: list[DeadLetter]) -> list[OutRecord]:
        self._letters.inc(len(letters))
        return [dead_letter_record(letter, self._policy.law.id) for letter in letters]

    def finish_bundle(self) -> Iterator[Any]:
        """Emit what the bundle decoded, by shard."""
        for stated, received_us in self._enforced:
            for shard, part in by_shard(stated, shard_of(stated["key"], self._shards)):
                yield windowed((shard, pack(part)), received_us)
        for moved, received_us in self._moved:
            for shard, part in by_account_shard(moved, self._shards):
                yield windowed((shard, pack(part)), received_us)
        parts: dict[int, list[Rows]] = {}
        for decoded, received_us in self._payments:
            found = decoded.result()
            self._initiated.inc(found.initiated)
            self._other.inc(found.other)
            for record in self._refused(found.letters):
                yield pvalue.TaggedOutput("dead_letters", windowed(record, received_us))
            for shard, part in found.parts:
                parts.setdefault(shard, []).append(part)
        for shard, some in sorted(parts.items()):
            yield windowed((shard, pack(*some)), min(int(part["received_us"].min()) for part in some))
