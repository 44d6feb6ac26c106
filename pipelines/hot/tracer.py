"""Taint in the stream: moves of tainted money per shard of accounts, and the traces that follow from them.

What orders state (topic `measures`) and what was traced (topic `traces`, which this job writes and reads
back) become MOVE rows in the shards of both accounts. Rows are a set by id, so duplicates, retries and order
do not matter. A block of debits is looked at only if one leaves a tainted account. Statements and traces
arrive after the fact: each shard remembers its newest debits and looks through them again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
from msgspec import ValidationError
from numpy.typing import NDArray

from measures.money.taint import Debit, Limits, TaintedMove, carried, statements
from models.ledgers.table import Table
from pipelines.hot.records import trace_record
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.reading.bounds import Bound, chunks_within, read_once
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.state import shard_state
from pipelines.state.shard_state import Kind, Logs
from pipelines.state.shards import Rows, Words, concatenated, event_order, shard_of
from pipelines.telemetry import TELEMETRY
from schemas.journal import JournalEntry
from schemas.rows.tokens import ascii_bytes, token_text, token_words
from schemas.rows.transfers import TRANSFER
from schemas.topics import TRACES
from schemas.trace import CASE_BYTES, Trace

#: A `TaintedMove`; `key` is its id, `debtor` and `creditor` are tokens in two words each.
MOVE = np.dtype(
    [
        ("key", "u8", 2),
        ("debtor", "u8", 2),
        ("creditor", "u8", 2),
        ("case", f"S{CASE_BYTES}"),
        ("clearing_serial", "S35"),
        ("currency", "S3"),
        ("stated", "?"),
        ("followed", "?"),
        ("hop", "i4"),
        ("amount_minor", "i8"),
        ("at_us", "i8"),
        ("version", "i8"),
    ],
    align=True,
)

_SEEN = (
    "txn_id", "currency", "clearing_serial", "at_us", "amount_minor", "debtor_account", "creditor_account",
    "balance_after_minor", "partition", "offset", "received_us",
)  # fmt: skip

#: What is remembered of a debit.
DEBIT = np.dtype([(name, TRANSFER[name]) for name in _SEEN], align=True)

#: Newest debits all shards remember between them: at 20,000 a second six seconds, 20 MB.
REMEMBERED = 1 << 17

_JOURNAL_MARKS = (b'"type":"measure"', b'"type":"reported"')
_ENTRY, _TRACE = msgspec.json.Decoder(JournalEntry), msgspec.json.Decoder(Trace)


def moves(chunk: Chunk, refused: Callable[[int, Exception], None]) -> Rows:
    """Read MOVE rows from a chunk of topic `measures` or `traces`; what cannot be read is `refused`."""
    found: list[Rows] = []
    for place, value in enumerate(chunk.values):
        try:
            if chunk.topic == TRACES:
                found.append(rows_of([_traced(_TRACE.decode(value))]))
            elif any(mark in value for mark in _JOURNAL_MARKS):
                found.append(rows_of(statements(_ENTRY.decode(value))))
        except (ValueError, OverflowError, RecursionError) as error:
            refused(place, error)
    return concatenated(found, MOVE)


def by_account_shard(rows: Rows, shards: int) -> Iterator[tuple[int, Rows]]:
    """Split MOVE rows by shard; each goes to the shards of both its accounts."""
    debtor, creditor = shard_of(rows["debtor"], shards), shard_of(rows["creditor"], shards)
    for shard in np.union1d(debtor, creditor).tolist():
        yield shard, rows.take(np.flatnonzero((debtor == shard) | (creditor == shard)))


def rows_of(found: Iterable[TaintedMove]) -> Rows:
    """Return moves as MOVE rows.

    Raises:
        ValueError: an id, a case family or a currency does not fit.
        OverflowError: a number does not.

    """
    found = list(found)
    rows = np.zeros(len(found), MOVE)
    for row, move in zip(rows, found, strict=True):
        row["key"] = token_words([move.move_id.rpartition("_")[2]], "trace_id")[0]
        row["debtor"], row["creditor"] = token_words([move.debtor, move.creditor])
        row["case"] = case = move.case.encode()
        if len(case) > CASE_BYTES:
            raise ValidationError(f"Expected at most {CASE_BYTES} bytes - at `$.case_family`")
        row["clearing_serial"] = move.clearing_serial.encode("ascii", "replace")
        row["currency"] = ascii_bytes("currency", move.currency)
        for name in ("stated", "followed", "hop", "amount_minor", "at_us", "version"):
            row[name] = getattr(move, name)
    return rows


def note(table: Table, facts: Rows) -> Rows:
    """Add MOVE[n]; of one id the newest version holds, then the smaller amount. Returns no views."""
    for fact in facts:
        before = table.used
        (place,) = table.locate(fact["key"][None]).tolist()
        row = table.rows[place]
        newer, same = fact["version"] > row["version"], fact["version"] == row["version"]
        if table.used > before or newer or (same and fact["amount_minor"] < row["amount_minor"]):
            table.rows[place] = fact
    return facts[:0]


TAINT = Kind("taint", MOVE, {MOVE: note})


class Tracer:
    """Follows tainted money through one worker's shards of accounts; one per DoFn instance."""

    def __init__(self, policy: Policy, shards: int, kafka: KafkaSettings, past: tuple[Bound, ...]) -> None:
        self._policy = policy
        self._shards = shards
        self._kafka = kafka
        self._past = past
        self._recent: dict[int, deque[Rows]] = {}
        self._accounts: dict[int, tuple[Table, int, NDArray[np.uint64]]] = {}

    def heard(self, shard: int, rows: Rows, version: Any, logs: Logs) -> list[OutRecord]:
        """Add MOVE rows, and follow them through the debits this shard remembers."""
        self._table(shard, version, logs)
        shard_state.observe(TAINT, shard, rows, version, logs)
        recent = concatenated(self._recent.get(shard, ()), DEBIT)
        touched = np.isin(recent["debtor_account"][:, 0], rows["creditor"][:, 0])
        return self._follow(shard, recent.take(np.flatnonzero(touched)), version, logs)

    def seen(
        self, shard: int, transfers: Rows, forbidden: NDArray[np.bool_], version: Any, logs: Logs
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
        tainted = self._tainted(shard, self._table(shard, version, logs))
        if not len(tainted):
            return []
        high = np.ascontiguousarray(debits["debtor_account"][:, 0])
        places = np.searchsorted(tainted, high)
        touched = tainted[np.minimum(places, len(tainted) - 1)] == high
        return (
            self._follow(shard, debits.take(np.flatnonzero(touched)), version, logs) if touched.any() else []
        )

    def _follow(self, shard: int, debits: Rows, version: Any, logs: Logs) -> list[OutRecord]:
        """Take debits in order of event time; each sees what those before it took."""
        found: list[Rows] = []
        records = []
        known = shard_state.known(TAINT, shard, version, logs).filled
        for debit in debits.take(event_order(debits)):
            account = debit["debtor_account"]
            own = [_move(row) for rows in (known, *found) for row in rows[_of(rows, account)]]
            new = carried(_debit(debit), own, self._limits(int(debit["at_us"])))
            found += [rows_of(new)] if new else []
            records += [trace_record(self._trace(debit, move)) for move in new]
        if found:
            shard_state.observe(TAINT, shard, concatenated(found, MOVE), version, logs)
            TELEMETRY.count("traces", len(records))
        return records

    def _limits(self, at_us: int) -> Limits:
        rule = self._policy.tracing
        hop_limit = self._policy.law.on(at_us).tracing.hop_limit
        return Limits(hop_limit, rule.least_minor, rule.good_faith, rule.pooled)

    def _trace(self, debit: np.void, move: TaintedMove) -> Trace:
        return Trace(
            trace_id=move.move_id,
            jurisdiction=self._policy.law.id,
            case_family=move.case,
            hop=move.hop,
            txn_id=debit["txn_id"].decode(),
            debtor_account=move.debtor,
            creditor_account=move.creditor,
            amount_minor=move.amount_minor,
            transferred_minor=int(debit["amount_minor"]),
            currency=move.currency,
            at_us=move.at_us,
            followed=move.followed,
            clearing_serial=move.clearing_serial,
            partition=int(debit["partition"]),
            offset=int(debit["offset"]),
            received_us=int(debit["received_us"]),
        )

    def _table(self, shard: int, version: Any, logs: Logs) -> Table:
        """Return the shard's moves; a shard without state begins with what the topics said at the start."""
        if self._past and version.read() is None:
            rows = past(self._kafka, self._past)
            at = (shard_of(rows[name], self._shards) == shard for name in ("debtor", "creditor"))
            own = rows.take(np.flatnonzero(np.logical_or(*at)))
            shard_state.observe(TAINT, shard, own, version, logs)
        return shard_state.known(TAINT, shard, version, logs)

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
    return concatenated([moves(chunk, lambda *_: None) for chunk in chunks_within(settings, bounds)], MOVE)


def _of(rows: Rows, account: Words) -> NDArray[np.bool_]:
    sides = (rows[name] == account for name in ("debtor", "creditor"))
    either: NDArray[np.bool_] = np.logical_or(*(side.all(axis=1) for side in sides))
    return either


def _move(row: np.void) -> TaintedMove:
    return TaintedMove(
        f"trace_{token_text(row['key'])}",
        row["case"].decode(),
        token_text(row["debtor"]),
        token_text(row["creditor"]),
        int(row["amount_minor"]),
        row["currency"].decode(),
        int(row["at_us"]),
        int(row["hop"]),
        bool(row["stated"]),
        int(row["version"]),
        bool(row["followed"]),
        row["clearing_serial"].decode(),
    )


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


def _traced(trace: Trace) -> TaintedMove:
    return TaintedMove(
        trace.trace_id,
        trace.case_family,
        trace.debtor_account,
        trace.creditor_account,
        trace.amount_minor,
        trace.currency,
        trace.at_us,
        trace.hop,
        followed=trace.followed,
        clearing_serial=trace.clearing_serial,
    )
