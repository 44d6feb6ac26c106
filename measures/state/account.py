"""Everything in force on one account: event-sourced state, what it forbids now, and when to look again.

State changes only through `evolve`, so `replay(events)` rebuilds it exactly. Measures are counted one by
one: an account is free only when all of them have ended.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import field

from measures.state.seen import Seen
from schemas.errors import SchemaError
from schemas.journal import (
    AppealChanged,
    EnforcementChanged,
    FactsStated,
    Forgotten,
    JournalEvent,
    MeasureChanged,
    Moved,
    OrderAnswered,
    OrderParked,
    ParkEnded,
    RefundChanged,
)
from schemas.measure import (
    AccountFacts,
    Appeal,
    AppealState,
    ClockKind,
    Measure,
    MeasureState,
    Refund,
    RefundState,
)
from schemas.order import Direction, Flow, MeasureKind, Record, Scope, VictimTransfer

V = TypeVar("V")

#: Clocks that end a measure by themselves.
ENDING = (ClockKind.EXPIRY, ClockKind.VERIFY)

#: States of a refund round in which payments are due.
PAYING = (RefundState.DECIDED, RefundState.DISPATCHED)

#: Flows kept per account for the match test, the onward trace and queries.
RECENT_FLOWS = 64


class Account(Record, frozen=True, kw_only=True):
    """The legal state of one account; serialise it with msgspec.

    `answered` maps order and message keys to what was answered, `parked` holds the lifts
    that wait for their parent, by order key, `term_counts` counts terms per kind of measure and case family,
    `repaid` adds up what victims got back, by case family and victim, `stated` is what the account was last
    said to forbid.
    """

    account_token: str
    version: int = 0
    clock_us: int = 0
    ranks: int = 0
    facts: AccountFacts | None = None
    flows: tuple[Flow, ...] = ()
    measures: dict[str, Measure] = field(default_factory=dict)
    appeals: dict[str, Appeal] = field(default_factory=dict)
    answered: dict[str, OrderAnswered] = field(default_factory=dict)
    parked: dict[str, OrderParked] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    term_counts: dict[str, int] = field(default_factory=dict)
    repaid: dict[str, dict[str, int]] = field(default_factory=dict)
    stated: EnforcementChanged | None = None
    seen: Seen = Seen()

    @property
    def balance_minor(self) -> int:
        """The balance last seen, below zero if the account is overdrawn; 0 when none was."""
        return (self.facts.balance_minor or 0) if self.facts else 0

    @property
    def currency(self) -> str:
        """The currency the account is kept in; empty while the institution has not said."""
        return self.facts.currency if self.facts else ""

    def live(self) -> list[Measure]:
        """Measures that still run, in order of execution."""
        return sorted((m for m in self.measures.values() if m.live), key=lambda m: m.rank)

    def terms_used(self, kind: MeasureKind, case_family: str) -> int:
        """How many terms measures of a kind have begun in a case family, renewals included."""
        return self.term_counts.get(_family_key(kind, case_family), 0)


class InForce(NamedTuple):
    """What holds at one instant; amounts in minor units.

    `limit_minor` is what a debit must leave on the account (more than `held_minor` while there is a
    shortfall); `until_us` when the last of the measures runs out by itself, None if one has no term.
    """

    receive_only: bool
    held_minor: int
    limit_minor: int
    until_us: int | None
    blocked_txn_ids: frozenset[str]
    blocked_functions: frozenset[str]
    measure_ids: tuple[str, ...]


class Due(NamedTuple):
    """A time at which something happens by itself."""

    at_us: int
    what: str
    key: str


def evolve(account: Account, event: JournalEvent) -> Account:
    """Apply one event."""
    changes: dict[str, object] = {
        "version": event.version,
        "clock_us": max(account.clock_us, event.at_us),
    }
    match event:
        case FactsStated(facts=facts):
            changes["facts"] = facts
            changes["seen"] = account.seen.after(event)
        case Moved(flow=flow, balance_minor=balance):
            facts = account.facts or AccountFacts()
            changes["facts"] = msgspec.structs.replace(facts, balance_minor=balance)
            changes["flows"] = (*account.flows, flow)[-RECENT_FLOWS:]
            changes["seen"] = account.seen.after(event)
        case MeasureChanged(measure=measure, was=was):
            changes["measures"] = account.measures | {measure.measure_id: measure}
            if was is None:
                changes["ranks"] = max(account.ranks, measure.rank)
            if measure.case_family and _counts(account, measure):
                used = account.terms_used(measure.kind, measure.case_family)
                counted = {_family_key(measure.kind, measure.case_family): used + 1}
                changes["term_counts"] = account.term_counts | counted
        case AppealChanged(appeal=appeal):
            changes["appeals"] = account.appeals | {appeal.appeal_id: appeal}
        case OrderAnswered(message_key=message_key):
            number = {event.order_key: event} if event.takes_number else {}
            changes["answered"] = account.answered | number | {message_key: event}
        case OrderParked(order_key=lift_key):
            changes["parked"] = account.parked | {lift_key: event}
        case ParkEnded(order_key=lift_key):
            changes["parked"] = _without(account.parked, {lift_key})
        case RefundChanged(refund=refund):
            changes["refunds"] = account.refunds | {refund.refund_id: refund}
            changes["repaid"] = _repaid(account, refund)
        case EnforcementChanged():
            changes["stated"] = event
        case Forgotten(keys=keys):
            gone = set(keys)
            changes["answered"] = _without(account.answered, gone)
            changes["measures"] = _without(account.measures, gone)
            changes["appeals"] = {k: a for k, a in account.appeals.items() if a.measure_id not in gone}
            changes["refunds"] = {k: r for k, r in account.refunds.items() if r.freeze_id not in gone}
    return msgspec.structs.replace(account, **changes)


def replay(account_token: str, events: Iterable[JournalEvent]) -> Account:
    """Rebuild an account from its journal; an event that comes again is known by its version.

    Raises SchemaError if one is missing.
    """
    account = Account(account_token=account_token)
    for event in events:
        account = advance(account, event)
    return account


def advance(account: Account, event: JournalEvent) -> Account:
    """Apply one event read back from the journal.

    Raises SchemaError if an event before it is missing.
    """
    if event.version <= account.version:
        return account
    if event.version > account.version + 1:
        raise SchemaError(
            f"the journal of account {account.account_token!r} jumps from version {account.version} to "
            f"{event.version}; topic measures must keep every message (retention.ms=-1, no compaction)"
        )
    return evolve(account, event)


def waterfall(account: Account, at_us: int) -> dict[str, int]:
    """Share the balance among the measures in force at `at_us`: earlier ranks first, no unit twice.

    Returns held minor units by measure id. A full freeze holds what earlier ranks left; a stop or
    hold of all outflow forbids without holding.
    """
    left, may_hold = max(0, account.balance_minor), claims(account, at_us)
    held = {}
    for measure in account.live():
        if not runs_at(measure, at_us):
            continue
        takes = 0
        if measure.scope is Scope.AMOUNT:
            takes = min(may_hold[measure.measure_id], left)
        elif measure.kind is MeasureKind.FREEZE:
            takes = left
        held[measure.measure_id] = takes
        left -= takes
    return held


def claims(account: Account, at_us: int) -> dict[str, int]:
    """Give what each measure over a sum in force at `at_us` may hold, by measure id.

    What an earlier one claims of the same transfer, or has paid out of it, is not claimed again: a later
    one waits for it. A sum in another currency than the account's claims nothing.
    """
    found: dict[str, int] = {}
    ranked = sorted(account.measures.values(), key=lambda measure: measure.rank)
    counts = [measure for measure in ranked if measure.live or measure.disbursed_minor]
    over_sums = [measure for measure in counts if measure.scope is Scope.AMOUNT]
    for measure in over_sums:
        if not measure.live or not runs_at(measure, at_us):
            continue
        if account.currency and measure.currency not in ("", account.currency):
            found[measure.measure_id] = 0
            continue
        others = [other for other in over_sums if other is not measure and same_source(measure, other)]
        taken = sum(found.get(other.measure_id, 0) + other.disbursed_minor for other in others)
        found[measure.measure_id] = max(0, measure.remaining_minor - taken)
    return found


def same_source(one: Measure, other: Measure) -> bool:
    """Whether two measures are about money of the same incoming transfer."""
    same = (
        one.victim_transfer is not None
        and other.victim_transfer is not None
        and (_transfer(one.victim_transfer) == _transfer(other.victim_transfer))
    )
    return same or not set(one.txn_ids).isdisjoint(other.txn_ids)


def runs_at(measure: Measure, at_us: int) -> bool:
    """Whether a live measure's term has not run out at `at_us`, whatever timers have fired."""
    run_out = {clock.kind for clock in measure.clocks if clock.due_us <= at_us}
    if measure.state is MeasureState.PENDING and ClockKind.GRACE not in run_out:
        return False
    return run_out.isdisjoint(ENDING)


