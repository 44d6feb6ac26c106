"""Suspension of a telephone line used in scams (domain.md 4.3, anchors 6.2): at once, then for good.

The line is an account of its operator. What ends the suspension before it becomes permanent is an objection
that is upheld, an order to lift it, or another subscriber.
"""

from msgspec.structs import replace

from measures.kinds.stop import asked_us, origin
from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.rules import LineSuspendRule
from measures.refusal import Refusal, first_fault
from measures.state.account import Account
from measures.state.machine import Machine, UnitOfWork, become, end
from schemas.commands import ChangeSubscriber
from schemas.ids import derived_id
from schemas.journal import FactsStated
from schemas.measure import AccountFacts, AppealState, Clock, ClockKind, Measure, MeasureState
from schemas.order import MeasureKind, Order, order_key
from schemas.reply import Why

S = MeasureState


def execute(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Suspend a line; an order that names a shorter period ends with it by itself."""
    rule = regime.rule(LineSuspendRule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} suspends no lines")
    if fault := line_fault(order, account, MeasureKind.LINE_SUSPEND):
        return fault
    calendar, asked = regime.calendar_of(order.authority_id), asked_us(order)
    term = calendar.add(now, rule.term)
    expires = now + asked if asked is not None and now + asked < term else None
    final = Clock(due_us=max(term, calendar.add(now, rule.objection)), kind=ClockKind.DEADLINE)
    clock = final if expires is None else Clock(due_us=expires, kind=ClockKind.EXPIRY)
    return Measure(
        measure_id=derived_id("measure", order_key(order), account.account_token),
        kind=MeasureKind.LINE_SUSPEND,
        state=S.APPLIED,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule="line_suspend",
        scope=rule.scope,
        rank=account.ranks + 1,
        **origin(order),
        asked_us=asked,
        functions=rule.functions,
        exempt=rule.exempt,
        executed_at_us=now,
        expires_at_us=expires,
        clocks=(clock,),
        notice=notices.notice(regime.law, "LINE_SUSPENDED", rule, language_of(account)),
    )


def line_fault(order: Order, account: Account, kind: MeasureKind) -> Refusal | None:
    """Say what stands against an order about a line: another operator's, another subscriber's, or twice."""
    facts = account.facts
    since = facts.subscriber_since_us if facts else None
    evidence = order.reported_at_us or order.issued_at_us
    operator = facts.institution_id if facts else ""
    return first_fault(
        (facts is None, Why.NO_SUCH_ACCOUNT, "the operator knows no such line"),
        (bool(facts and facts.closed), Why.ACCOUNT_CLOSED, "the line is no longer in use"),
        (
            operator not in ("", order.target.institution_id),
            Why.ACCOUNT_MISMATCH,
            "a line of another operator",
        ),
        (
            since is not None and since > evidence,
            Why.CONDITION_UNMET,
            "another subscriber has the number since",
        ),
        (any(each.kind is kind for each in account.live()), Why.LIMIT_REACHED, f"a {kind} is in force"),
    )


def language_of(account: Account) -> str:
    """Give the language of the holder, "" if it is not known."""
    return account.facts.language if account.facts else ""


def change_subscriber(work: UnitOfWork, command: ChangeSubscriber, kind: MeasureKind) -> Refusal | None:
    """End what is in force on a line because of the subscriber before."""
    facts = work.account.facts or AccountFacts()
    if command.since_us > work.now:
        return Refusal(why=Why.FUTURE_ORDER, detail="nobody has the number since later than now")
    if facts.subscriber_since_us is None or facts.subscriber_since_us < command.since_us:
        work.record(FactsStated, facts=replace(facts, subscriber_since_us=command.since_us))
    for measure in work.account.live():
        if measure.kind is kind and (measure.executed_at_us or 0) <= command.since_us:
            work.put(end(measure, S.EXPIRED, "RECYCLED", regime=work.regime, now=work.now), "INSTITUTION")
    return None


def _recycled(work: UnitOfWork, command: ChangeSubscriber) -> Refusal | None:
    return change_subscriber(work, command, MeasureKind.LINE_SUSPEND)


def _for_good(work: UnitOfWork, measure: Measure) -> None:
    """Make it permanent, unless somebody still owes the holder an answer: then look again when it is due."""
    rule = work.regime.rule(LineSuspendRule)
    objections = [
        each
        for each in work.account.appeals.values()
        if each.measure_id == measure.measure_id and each.state is not AppealState.CLOSED
    ]
    if objections or rule is None:
        later = work.regime.calendar.add(work.now, rule.objection if rule else work.regime.messages.valid_for)
        due = max([each.due_us for each in objections if each.due_us], default=later)
        clock = Clock(due_us=due if due > work.now else later, kind=ClockKind.DEADLINE)
        work.put(become(measure, measure.state, clocks=(clock,)), "APPEAL")
        return
    notice = notices.notice(work.law, "LINE_TERMINATED", rule, language_of(work.account))
    work.put(become(measure, S.TERMINATED, clocks=(), notice=notice), "TIMER")


MACHINE = Machine(
    kind=MeasureKind.LINE_SUSPEND,
    rule=LineSuspendRule,
    transitions={
        None: frozenset({S.APPLIED}),
        S.APPLIED: frozenset({S.APPLIED, S.TERMINATED, S.EXPIRED, S.LIFTED}),
        S.TERMINATED: frozenset({S.TERMINATED, S.EXPIRED, S.LIFTED}),
    },
    expires_as=S.EXPIRED,
    lifted_as=S.LIFTED,
    execute=execute,
    commands={ChangeSubscriber: _recycled},
    clocks={ClockKind.DEADLINE: _for_good},
)
