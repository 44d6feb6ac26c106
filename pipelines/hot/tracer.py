"""Taint in the stream: moves of tainted money per shard of accounts, and the traces that follow from them.

What orders state (topic `measures`) and what was traced (topic `traces`, which this job writes and reads
back) become MOVE rows in the shards of both accounts. Rows are a set by id, so duplicates, retries and order
do not matter. A block of debits is looked at only if one leaves a tainted account. Statements and traces
arrive after the fact: each shard remembers its newest debits and looks through them again.
"""

from collections import deque

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from measures.money.taint import Debit, Limits, TaintedMove, carried
from models.ledgers.table import Table
from pipelines.hot.records import trace_record
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import Bound, chunks_within, read_once
from pipelines.kafka.seal import read_seal
from pipelines.kafka.sink import OutRecord
from pipelines.policy import USUAL_CLOCK, Policy
from pipelines.state.shards import Words, concatenated, event_order, shard_of
from pipelines.state.store import Store
from pipelines.streams.clock import now_us, window
from pipelines.streams.measures import stated_moves
from pipelines.streams.moves import KEYS, MOVE, TAINT, move_of, rows_of
from pipelines.streams.sealed import opened
from pipelines.streams.stream import each
from pipelines.streams.traces import traced_move
from pipelines.telemetry import TELEMETRY
from schemas.rows import Rows
from schemas.rows.tokens import token_text
from schemas.rows.transfers import TRANSFER
from schemas.topics import TRACES
from schemas.trace import Trace

_SEEN = (
    "txn_id", "currency", "clearing_serial", "at_us", "amount_minor", "debtor_account", "creditor_account",
    "balance_after_minor", "partition", "offset", "received_us",
)  # fmt: skip

#: What is remembered of a debit.
DEBIT = np.dtype([(name, TRANSFER[name]) for name in _SEEN], align=True)

#: Newest debits all shards remember between them: at 20,000 a second six seconds, 20 MB.
REMEMBERED = 1 << 17


def limits(policy: Policy, at_us: int) -> Limits:
    """Return how far tainted money is followed at a time."""
    rule = policy.tracing
    hop_limit = policy.law.on(at_us).tracing.hop_limit
    return Limits(hop_limit, rule.least_minor, rule.good_faith, rule.pooled)


def trace_of(debit: Debit, move: TaintedMove, jurisdiction: str) -> Trace:
    """Return the trace of what a debit carried on; where the debit was read it does not say."""
    return Trace(
        trace_id=move.move_id,
        jurisdiction=jurisdiction,
        case_family=move.case,
        hop=move.hop,
        txn_id=debit.txn_id,
        debtor_account=move.debtor,
        creditor_account=move.creditor,
        amount_minor=move.amount_minor,
        transferred_minor=debit.amount_minor,
        currency=move.currency,
        at_us=move.at_us,
        followed=move.followed,
        clearing_serial=move.clearing_serial,
    )


