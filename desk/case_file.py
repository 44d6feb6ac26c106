"""Everything about one case, put together from the store for one person to read."""

from statistics import median
from typing import Any, NamedTuple

import msgspec

from desk.cases import OF_CASE, case_id_of
from desk.money_way import Way, money_way
from desk.projections.journal import state_of
from desk.records import Line, naming
from desk.sight import EVERYTHING, Sight
from desk.sql import Row, among
from desk.store import Store, unpacked
from measures.engine.intake import AccountState
from measures.victims.answers import said_in
from pipelines.policy import OUTCOMES
from schemas import topics
from schemas.action import Action
from schemas.alert import Alert
from schemas.feedback import Feedback
from schemas.journal import (
    Alerted,
    AppealChanged,
    JournalEvent,
    MeasureChanged,
    OrderAnswered,
    RefundChanged,
)
from schemas.measure import Appeal, Measure, Refund
from schemas.order import Direction
from schemas.warning import Warning

#: So many of the newest alerts, and moments of the timeline, are shown.
ALERTS_SHOWN, MOMENTS_SHOWN = 60, 150


class Moment(NamedTuple):
    """One thing that happened: when, what kind, about what, and the record itself."""

    at_us: int
    kind: str
    about: str
    record: Any


class Usual(NamedTuple):
    """What is usual for the holder of an account, by the bookings its bank tells; amounts in minor units."""

    bookings: int
    since_us: int
    median_minor: int
    largest_minor: int
    partners: int
    currency: str


class Related(NamedTuple):
    """Another case that shares something: a payer, a person, a payment or a case family."""

    case_id: str
    account: str
    shares: tuple[str, ...]
    amount_minor: int
    currency: str
    open: bool


class Proposal(NamedTuple):
    """A decision that waits for a second person."""

    action: Action
    mine: bool


class CaseFile(NamedTuple):
    """One case whole; `row` is its line of `cases`."""

    row: Row
    alerts: tuple[Alert, ...]
    warnings: tuple[Warning, ...]
    answers: tuple[dict[str, Any], ...]
    measures: tuple[Measure, ...]
    appeals: tuple[Appeal, ...]
    refunds: tuple[Refund, ...]
    proposals: tuple[Proposal, ...]
    timeline: tuple[Moment, ...]
    usual: Usual | None
    way: Way
    related: tuple[Related, ...]
    named: tuple[Line, ...]

    @property
    def lead(self) -> Alert | None:
        """The gravest alert, whose reasons stand for the case; the newest of equals."""
        return max(self.alerts, key=lambda alert: (OUTCOMES.index(alert.outcome), alert.score), default=None)


_ALERT, _WARNING = msgspec.json.Decoder(Alert), msgspec.json.Decoder(Warning)
_MEASURE, _APPEAL = msgspec.json.Decoder(Measure), msgspec.json.Decoder(Appeal)
_FEEDBACK = msgspec.json.Decoder(Feedback)
_REFUND = msgspec.json.Decoder(Refund)
_ACTION, _ANY = msgspec.json.Decoder(Action), msgspec.json.Decoder(dict[str, Any])
_EVENT = msgspec.json.Decoder(MeasureChanged | AppealChanged | OrderAnswered | Alerted | RefundChanged)


