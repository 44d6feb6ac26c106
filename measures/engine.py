"""The legal engine's one entry: account + command -> account + events + replies.

>>> from measures.account import Account
>>> from measures.commands import Tick
>>> from measures.country_file import jurisdiction
>>> handle(Account(account_token="a"), Tick(at_us=0), jurisdiction("CN")).events
()
"""

from typing import NamedTuple

from measures import appeal, hold, orders, restriction
from measures.account import Account, forbids
from measures.commands import (
    AnswerAppeal,
    Command,
    EndHold,
    FileAppeal,
    Move,
    PlaceHold,
    ReceiveOrder,
    Restrict,
    Reverify,
    StateFacts,
)
from measures.desk import Desk
from measures.jurisdiction import Jurisdiction
from measures.machine import Refusal, end
from measures.timers import run_due
from schemas.measure import FactsStated, JournalEvent, Measure, MeasureState, Moved
from schemas.order import Direction, MeasureKind, Reply, Why


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
        refusal = _dispatch(desk, command)
    return Outcome(desk.account, tuple(desk.events), tuple(desk.replies), refusal)


def _dispatch(desk: Desk, command: Command) -> Refusal | None:
    match command:
        case ReceiveOrder():
            orders.receive(desk, command.order, command.actor)
        case Move():
            _move(desk, command)
        case StateFacts():
            if command.facts != desk.account.facts:
                desk.record(FactsStated, facts=command.facts)
                desk.settle("FACTS")
        case PlaceHold():
            return _impose(desk, hold.place(command, desk.account, desk.regime, desk.now))
        case Restrict():
            result = restriction.impose(
                desk.account,
                desk.regime,
                desk.now,
                name=command.rule,
                decision_id=command.decision_id,
                reason_code=command.reason_code,
            )
            return _impose(desk, result)
        case EndHold():
            return _end_hold(desk, command)
        case Reverify():
            _reverify(desk, command)
        case FileAppeal():
            return appeal.file(desk, command)
        case AnswerAppeal():
            return appeal.answer(desk, command)
    return None


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
