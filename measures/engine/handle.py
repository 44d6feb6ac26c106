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
from measures.kinds.table import MACHINES
from measures.law.jurisdiction import Jurisdiction
from measures.money import rounds
from measures.refusal import Refusal
from measures.state.account import Account, forbids
from measures.state.unit_of_work import UnitOfWork
from schemas.commands import (
    AnswerAppeal,
    Command,
    ConfirmReimbursement,
    DecideRefund,
    FileAppeal,
    Move,
    ObjectToRefund,
    OpenRefund,
    PaymentFailed,
    ReceiveOrder,
    StartClock,
    StateFacts,
    StopClock,
    Tick,
)
from schemas.journal import FactsStated, JournalEvent, Moved
from schemas.order import Direction
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
    work = UnitOfWork(account, law, account.clock_us, MACHINES)
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
        if cause := work.machines[measure.kind].watches_as:
            work.report(measure.authority_id, measure.order_no, cause, flow)
    work.settle("BALANCE")


_TAKE: Mapping[type[Command], Callable[[UnitOfWork, Any], Refusal | None]] = {
    Tick: _tick,
    ReceiveOrder: _receive,
    StateFacts: _state_facts,
    Move: _move,
    FileAppeal: appeal.file,
    AnswerAppeal: appeal.answer,
    OpenRefund: rounds.open_,
    ObjectToRefund: rounds.object_to,
    DecideRefund: rounds.decide,
    PaymentFailed: rounds.failed,
    StopClock: rounds.stop_clock,
    StartClock: rounds.start_clock,
    ConfirmReimbursement: rounds.reimbursed,
    **{command: take for machine in MACHINES.values() for command, take in machine.commands.items()},
}