def case_file(
    store: Store, case_id: str, now_us: int, reader: str = "", sight: Sight = EVERYTHING
) -> CaseFile | None:
    """Put a case together for `reader`, who has a `sight`; None if there is no such case for them.

    What a first person decided stays hidden from everybody else until a second one has decided.
    """
    row = store.row(f"SELECT * FROM cases WHERE case_id = ? AND {sight.kept()}", case_id)
    if row is None:
        return None
    account = row["account"]
    alerts = tuple(
        _ALERT.decode(unpacked(each["record"]))
        for each in store.rows(
            "SELECT record FROM alerts WHERE account = ? ORDER BY received_us DESC, alert_id LIMIT ?",
            account, ALERTS_SHOWN,
        )
    )  # fmt: skip
    txns = tuple(dict.fromkeys(alert.txn_id for alert in alerts))
    measures = _records(
        store, f"SELECT record FROM measures WHERE {OF_CASE} ORDER BY at_us", _MEASURE, account
    )
    families = {measure.case_family for measure in measures if measure.case_family}
    parties = tuple(dict.fromkeys(alert.party_token for alert in alerts if alert.leg == "CREDIT"))
    named = (account, *parties, *(alert.counterparty_token for alert in alerts))
    about = {*txns, *families, case_id}
    facts = [
        each
        for each in _facts(store, sight, account, txns, families, parties)
        if each[0] != topics.FEEDBACK or _belongs(each[1], about)
    ]
    warnings = tuple(_WARNING.decode(value) for topic, value in facts if topic == topics.WARNINGS)
    said = tuple(_answer(value) for topic, value in facts if topic == topics.FEEDBACK)
    heard_of = {each.get("cause_id") for each in said}
    answers = said + tuple(
        event["outcome"]
        for topic, value in facts
        if topic == topics.CONTACTS
        for event in _ANY.decode(value)["events"]
        if event["type"] == "heard"
        and not (event["outcome"].get("reason") == "DIALOGUE" and event["warning_id"] in heard_of)
    )
    refunds = tuple(_REFUND.decode(value) for topic, value in facts if topic == topics.REFUNDS)
    actions = _records(store, "SELECT record FROM actions WHERE account = ? ORDER BY at_us", _ACTION, account)
    seconded = {action.proposal_id for action in actions}
    proposals = tuple(
        Proposal(action, action.by == reader)
        for action in actions
        if action.state == "PROPOSED" and action.action_id not in seconded
    )
    hidden = {each.action.action_id for each in proposals if not each.mine}
    told = [action for action in actions if action.action_id not in hidden]
    journal = _records(
        store, "SELECT record FROM journal WHERE account = ? ORDER BY version", _EVENT, account
    )
    with store.reading() as db:
        state = state_of(db, account)
    return CaseFile(
        row, alerts, warnings, answers, tuple(measures),
        tuple(_records(store, "SELECT record FROM appeals WHERE account = ?", _APPEAL, account)), refunds,
        proposals,
        _timeline(alerts, journal, told, facts), usual(state),
        money_way(store, account, now_us, sight), _related(store, account, alerts, families, sight),
        tuple(naming(store, named, sight=sight)),
    )  # fmt: skip


def _belongs(value: bytes, about: set[str]) -> bool:
    """Tell whether a finding is about a case; what a person says of a warning is, whatever the payment."""
    found = _FEEDBACK.decode(value)
    return said_in(found) is not None or bool({found.txn_id, found.case_family_id} & about)


def _answer(value: bytes) -> dict[str, Any]:
    """Tell what a party said, whether or not the ladder of its warning had begun by then."""
    said = said_in(_FEEDBACK.decode(value))
    return _ANY.decode(value) | ({"verdict": said} if said else {})


def _records(store: Store, query: str, decoder: Any, *values: Any) -> list[Any]:
    return [decoder.decode(unpacked(row["record"])) for row in store.rows(query, *values)]


def _facts(  # noqa: PLR0917 - what it is found by
    store: Store, sight: Sight, account: str, txns: tuple[str, ...], families: set[str],
    parties: tuple[str, ...],
) -> list[tuple[str, bytes]]:  # fmt: skip
    """Return facts about the account, its payments and its case families, each once, in order of time."""
    found: dict[tuple[str, str], Row] = {}
    asked: list[tuple[str, tuple[str, ...]]] = [
        ("account", (account,)),
        ("other", (account,)),
        ("txn", txns),
        ("family", (*families, case_id_of(account))),
        ("party", parties),
    ]
    for column, values in asked:
        for row in store.rows(
            f"SELECT topic, id, at_us, record FROM facts WHERE {among(column, values)} "
            f"AND {column} != '' AND {sight.facts()} LIMIT 500", *values,
        ):  # fmt: skip
            found[row["topic"], row["id"]] = row
    ordered = sorted(found.values(), key=lambda row: (row["at_us"], row["topic"], row["id"]))
    return [(row["topic"], unpacked(row["record"])) for row in ordered]


