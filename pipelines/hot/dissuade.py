"""Repeat and cool-down rules for warnings (`measures.victims.cooldown`), a shard of parties at a time.

Time is event time, so a replay warns the same people.

What was said to a party is forgotten when the next warning to it comes over a day later, not by a timer:
Beam's in-process runner fires event-time timers as soon as they are set, and would let everything through.
So the row of a party that was warned stays, a hundred bytes.
"""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, get_args

import apache_beam as beam
import msgspec
import numpy as np
from apache_beam import coders
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from numpy.typing import NDArray

from measures.law.jurisdiction import Jurisdiction
from measures.law.rules import PER_DAY_MAX
from measures.victims.cooldown import DAY_US, Said, may_warn, recent
from models.ledgers.table import NEVER, Table
from pipelines.hot.records import warning_record
from pipelines.state import shard_state
from pipelines.state.shard_state import Head, Kind, Logs
from pipelines.state.shards import Block, Rows, Words, shard_of, windowed
from pipelines.telemetry import TELEMETRY
from schemas.rows.compiled import compiled
from schemas.rows.tokens import token_words
from schemas.warning import FraudClass, Warning

_CLASSES: tuple[FraudClass, ...] = get_args(FraudClass)

#: The day's cap and, of each of the three graver grades, one more.
_SAID_MAX = PER_DAY_MAX + 3

#: A warning that went out; `about` is a place in `_CLASSES`.
SAID = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("severity", "u1"), ("about", "u1")], align=True)

#: What a party was told in the last day, in any order; `NEVER` marks an empty place.
PARTY = np.dtype(
    [("key", "u8", 2), ("at_us", "i8", _SAID_MAX), ("severity", "u1", _SAID_MAX), ("about", "u1", _SAID_MAX)]
)


def blocks(asked: Sequence[Warning], shards: int) -> Iterator[Block]:
    """Return warnings by the shard of their party, in order."""
    if asked:
        shard = shard_of(token_words([each.party_token for each in asked]), shards).tolist()
        for number in sorted(set(shard)):
            own = [each for each, of in zip(asked, shard, strict=True) if of == number]
            yield number, msgspec.json.encode(own)


def note(table: Table, facts: Rows) -> Rows:
    """Add SAID[n] and forget what was said over a day before each. Returns no views."""
    places = table.locate(facts["key"])
    _note(table.rows, places, facts)
    return facts[:0]


@compiled
def _note(rows: Rows, places: NDArray[np.int64], facts: Rows) -> None:
    for each in range(len(facts)):
        fact, row = facts[each], rows[places[each]]
        free = 0
        for slot in range(len(row.at_us)):
            if row.at_us[slot] <= fact.at_us - DAY_US:
                row.at_us[slot] = NEVER
            if row.at_us[slot] < row.at_us[free]:
                free = slot
        row.at_us[free], row.severity[free], row.about[free] = fact.at_us, fact.severity, fact.about


HEARD = Kind("heard", PARTY, {SAID: note})


class _Asked(NamedTuple):
    """What a bundle asks to tell a shard's parties, its states, and when the first was received."""

    head: Head
    logs: Logs
    warnings: list[Warning]
    received_us: int


class DissuadeFn(beam.DoFn):  # type: ignore[misc]
    """Let through the warnings that parties may get now, as records for `warnings`; input of `blocks`."""

    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())
    OTHER_LOG = BagStateSpec("other_log", coders.BytesCoder())

    _sent = Metrics.counter("stopline.dissuade", "warnings")
    _suppressed = Metrics.counter("stopline.dissuade", "suppressed")

    def __init__(self, law: Jurisdiction) -> None:
        self._law = law

    def start_bundle(self) -> None:
        """Start without shards."""
        self._shards: dict[int, _Asked] = {}

    def process(
        self,
        block: Block,
        head: Any = beam.DoFn.StateParam(HEAD),
        log: Any = beam.DoFn.StateParam(LOG),
        other_log: Any = beam.DoFn.StateParam(OTHER_LOG),
        received: Any = beam.DoFn.TimestampParam,
    ) -> None:
        """Keep one shard's warnings."""
        shard, encoded = block
        if shard not in self._shards:
            self._shards[shard] = _Asked(Head(head), (log, other_log), [], received.micros)
        self._shards[shard].warnings.extend(msgspec.json.decode(encoded, type=list[Warning]))

    def finish_bundle(self) -> Iterator[Any]:
        """Decide about each shard's warnings in order of event time, however they came."""
        for shard, (head, logs, warnings, received_us) in self._shards.items():
            warnings.sort(key=attrgetter("issued_at_us", "warning_id"))
            for told in self._told(shard, warnings, head.value("version"), logs):
                yield windowed(warning_record(told), received_us)
            head.save()

    def _told(self, shard: int, warnings: list[Warning], version: Any, logs: Logs) -> list[Warning]:
        """Return the warnings that get through, and remember them."""
        keys = token_words([each.party_token for each in warnings])
        table = shard_state.known(HEARD, shard, version, logs)
        said = dict(zip([each.party_token for each in warnings], _said(table, keys), strict=True))
        sent = []
        for row, warning in enumerate(warnings):
            asked = Said(warning.issued_at_us, warning.severity, warning.fraud_class)
            heard = recent(said[warning.party_token], asked.at_us)
            if may_warn(heard, asked, self._law.on(asked.at_us)):
                said[warning.party_token] = (*heard, asked)
                sent.append(row)
        self._sent.inc(len(sent))
        self._suppressed.inc(len(warnings) - len(sent))
        TELEMETRY.count("warnings", len(sent))
        told = [warnings[row] for row in sent]
        if told:
            facts = np.empty(len(sent), SAID)
            facts["key"] = keys[sent]
            facts["at_us"] = [each.issued_at_us for each in told]
            facts["severity"] = [each.severity for each in told]
            facts["about"] = [_CLASSES.index(each.fraud_class) for each in told]
            shard_state.observe(HEARD, shard, facts, version, logs)
        return told


def _said(table: Table, parties: Words) -> list[tuple[Said, ...]]:
    """Return what each of some parties was told, nothing if it is not known."""
    places = table.find(parties)
    said: list[tuple[Said, ...]] = [()] * len(places)
    known = np.flatnonzero(places >= 0)
    rows = table.rows.take(places[known])
    columns = (rows[name].tolist() for name in ("at_us", "severity", "about"))
    for party, told in zip(known.tolist(), zip(*columns, strict=True), strict=True):
        said[party] = tuple(
            Said(at_us, severity, _CLASSES[about])
            for at_us, severity, about in zip(*told, strict=True)
            if at_us != NEVER
        )
    return said
