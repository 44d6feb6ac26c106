"""One rule broken at a time: each invariant must be seen to fail, or the simulator proves nothing."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from measures import in_force
from measures.authority import dispatch
from measures.authority.dispatch import Dispatch
from measures.engine import handle as engine
from measures.engine import intake
from measures.kinds import freeze, stop, table
from measures.kinds.table import MACHINES
from measures.law.jurisdiction import Regime
from measures.money import release, rounds
from measures.money.release import Check, Effect, Release
from measures.refusal import Refusal
from measures.state import account as accounts
from measures.state import machine
from measures.state.account import Account
from measures.state.machine import UnitOfWork
from measures.state.register import Registered
from measures.victims import cooldown
from schemas.commands import StateFacts
from schemas.journal import FactsStated, JournalEvent
from schemas.measure import ClockKind, Measure
from schemas.order import MeasureKind
from schemas.reply import Why
from tests.vopr.bank import Worker
from tests.vopr.world import HOUR

replace = msgspec.structs.replace


class Mutation(NamedTuple):
    """A broken rule, the invariant that must notice, and what takes the place of what."""

    invariant: int
    says: str
    patches: tuple[tuple[Any, str, Any], ...]


def commit_first(worker: Worker, topic: str, position: int) -> None:
    """Take a message in after saying that it was taken in."""
    worker._commit(topic, position)
    _take(worker, topic, position)


def send_once(on: Dispatch, regime: Regime, now: int) -> bool:
    """Never send an order again."""
    return on.state == "ISSUED"


def all_new(
    known: Registered | None, account_token: str, *, forget_at_us: int, now: int
) -> tuple[Registered, str]:
    """Take every order number for a new one."""
    return Registered(account_token=account_token, forget_at_us=forget_at_us), "NEW"


def greedy(account: Account, at_us: int) -> dict[str, int]:
    """Let every measure hold as if it were the only one."""
    return {
        m.measure_id: min(m.remaining_minor, account.balance_minor)
        for m in account.live()
        if m.scope == "AMOUNT"
    }


def wishful(measure: Measure, takes: int, **context: Any) -> Measure:
    """Let a freeze hold what it asks for, whether it is there or not."""
    return _label(measure, max(takes, measure.remaining_minor), **context)


def within_held(at: UnitOfWork, leaving: Release) -> Refusal | None:
    """Ask nothing of a payment but that the money is there."""
    paid = leaving.after.disbursed_minor - leaving.before.disbursed_minor
    return Refusal(why=Why.OVER_AMOUNT) if paid > leaving.before.held_minor else None


def named(at: UnitOfWork, leaving: Release) -> Refusal | None:
    """Ask that a decided round names the payment, but not whether it was made."""
    share = leaving.share
    found = share and rounds.decided_share(at, release.payment_of(leaving.before, share))
    same = share is not None and bool(found) and found[1].amount_minor == share.amount_minor
    return None if same else Refusal(why=Why.NOT_DECIDED)


def timeless(at: UnitOfWork, now: int) -> None:
    """Let nothing happen by itself."""
    at.now = now


def longer(measure: Measure, *rest: Any) -> Measure:
    """Let a stop run an hour longer than the law says."""
    started = _start(measure, *rest)
    clocks = tuple(replace(clock, due_us=clock.due_us + HOUR) for clock in started.clocks)
    return replace(started, expires_at_us=(started.expires_at_us or 0) + HOUR, clocks=clocks)


def never_released(at: UnitOfWork) -> None:
    """Tell the hot path of measures that begin, not of those that end."""
    if at.account.live():
        _state_enforcement(at)


def ageless(stated: Any, amount_minor: int, balance_minor: int, at_us: int) -> bool:
    """Enforce without looking at the clock."""
    return _violates(stated, amount_minor, balance_minor, stated.from_us)


def without_appeals(account: Account, event: JournalEvent) -> Account:
    """Rebuild everything but the appeals."""
    return replace(accounts.advance(account, event), appeals={})


def without_refunds(account: Account, event: JournalEvent) -> Account:
    """Rebuild everything but the refund rounds."""
    return replace(accounts.advance(account, event), refunds={})


def nobody_objects(*given: Any, **named: Any) -> None:
    """Let anybody release anything."""


_take, _label, _start, _record = Worker._take, freeze.label, stop.start, UnitOfWork.record
_state_enforcement = UnitOfWork.state_enforcement
_violates = in_force.violates


def freezes(**changes: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Put a freeze's machine with other parts into the table of kinds."""
    other = dataclasses.replace(MACHINES[MeasureKind.FREEZE], **changes)
    return ((table, "MACHINES", {MeasureKind.FREEZE: other}),)


