"""What happens by itself when a due time passes: lapse, review, release, escalation, forgetting.

A timer that fires early finds nothing due; one that fires late finds everything due and works it off in
order, each at its own time. So it does not matter when ticks come.
"""

from measures.engine import appeal
from measures.engine.replies import resolve
from measures.money import rounds
from measures.refusal import Refusal
from measures.state.account import Due, dues
from measures.state.machine import UnitOfWork, end
from schemas.journal import Forgotten
from schemas.measure import ClockKind, Measure
from schemas.reply import Why


def run_due(work: UnitOfWork, now: int) -> None:
    """Work off everything due up to `now`, the earliest first."""
    while True:
        due = min((due for due in dues(work.account) if due.at_us <= now), default=None)
        if due is None:
            break
        work.now = max(work.now, due.at_us)
        _fire(work, due)
        work.state_enforcement()
    work.now = now


def _fire(work: UnitOfWork, due: Due) -> None:
    if due.what == "FORGET":
        work.record(Forgotten, keys=(due.key,))
    elif due.what == "APPEAL":
        appeal.overdue(work, work.account.appeals[due.key])
    elif due.what == "REFUND":
        rounds.overdue(work, work.account.refunds[due.key])
    elif due.what == "REIMBURSE":
        rounds.reimbursement_overdue(work, work.account.refunds[due.key])
    elif due.what == "PARKED":
        refusal = Refusal(why=Why.PARENT_NOT_FOUND, detail="the order to lift never came")
        work.alert("LIFT_WITHOUT_PARENT", due.key)
        resolve(work, due.key, refusal, "PARK_EXPIRED")
    else:
        _fire_clock(work, work.account.measures[due.key], ClockKind(due.what))


def _fire_clock(work: UnitOfWork, measure: Measure, kind: ClockKind) -> None:
    machine = work.machines[measure.kind]
    if kind is ClockKind.EXPIRY:
        ended = end(measure, machine.expires_as, "TERM_ENDED", regime=work.regime, now=work.now)
        work.put(ended, "TIMER")
    else:
        machine.clocks[kind](work, measure)
    work.settle("TIMER")