def in_force(account: Account, at_us: int) -> InForce:
    """Say what is forbidden at `at_us`; exact even before the timers of that instant have fired."""
    held = waterfall(account, at_us)
    running = [m for m in account.live() if m.measure_id in held and m.scope is not Scope.NONE]
    full = [
        m
        for m in running
        if m.scope is Scope.ALL_OUTFLOW and (m.state is not MeasureState.WAITING or held[m.measure_id])
    ]
    ends = [min((c.due_us for c in m.clocks if c.kind in ENDING), default=None) for m in running]
    return InForce(
        receive_only=bool(full),
        held_minor=sum(held.values()),
        limit_minor=sum(claims(account, at_us).values()),
        until_us=None if None in ends else max((end for end in ends if end is not None), default=None),
        blocked_txn_ids=frozenset(t for m in running if m.scope is Scope.TRANSACTION for t in m.txn_ids),
        blocked_functions=frozenset(name for m in running for name in m.functions),
        measure_ids=tuple(m.measure_id for m in running),
    )


def forbids(account: Account, flow: Flow, at_us: int) -> bool:
    """Whether a debit goes against what is in force; shares paid out of a measure by order are in order."""
    paid = any(flow.txn_id in measure.disbursements for measure in account.measures.values())
    if flow.direction is Direction.CREDIT or paid:
        return False
    now = in_force(account, at_us)
    free = account.balance_minor - now.held_minor
    if now.receive_only or flow.txn_id in now.blocked_txn_ids:
        return True
    return now.held_minor > 0 and flow.amount_minor > free


