"""Topic `measures`: accounts as the legal engine has them, their measures and appeals, what happened when."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from desk.projections.projection import Ground, Message, Projection
from desk.sql import Connection, arriving, insert, upsert
from desk.store import packed, unpacked
from measures.engine.intake import AccountState, recalled
from measures.state.account import Due, dues
from schemas.journal import (
    Alerted,
    AppealChanged,
    JournalEntry,
    JournalEvent,
    MeasureChanged,
    OrderAnswered,
    RefundChanged,
)
from schemas.measure import AppealState
from schemas.topics import MEASURES

TABLES = """
CREATE TABLE accounts(token TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE measures(
  seq INTEGER PRIMARY KEY, measure_id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, kind TEXT NOT NULL,
  state TEXT NOT NULL, live INTEGER NOT NULL, family TEXT NOT NULL, currency TEXT NOT NULL,
  limit_minor INTEGER NOT NULL, held_minor INTEGER NOT NULL, due_us INTEGER, due_kind TEXT NOT NULL,
  rule TEXT NOT NULL, at_us INTEGER NOT NULL, record BLOB NOT NULL, scope TEXT NOT NULL);
CREATE INDEX measures_of_account ON measures(account);
CREATE TABLE measure_txns(
  txn TEXT NOT NULL, measure_id TEXT NOT NULL, PRIMARY KEY(txn, measure_id));
CREATE INDEX txns_of_measure ON measure_txns(measure_id);
CREATE INDEX measures_of_family ON measures(family) WHERE family != '';
CREATE TABLE appeals(
  appeal_id TEXT PRIMARY KEY, account TEXT NOT NULL, measure_id TEXT NOT NULL, open INTEGER NOT NULL,
  due_us INTEGER, record BLOB NOT NULL);
CREATE INDEX appeals_of_account ON appeals(account);
CREATE TABLE journal(
  account TEXT NOT NULL, version INTEGER NOT NULL, at_us INTEGER NOT NULL, type TEXT NOT NULL,
  record BLOB NOT NULL, PRIMARY KEY(account, version, type))
"""

_PUT_ACCOUNT = upsert(TABLES, "accounts", key="token")
_PUT_MEASURE = upsert(TABLES, "measures", key="measure_id")
_PUT_APPEAL = upsert(TABLES, "appeals", key="appeal_id")

#: Events that people read of; bookings and facts are the state's.
_TOLD = (MeasureChanged, AppealChanged, OrderAnswered, Alerted, RefundChanged)

_STATE = msgspec.json.Decoder(AccountState)
_encode = msgspec.json.Encoder().encode


def state_of(db: Connection, account: str) -> AccountState | None:
    """Return an account as the journal leaves it; None if the engine has none."""
    found = db.execute("SELECT state FROM accounts WHERE token = ?", (account,)).fetchone()
    return _STATE.decode(unpacked(found[0])) if found else None


def put(db: Connection, ground: Ground, messages: Sequence[Message]) -> Collection[str]:
    """Advance accounts by their entries; an entry that came before changes nothing."""
    kept: dict[str, AccountState] = {}
    seq = arriving(db, "measures")
    for _, _, entry in messages:
        token = entry.account_token
        before = kept.get(token) or state_of(db, token)
        kept[token] = after = recalled(before, entry)
        fresh = [event for event in entry.events if not before or event.version > before.account.version]
        told = [event for event in fresh if isinstance(event, _TOLD)]
        if entry.refused:
            told.append(_refusal(entry))
        db.executemany(
            insert("journal", 5),
            [(token, event.version, event.at_us, _type(event), packed(_encode(event))) for event in told],
        )
        _put_changed(db, after, fresh, seq)
    db.executemany(
        _PUT_ACCOUNT,
        [(token, state.account.version, packed(_encode(state))) for token, state in kept.items()],
    )
    return kept.keys()


def others(db: Connection, messages: Sequence[Message]) -> set[str]:
    """Return the accounts whose alerts are about payments that measures on these accounts hold."""
    found = set()
    for account in {entry.account_token for _, _, entry in messages}:
        rows = db.execute(
            "SELECT DISTINCT a.account FROM measures AS m JOIN measure_txns AS t USING (measure_id) "
            "JOIN alerts AS a ON a.txn = t.txn "
            "WHERE m.account = ? AND m.kind = 'HOLD' AND m.scope = 'TRANSACTION'",
            (account,),
        )  # fmt: skip
        found |= {row[0] for row in rows}
    return found


def _type(event: JournalEvent) -> str:
    return str(type(event).__struct_config__.tag)


def _refusal(entry: JournalEntry) -> Alerted:
    """Tell a refused command as something a person must look at."""
    return Alerted(
        event_id=entry.entry_id,
        account_token=entry.account_token,
        version=entry.version,
        at_us=entry.at_us,
        alert=f"REFUSED.{entry.refused}",
        subject=entry.command,
        detail=entry.detail,
    )


def _put_changed(
    db: Connection, state: AccountState, events: Sequence[JournalEvent], seq: Iterator[int]
) -> None:
    """Write the measures and appeals that events changed, as they are now, with what is due next of each."""
    account = state.account
    next_of: dict[str, Due] = {}
    for each in sorted(each for each in dues(account) if each.what not in ("FORGET", "PARKED")):
        next_of.setdefault(each.key, each)
    told = {event.measure.measure_id: event.measure for event in events if isinstance(event, MeasureChanged)}
    for name, last in told.items():
        measure, due = account.measures.get(name, last), next_of.get(name)  # it may be forgotten by now
        row: tuple[Any, ...] = (
            next(seq), name, account.account_token, measure.kind, measure.state, int(measure.live),
            measure.case_family, measure.currency, measure.limit_minor, measure.held_minor,
            due and due.at_us, due.what if due else "", measure.rule,
            measure.executed_at_us or account.clock_us, packed(_encode(measure)), measure.scope,
        )  # fmt: skip
        db.execute(_PUT_MEASURE, row)
        db.executemany(insert("measure_txns", 2), [(txn, name) for txn in measure.txn_ids])
    asked = {event.appeal.appeal_id: event.appeal for event in events if isinstance(event, AppealChanged)}
    for name, was in asked.items():
        appeal = account.appeals.get(name, was)
        open_ = appeal.state not in (AppealState.CLOSED, AppealState.DECIDED)
        row = (
            name, account.account_token, appeal.measure_id, int(open_), appeal.due_us, packed(_encode(appeal))
        )  # fmt: skip
        db.execute(_PUT_APPEAL, row)


PROJECTION = Projection(MEASURES, msgspec.json.Decoder(JournalEntry).decode, put, TABLES, others)
