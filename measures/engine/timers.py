"""What happens by itself when a due time passes: lapse, review, release, escalation, forgetting.

A timer that fires early finds nothing due; one that fires late finds everything due and works it off in
order, each at its own time. So it does not matter when ticks come.
"""

from measures.engine import appeal
from measures.engine.replies import resolve
from measures.engine.unit_of_work import UnitOfWork
from measures.kinds.freeze import without_clocks
from measures.money import rounds
from measures.refusal import Refusal
from measures.state.account import Due, dues
from measures.state.machine import become, end
from schemas.journal import Forgotten
from schemas.measure import ClockKind, Measure, MeasureState
from schemas.order import MeasureKind
from schemas.reply import Why

S = MeasureState

#: State in which a measure of each kind ends when its term is over.
_ENDS = {
    MeasureKind.STOP: S.EXPIRED,
    MeasureKind.FREEZE: S.LAPSED,
    MeasureKind.HOLD: S.RELEASED_AT_TIMER,
    MeasureKind.RESTRICTION: S.EXPIRED,
    MeasureKind.QUERY: S.EXPIRED,
}


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
    elif due.what == "PARKED":
        refusal = Refusal(why=Why.PARENT_NOT_FOUND, detail="the order to lift never came")
        work.alert("LIFT_WITHOUT_PARENT", due.key)
        resolve(work, due.key, refusal, "PARK_EXPIRED")
    else:
        _fire_clock(work, work.account.measures[due.key], ClockKind(due.what))


def _fire_clock(work: UnitOfWork, measure: Measure, kind: ClockKind) -> None:
    rest = without_clocks(measure, kind)
    regime, now = work.regime, work.now
    if kind is ClockKind.EXPIRY:
        work.put(end(measure, _ENDS[measure.kind], "TERM_ENDED", regime=regime, now=now), "TIMER")
    elif kind is ClockKind.VERIFY:
        work.put(end(measure, S.RELEASED, "NOT_VERIFIED_IN_TIME", regime=regime, now=now), "TIMER")
        work.alert("FREEZE_RELEASED_UNVERIFIED", measure.measure_id)
    elif kind is ClockKind.GRACE:
        work.put(become(measure, S.APPLIED, clocks=rest), "TIMER")
    elif kind is ClockKind.REVIEW:
        work.put(become(measure, S.REVIEW_DUE, clocks=rest), "TIMER")
        work.alert("REVIEW_DUE", measure.measure_id)
    else:
        work.put(become(measure, measure.state, clocks=rest), "TIMER")
        work.alert("RENEWAL_DEADLINE", measure.measure_id)
    work.settle("TIMER")