def _timeline(
    alerts: tuple[Alert, ...],
    journal: list[JournalEvent],
    actions: list[Action],
    facts: list[tuple[str, bytes]],
) -> tuple[Moment, ...]:
    moments = [Moment(each.at_us, f"alert.{each.outcome}", each.txn_id, each) for each in alerts]
    moments += [_of_journal(event) for event in journal]
    moments += [Moment(each.at_us, f"action.{each.kind}", each.subject, each) for each in actions]
    for topic, value in facts:
        if topic == topics.REFUNDS:  # the newest of each, without a time; the journal tells what happened
            continue
        record = _ANY.decode(value)
        at = next((record[name] for name in ("issued_at_us", "known_at_us", "at_us") if name in record), 0)
        about = str(record.get("txn_id") or "")
        moments.append(Moment(int(at), topic, about, record))
    return tuple(sorted(moments, key=lambda each: -each.at_us)[:MOMENTS_SHOWN])


def _of_journal(event: JournalEvent) -> Moment:
    if isinstance(event, MeasureChanged):
        name = f"measure.{event.measure.kind}.{event.measure.state}"
        return Moment(event.at_us, name, event.measure.measure_id, event.measure)
    if isinstance(event, AppealChanged):
        return Moment(event.at_us, f"appeal.{event.appeal.state}", event.appeal.appeal_id, event.appeal)
    if isinstance(event, RefundChanged):
        return Moment(event.at_us, f"refund.{event.refund.state}", event.refund.refund_id, event.refund)
    if isinstance(event, Alerted):
        return Moment(event.at_us, "engine", event.subject, event)
    return Moment(event.at_us, "order.answered", getattr(event, "order_key", ""), event)


def usual(state: AccountState | None) -> Usual | None:
    """Say what is usual on an account; None where its bank tells no debits."""
    if state is None:
        return None
    debits = [flow for flow in state.account.flows if flow.direction is Direction.DEBIT]
    if not debits:
        return None
    amounts = [flow.amount_minor for flow in debits]
    return Usual(
        len(debits), min(flow.at_us for flow in debits), int(median(amounts)), max(amounts),
        len({flow.counterparty_token for flow in debits}), state.account.currency,
    )  # fmt: skip


def _related(
    store: Store, account: str, alerts: tuple[Alert, ...], families: set[str], sight: Sight
) -> tuple[Related, ...]:
    """Find other cases that share a person, an account, a payment or a case family with this one."""
    shares: dict[str, dict[str, None]] = {}
    asked = {
        "party": {alert.party_token for alert in alerts},
        "counterparty": {alert.counterparty_token for alert in alerts},
        "txn": {alert.txn_id for alert in alerts},
    }
    for column, values in asked.items():
        for row in store.rows(
            f"SELECT DISTINCT account FROM alerts WHERE {among(column, values)} "
            "AND account != ? LIMIT 50", *sorted(values), account,
        ):  # fmt: skip
            shares.setdefault(row["account"], {})[column] = None
    for alert in alerts:
        if store.row("SELECT 1 FROM cases WHERE account = ?", alert.counterparty_token):
            shares.setdefault(alert.counterparty_token, {})["chain"] = None
    for family in sorted(families):
        for each in store.rows("SELECT DISTINCT account FROM measures WHERE family = ?", family):
            if each["account"] != account:
                shares.setdefault(each["account"], {})["family"] = None
    found = []
    for other, what in shares.items():
        if case := store.row(f"SELECT * FROM cases WHERE account = ? AND {sight.kept()}", other):
            sum_ = case["amount_minor"], case["currency"]
            found.append(Related(case["case_id"], other, tuple(what), *sum_, bool(case["open"])))
    return tuple(sorted(found, key=lambda each: (-len(each.shares), -each.amount_minor, each.case_id))[:20])
