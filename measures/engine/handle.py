"""The legal engine's one entry: account + command -> account + events + replies.

>>> from measures.state.account import Account
>>> from schemas.commands import Tick
>>> from measures.law.country_file import jurisdiction
>>> handle(Account(account_token="a"), Tick(at_us=0), jurisdiction("CN")).events
()
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from measures.engine import appeal, orders
from measures.engine.timers import run_due
from measures.kinds.table import MACHINES
from measures.law.jurisdiction import Jurisdiction
from measures.money import rounds
from measures.money.tracing import signed_minor
from measures.refusal import Refusal
from measures.state.account import Account, forbids
from measures.state.machine import UnitOfWork
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
from schemas.contract import BALANCE_MAX
from schemas.journal import FactsStated, JournalEvent, Moved
from schemas.measure import AccountFacts
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


def _state_facts(work: UnitOfWork, command: StateFacts) -> Refusal | None:
    """Take over what the institution knows; the balance only if it is newer than what the bookings told."""
    account, position, facts = work.account, command.position, command.facts
    newest = position is None or position > account.seen.position
    if position is not None and not account.seen.is_new(position):
        return None
    if account.currency and facts.currency not in ("", account.currency):
        return Refusal(why=Why.CURRENCY_MISMATCH, detail=f"the account is kept in {account.currency}")
    stated = facts.balance_minor is not None and newest
    if position is None and account.flows and account.facts and account.facts.balance_minor is not None:
        stated = False
    known = account.facts or AccountFacts()
    balance = facts.balance_minor if stated else known.balance_minor
    after = replace(facts if newest else known, balance_minor=balance)
    if after != account.facts or position is not None:
        work.record(FactsStated, facts=after, position=position, states_balance=stated)
        work.settle("FACTS")
    return None


def _move(work: UnitOfWork, command: Move) -> Refusal | None:
    """Book what moved; what was booked before changes nothing, however late it comes again."""
    flow, account, position, seen = command.flow, work.account, command.position, work.account.seen
    if position is not None and not seen.is_new(position):
        return None
    if any((f.txn_id, f.direction) == (flow.txn_id, flow.direction) for f in account.flows):
        return None
    if position is None and seen.knows(flow):
        return None
    if position is None and seen.has_forgotten(flow):
        return Refusal(why=Why.STALE_BOOKING, detail="older than what is remembered; number what is booked")
    balance, states = _balance(account, command)
    if abs(balance) > BALANCE_MAX:
        return Refusal(why=Why.OVER_AMOUNT, detail="the balance would be larger than any account's")
    if flow.purpose == "DISBURSEMENT":  # only an order pays a share; a booking that says so is like any other
        flow = msgspec.structs.replace(flow, purpose="")
    if forbids(account, flow, work.now):
        work.alert("MEASURE_BREACHED", flow.txn_id, "a debit went against a measure in force")
    work.record(Moved, flow=flow, balance_minor=balance, position=position, states_balance=states)
    for measure in work.account.live():
        if cause := work.machines[measure.kind].watches_as:
            work.report(measure.authority_id, measure.order_no, cause, flow)
    work.settle("BALANCE")
    return None


def _before_its_twin(account: Account, command: Move) -> bool:
    """Whether the balance known is what a booking of the same instant made of the one this command states."""
    twins = [flow for flow in account.flows if flow.at_us == command.flow.at_us]
    stated = command.balance_minor or 0
    return any(account.balance_minor == stated + signed_minor(flow) for flow in twins)


def _balance(account: Account, command: Move) -> tuple[int, bool]:
    """Give the balance after a booking, and whether the booking states it.

    A stated balance holds if nothing newer was booked; one that comes late changes nothing where a newer
    statement has it in already.
    """
    flow, position, seen = command.flow, command.position, account.seen
    added = account.balance_minor + signed_minor(flow)
    if position is not None:
        newest, included = position > seen.position, position < seen.balance_position
    else:
        newest = all(f.at_us <= flow.at_us for f in account.flows) and not _before_its_twin(account, command)
        included = flow.at_us < seen.balance_us
    if command.balance_minor is not None and newest:
        return command.balance_minor, True
    if included or (position is None and command.balance_minor is not None):
        return account.balance_minor, False
    return added, False


def _each(kind: type[Command], work: UnitOfWork, command: Command) -> Refusal | None:
    """Let every kind of measure that a command concerns take it; the first refusal stands."""
    takes = [machine.commands[kind] for machine in MACHINES.values() if kind in machine.commands]
    refusals = [take(work, command) for take in takes]
    return next((refusal for refusal in refusals if refusal), None)


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
    **{command: partial(_each, command) for machine in MACHINES.values() for command in machine.commands},
}