class Tracer:
    """Follows tainted money through one worker's shards of accounts; one per DoFn instance."""

    def __init__(self, policy: Policy, shards: int, kafka: KafkaSettings, past: tuple[Bound, ...]) -> None:
        self._policy = policy
        self._shards = shards
        self._kafka = kafka
        self._past = past
        self._recent: dict[int, deque[Rows]] = {}
        self._accounts: dict[int, tuple[Table, int, NDArray[np.uint64]]] = {}

    def heard(self, shard: int, rows: Rows, store: Store) -> list[OutRecord]:
        """Add MOVE rows, and follow them through the debits this shard remembers."""
        self._table(shard, store)
        store.add(TAINT, shard, rows)
        recent = concatenated(self._recent.get(shard, ()), DEBIT)
        touched = np.isin(recent["debtor_account"][:, 0], rows["creditor"][:, 0])
        return self._follow(shard, recent.take(np.flatnonzero(touched)), store)

    def seen(
        self, shard: int, transfers: Rows, forbidden: NDArray[np.bool_], store: Store
    ) -> list[OutRecord]:
        """Follow tainted money through a shard's debits, TRANSFER[n], and remember them.

        Debits that a measure in force forbids leave the money where it is.
        """
        debits = np.empty(len(transfers), DEBIT)
        for name in _SEEN:
            debits[name] = transfers[name]
        if forbidden.any():
            debits = debits.take(np.flatnonzero(~forbidden))
        self._remember(shard, debits)
        tainted = self._tainted(shard, self._table(shard, store))
        if not len(tainted):
            return []
        high = np.ascontiguousarray(debits["debtor_account"][:, 0])
        places = np.searchsorted(tainted, high)
        touched = tainted[np.minimum(places, len(tainted) - 1)] == high
        return self._follow(shard, debits.take(np.flatnonzero(touched)), store) if touched.any() else []

    def _follow(self, shard: int, debits: Rows, store: Store) -> list[OutRecord]:
        """Take debits in order of event time; each sees what those before it took."""
        found: list[Rows] = []
        records = []
        known = store.known(TAINT, shard).filled
        for debit in debits.take(event_order(debits)):
            account = debit["debtor_account"]
            own = [move_of(row) for rows in (known, *found) for row in rows[_of(rows, account)]]
            left = _debit(debit)
            new = carried(left, own, limits(self._policy, left.at_us))
            found += [rows_of(new)] if new else []
            place = {name: int(debit[name]) for name in ("partition", "offset", "received_us")}
            traces = (trace_of(left, move, self._policy.law.id) for move in new)
            records += [trace_record(replace(trace, **place)) for trace in traces]
        if found:
            store.add(TAINT, shard, concatenated(found, MOVE))
            TELEMETRY.count("traces", len(records))
        return records

    def _table(self, shard: int, store: Store) -> Table:
        """Return the shard's moves; a shard without state begins with what the topics said at the start."""
        if self._past and not store.began(TAINT, shard):
            rows = past(self._kafka, self._past)
            at = (shard_of(rows[name], self._shards) == shard for name in KEYS)
            own = rows.take(np.flatnonzero(np.logical_or(*at)))
            store.add(TAINT, shard, own)
        return store.known(TAINT, shard)

    def _tainted(self, shard: int, table: Table) -> NDArray[np.uint64]:
        """Return the first words of accounts that tainted money reached, in order."""
        held = self._accounts.get(shard)
        if held is None or held[0] is not table or held[1] != table.used:
            held = (table, table.used, np.unique(table.filled["creditor"][:, 0]))
            self._accounts[shard] = held
        return held[2]

    def _remember(self, shard: int, debits: Rows) -> None:
        recent = self._recent.setdefault(shard, deque())
        recent.append(debits)
        kept = sum(map(len, recent))
        while kept - len(recent[0]) >= REMEMBERED // self._shards:
            kept -= len(recent.popleft())


@read_once
def past(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> Rows:
    """Read the moves of topics `measures` and `traces` within `bounds`, once per process.

    What cannot be read is left to the job, which reads the same messages and puts them aside.
    """
    found, seal = [], read_seal(settings.seal_key)
    for each_chunk in chunks_within(settings, bounds):
        times = window(each_chunk, USUAL_CLOCK, now_us()).long_ago()
        chunk, times, _ = opened(each_chunk, times, seal)
        read = traced_move if chunk.topic == TRACES else stated_moves
        rows, _ = each(chunk, MOVE, read, times, "at_us")
        found.append(rows)
    return concatenated(found, MOVE)


def _of(rows: Rows, account: Words) -> NDArray[np.bool_]:
    sides = (rows[name] == account for name in KEYS)
    either: NDArray[np.bool_] = np.logical_or(*(side.all(axis=1) for side in sides))
    return either


def _debit(row: np.void) -> Debit:
    return Debit(
        row["txn_id"].decode(),
        int(row["at_us"]),
        token_text(row["debtor_account"]),
        token_text(row["creditor_account"]),
        int(row["amount_minor"]),
        row["currency"].decode(),
        int(row["balance_after_minor"]),
        row["clearing_serial"].decode(),
    )
