"""Repeat and cool-down rules for warnings (`measures.victims.cooldown`), a shard of parties at a time.

Time is event time, so a replay warns the same people.

What was said to a party is forgotten when the next warning to it comes over a day later, not by a timer:
Beam's in-process runner fires event-time timers as soon as they are set, and would let everything through.
So the row of a party that was warned stays, a hundred bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

import msgspec
import numpy as np
from apache_beam.metrics import Metrics
from numpy.typing import NDArray

from measures.law.jurisdiction import Jurisdiction
from measures.law.warning_rules import PER_DAY_MAX
from measures.victims.cooldown import Said, may_warn, recent
from models.ledgers.ledger import Ledger
from models.ledgers.table import NEVER, Table
from pipelines.hot.records import warning_record
from pipelines.hot.stage import Output
from pipelines.state.shards import Block, Words, shard_of
from pipelines.state.store import Received, Store
from pipelines.telemetry import TELEMETRY
from schemas.rows import Rows
from schemas.rows.compiled import compiled
from schemas.rows.tokens import token_words
from schemas.scams import FRAUD_CLASSES
from schemas.units import DAY_US
from schemas.warning import Warning

_CLASSES = FRAUD_CLASSES

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


def note(table: Table, parts: Sequence[Rows]) -> Rows:
    """Add SAID[n] and forget what was said over a day before each. Returns no views."""
    for facts in parts:
        places = table.locate(facts["key"])
        _note(table.rows, places, facts)
    return np.empty(0, SAID)


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


HEARD = Ledger("heard", PARTY, (SAID,), SAID, note)


class Dissuade:
    """Lets through the warnings that parties may get now; from what `blocks` made to records, `warnings`."""

    ledgers: tuple[str, ...] = ("heard",)
    waits = True

    _sent = Metrics.counter("stopline.dissuade", "warnings")
    _suppressed = Metrics.counter("stopline.dissuade", "suppressed")

    def __init__(self, law: Jurisdiction) -> None:
        self._law = law

    def setup(self) -> None:
        """Nothing is loaded."""

    def take(self, batch: Sequence[Received], store: Store) -> Iterator[Output]:
        """Decide about each shard's warnings in order of event time, however they came."""
        asked: dict[int, list[Warning]] = {}
        for received in batch:
            warnings = msgspec.json.decode(received.block, type=list[Warning])
            asked.setdefault(received.shard, []).extend(warnings)
        return self.sent(asked, min(received.received_us for received in batch), store)

    def sent(self, asked: Mapping[int, list[Warning]], received_us: int, store: Store) -> Iterator[Output]:
        """Let through what may be said of warnings by shard, as records."""
        for shard, warnings in asked.items():
            warnings.sort(key=attrgetter("issued_at_us", "warning_id"))
            for told in self._told(shard, warnings, store):
                yield Output("warnings", warning_record(told), received_us)

    def _told(self, shard: int, warnings: list[Warning], store: Store) -> list[Warning]:
        """Return the warnings that get through, and remember them."""
        keys = token_words([each.party_token for each in warnings])
        table = store.known(HEARD, shard)
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
            store.add(HEARD, shard, facts)
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
