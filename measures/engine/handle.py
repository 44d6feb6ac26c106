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
from measures.engine.unit_of_work import UnitOfWork
from measures.kinds import hold, restriction
from measures.law.jurisdiction import Jurisdiction
from measures.money import rounds
from measures.refusal import Refusal
from measures.state.account import Account, forbids
from measures.state.machine import end
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


class Handled(NamedTuple):
    """What a command led to; replies go to authorities, `refusal` to the caller of another command."""

    account: Account
    events: tuple[JournalEvent, ...]
    replies: tuple[Reply, ...]
    refusal: Refusal | None


def handle(account: Account, command: Command, law: Jurisdiction) -> Handled:
    """Apply one command. Pure: the same account, command and law always lead to the same outcome.

    A command that comes twice changes nothing the second time. Due times up to `command.at_us` are worked
    off first; a command older than the account's clock happens at that clock.
    """
    work = UnitOfWork(account, law, account.clock_us)
    run_due(work, max(command.at_us, account.clock_us))
    refusal: Refusal | None = None
    if command.expected_version not in (None, work.account.version):
        refusal = Refusal(why=Why.STALE_VERSION, detail=f"the account is at version {work.account.version}")
    else:
        refusal = _TAKE[type(command)](work, command)
    work.state_enforcement()
    return Handled(work.account, tuple(work.events), tuple(work.replies), refusal)


def _tick(work: UnitOfWork, command: Tick) -> None:
    """Time passing is all there is to it."""


def _receive(work: UnitOfWork, command: ReceiveOrder) -> None:
    orders.receive(work, command.order, command.actor, number_taken=command.number_taken)


def _state_facts(work: UnitOfWork, command: StateFacts) -> None:
    if command.facts != work.account.facts:
        work.record(FactsStated, facts=command.facts)
        work.settle("FACTS")


def _move(work: UnitOfWork, command: Move) -> None:
    flow, account = command.flow, work.account
    if any((f.txn_id, f.direction) == (flow.txn_id, flow.direction) for f in account.flows):
        return
    sign = 1 if flow.direction is Direction.CREDIT else -1
    balance = max(0, account.balance_minor + sign * flow.amount_minor)
    newest = all(f.at_us <= flow.at_us for f in account.flows)
    if command.balance_minor is not None:
        balance = command.balance_minor if newest else account.balance_minor
    if forbids(account, flow, work.now):
        work.alert("MEASURE_BREACHED", flow.txn_id, "a debit went against a measure in force")
    work.record(Moved, flow=flow, balance_minor=balance)
    for measure in work.account.live():
        if measure.kind is MeasureKind.QUERY:
            work.report(measure.authority_id, measure.order_no, "DYNAMIC_QUERY", flow)
    work.settle("BALANCE")


def _place_hold(work: UnitOfWork, command: PlaceHold) -> Refusal | None:
    return _impose(work, hold.place(command, work.account, work.regime, work.now))


def _end_hold(work: UnitOfWork, command: EndHold) -> Refusal | None:
    measure = work.account.measures.get(command.measure_id)
    if measure is None or measure.kind is not MeasureKind.HOLD:
        return Refusal(why=Why.WRONG_STATE, detail="no such hold")
    ended = hold.conclude(command, measure, work.account, work.regime, work.now)
    if isinstance(ended, Refusal):
        return ended
    work.put(ended, command.outcome)
    work.settle(command.outcome)
    return None


def _restrict(work: UnitOfWork, command: Restrict) -> Refusal | None:
    result = restriction.impose(
        work.account,
        work.regime,
        work.now,
        name=command.rule,
        decision_id=command.decision_id,
        reason_code=command.reason_code,
    )
    return _impose(work, result)


def _impose(work: UnitOfWork, result: Measure | Refusal) -> Refusal | None:
    if isinstance(result, Refusal):
        return result
    if result.measure_id not in work.account.measures:
        work.put(result, "INSTITUTION")
        work.settle("INSTITUTION")
    return None


def _reverify(work: UnitOfWork, command: Reverify) -> None:
    for measure in work.account.live():
        rule = work.regime.restrict.get(measure.rule)
        if measure.kind is not MeasureKind.RESTRICTION or rule is None or not rule.cure:
            continue
        state = MeasureState.CURED if measure.state is MeasureState.PENDING else MeasureState.RESTORED
        work.put(
            end(measure, state, "IDENTITY_VERIFIED", by=command.by, regime=work.regime, now=work.now),
            "REVERIFY",
        )


_TAKE: Mapping[type[Command], Callable[[UnitOfWork, Any], Refusal | None]] = {
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