def guarded(effect: Effect, *checks: Check) -> tuple[tuple[Any, str, Any], ...]:
    """Put other checks before an effect by which money leaves a measure."""
    return ((release, "GUARDS", {effect: checks}),)


def overwritten(work: UnitOfWork, command: StateFacts) -> None:
    """Take facts as they come, however old."""
    work.record(FactsStated, facts=command.facts)
    work.settle("FACTS")


def at_once(work: UnitOfWork, measure: Measure) -> None:
    """Cut a line for good though its holder waits for an answer."""
    work.put(replace(measure, state="TERMINATED", clocks=()), "TIMER")


def lines(**changes: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Put the machine of suspended lines with other parts into the table of kinds."""
    other = dataclasses.replace(MACHINES[MeasureKind.LINE_SUSPEND], **changes)
    return ((table, "MACHINES", {MeasureKind.LINE_SUSPEND: other}),)


#: Write entries without reading them back, which refuses many a broken rule by itself.
UNREAD = (intake, "written", msgspec.json.encode)

MUTATIONS = (
    Mutation(1, "a message counts as processed before its effect", ((Worker, "_take", commit_first),)),
    Mutation(1, "an unanswered order is not sent again", ((dispatch, "must_resend", send_once),)),
    Mutation(2, "a number in use is taken for a new order", ((intake, "register", all_new),)),
    Mutation(3, "measures share the same money", ((machine, "waterfall", greedy),)),
    Mutation(3, "a freeze holds money that is not there", freezes(holds=wishful)),
    Mutation(4, "a share may exceed what is frozen", (*guarded(Effect.DISBURSE), UNREAD)),
    Mutation(4, "a decision is paid as often as ordered", guarded(Effect.DISBURSE, within_held, named)),
    Mutation(5, "no timer ends a measure", ((engine, "run_due", timeless),)),
    Mutation(5, "a stop runs an hour too long", ((stop, "start", longer),)),
    Mutation(5, "stops are not counted", ((accounts, "_counts", lambda *_: False),)),
    Mutation(
        5,
        "the hot path is not told of the end and does not look at the clock",
        ((UnitOfWork, "state_enforcement", never_released), (in_force, "violates", ageless)),
    ),
    Mutation(6, "the cool-down is not looked at", ((cooldown, "may_warn", lambda *_: True),)),
    Mutation(
        7,
        "one person, or nobody, releases any sum",
        ((release, "people_fault", nobody_objects),),
    ),
    Mutation(11, "facts that come again are taken for new", ((engine, "_TAKE", {StateFacts: overwritten}),)),
    Mutation(12, "a key taken off the list stays good", ((Worker, "revoke", lambda *_: None),)),
    Mutation(
        13, "an objection does not keep a line from being cut", lines(clocks={ClockKind.DEADLINE: at_once})
    ),
    Mutation(8, "appeals are not rebuilt", ((intake, "advance", without_appeals),)),
    Mutation(8, "refund rounds are not rebuilt", ((intake, "advance", without_refunds),)),
    Mutation(9, "a share is paid to whoever an order names", guarded(Effect.DISBURSE, within_held)),
    Mutation(9, "earlier rounds are not deducted", ((rounds, "decided_before", lambda *_: {}),)),
    Mutation(10, "claims on one transfer are not compared", ((accounts, "same_source", lambda *_: False),)),
)


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """Break one rule for a while."""
    with ExitStack() as stack:
        for where, name, instead in mutation.patches:
            if isinstance(instead, dict):
                stack.enter_context(patch.dict(getattr(where, name), instead))
            else:
                stack.enter_context(patch.object(where, name, instead))
        yield
