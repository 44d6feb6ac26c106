"""The legal engine's one entry: account + command -> account + events + replies.

>>> from measures.state.account import Account
>>> from schemas.commands import Tick
>>> from measures.law.country_file import jurisdiction
>>> handle(Account(account_token="a"), Tick(at_us=0), jurisdiction("CN")).events
()
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from measures.engine import appeal, orders
from measures.engine.timers import run_due
from measures.engine.unit_of_work import Desk
from measures.kinds import hold, restriction
from measures.law.jurisdiction import Jurisdiction
from measures.money import rounds
from measures.state.account import Account, forbids
from measures.state.machine import Refusal, end
from schemas.commands import (
    AnswerAppeal,
    Command,
    DecideRefund,
    EndHold,
    FileAppeal,
    Move,
    ObjectToRefund,
    OpenRefund,
    PaymentFailed,
    PlaceHold,
    ReceiveOrder,
    Restrict,
    Reverify,
    StateFacts,
    Tick,
)
from schemas.journal import FactsStated, JournalEvent, Moved
from schemas.measure import Measure, MeasureState
from schemas.order import Direction, MeasureKind
from schemas.reply import Reply, Why


class Outcome(NamedTuple):
    """What a command led to; replies go to authorities, `refusal` to the caller of another command."""

    account: Account
    events: tuple[JournalEvent, ...]
    replies: tuple[Reply, ...]
    refusal: Refusal | None


def handle(account: Account, command: Command, law: Jurisdiction) -> Outcome:
    """Apply one command. Pure: the same account, command and law always lead to the same outcome.

    A command that comes twice changes nothing the second time. Due times up to `command.at_us` are worked
    off first; a command older than the account's clock happens at that clock.
    """
    desk = Desk(account, law, account.clock_us)
    run_due(desk, max(command.at_us, account.clock_us))
    refusal: Refusal | None = None
    if command.expected_version not in (None, desk.account.version):
        refusal = Refusal(why=Why.STALE_VERSION, detail=f"the account is at version {desk.account.version}")
    else:
        refusal = _TAKE[type(command)](desk, command)
    desk.state_enforcement()
    return Outcome(desk.account, tuple(desk.events), tuple(desk.replies), refusal)


def _tick(desk: Desk, command: Tick) -> None:
    """Time passing is all there is to it."""


def _receive(desk: Desk, command: ReceiveOrder) -> None:
    orders.receive(desk, command.order, command.actor, number_taken=command.number_taken)


def _state_facts(desk: Desk, command: StateFacts) -> None:
    if command.facts != desk.account.facts:
        desk.record(FactsStated, facts=command.facts)
        desk.settle("FACTS")


def _move(desk: Desk, command: Move) -> None:
    flow, account = command.flow, desk.account
    if any((f.txn_id, f.direction) == (flow.txn_id, flow.direction) for f in account.flows):
        return
    sign = 1 if flow.direction is Direction.CREDIT else -1
    balance = max(0, account.balance_minor + sign * flow.amount_minor)
    newest = all(f.at_us <= flow.at_us for f in account.flows)
    if command.balance_minor is not None:
        balance = command.balance_minor if newest else account.balance_minor
    if forbids(account, flow, desk.now):
        desk.alert("MEASURE_BREACHED", flow.txn_id, "a debit went against a measure in force")
    desk.record(Moved, flow=flow, balance_minor=balance)
    for measure in desk.account.live():
        if measure.kind is MeasureKind.QUERY:
            desk.report(measure.authority_id, measure.order_no, "DYNAMIC_QUERY", flow)
    desk.settle("BALANCE")


def _place_hold(desk: Desk, command: PlaceHold) -> Refusal | None:
    return _impose(desk, hold.place(command, desk.account, desk.regime, desk.now))


def _end_hold(desk: Desk, command: EndHold) -> Refusal | None:
    measure = desk.account.measures.get(command.measure_id)
    if measure is None or measure.kind is not MeasureKind.HOLD:
        return Refusal(why=Why.WRONG_STATE, detail="no such hold")
    ended = hold.conclude(command, measure, desk.account, desk.regime, desk.now)
    if isinstance(ended, Refusal):
        return ended
    desk.put(ended, command.outcome)
    desk.settle(command.outcome)
    return None


def _restrict(desk: Desk, command: Restrict) -> Refusal | None:
    result = restriction.impose(
        desk.account,
        desk.regime,
        desk.now,
        name=command.rule,
        decision_id=command.decision_id,
        reason_code=command.reason_code,
    )
    return _impose(desk, result)


def _impose(desk: Desk, result: Measure | Refusal) -> Refusal | None:
    if isinstance(result, Refusal):
        return result
    if result.measure_id not in desk.account.measures:
        desk.put(result, "INSTITUTION")
        desk.settle("INSTITUTION")
    return None


def _reverify(desk: Desk, command: Reverify) -> None:
    for measure in desk.account.live():
        rule = desk.regime.restrict.get(measure.rule)
        if measure.kind is not MeasureKind.RESTRICTION or rule is None or not rule.cure:
            continue
        state = MeasureState.CURED if measure.state is MeasureState.PENDING else MeasureState.RESTORED
        desk.put(
            end(measure, state, "IDENTITY_VERIFIED", by=command.by, regime=desk.regime, now=desk.now),
            "REVERIFY",
        )


_TAKE: Mapping[type[Command], Callable[[Desk, Any], Refusal | None]] = {
    Tick: _tick,
    ReceiveOrder: _receive,
    StateFacts: _state_facts,
    Move: _move,
    PlaceHold: _place_hold,
    EndHold: _end_hold,
    Restrict: _restrict,
    Reverify: _reverify,
    FileAppeal: appeal.file,
    AnswerAppeal: appeal.answer,
    OpenRefund: rounds.open_,
    ObjectToRefund: rounds.object_to,
    DecideRefund: rounds.decide,
    PaymentFailed: rounds.failed,
}