def dues(account: Account) -> Iterator[Due]:
    """List everything that will happen by itself."""
    for measure in account.measures.values():
        for clock in measure.clocks:
            yield Due(clock.due_us, clock.kind, measure.measure_id)
        if measure.forget_at_us is not None and not _still_counts(account, measure):
            yield Due(measure.forget_at_us, "FORGET", measure.measure_id)
    for appeal in account.appeals.values():
        if appeal.due_us is not None and appeal.state is not AppealState.CLOSED:
            yield Due(appeal.due_us, "APPEAL", appeal.appeal_id)
    for refund in account.refunds.values():
        if refund.state in PAYING and refund.due_us is not None and not refund.overdue:
            yield Due(refund.due_us, "REFUND", refund.refund_id)
        for owed in refund.reimbursements:
            if owed.open_until_us is not None:
                yield Due(owed.open_until_us, "REIMBURSE", refund.refund_id)
    for lift_key, parked in account.parked.items():
        yield Due(parked.until_us, "PARKED", lift_key)
    for key, answer in account.answered.items():
        yield Due(answer.forget_at_us, "FORGET", key)


def next_due_us(account: Account) -> int | None:
    """When to send the next `Tick`; None when nothing is pending."""
    return min((due.at_us for due in dues(account)), default=None)


def _still_counts(account: Account, ended: Measure) -> bool:
    """Whether what an ended measure paid out still narrows what a running one may claim."""
    return ended.disbursed_minor > 0 and any(same_source(ended, other) for other in account.live())


def _transfer(sent: VictimTransfer) -> tuple[str, int, str, int]:
    return sent.account_token, sent.amount_minor, sent.currency, sent.transferred_at_us


def _counts(account: Account, measure: Measure) -> bool:
    """Whether an event begins a term: a new measure, or one more term of a running one."""
    known = account.measures.get(measure.measure_id)
    return known is None or measure.sequence > known.sequence


def _family_key(kind: MeasureKind, case_family: str) -> str:
    return f"{kind}/{case_family}"


def _repaid(account: Account, refund: Refund) -> dict[str, dict[str, int]]:
    """Add the shares that this form of a round says are paid and its last form did not."""
    known, family = account.refunds.get(refund.refund_id), refund.case_family
    before = {share.payment_id for share in known.shares if share.paid} if known else set()
    found = Counter(account.repaid.get(family, {}))
    paid = [share for share in refund.shares if share.paid and share.payment_id not in before]
    found.update({share.victim_id: share.amount_minor for share in paid})
    return account.repaid | {family: dict(found)} if found else account.repaid


def _without(found: dict[str, V], gone: set[str]) -> dict[str, V]:
    return {key: value for key, value in found.items() if key not in gone}
