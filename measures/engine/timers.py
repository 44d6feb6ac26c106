"""What happens by itself when a due time passes: lapse, review, release, escalation, forgetting.

A timer that fires early finds nothing due; one that fires late finds everything due and works it off in
order, each at its own time. So it does not matter when ticks come.
"""

from measures.engine import appeal
from measures.engine.replies import resolve
from measures.engine.unit_of_work import Desk
from measures.kinds.freeze import without_clocks
from measures.money import rounds
from measures.state.account import Due, dues
from measures.state.machine import Refusal, become, end
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


def run_due(desk: Desk, now: int) -> None:
    """Work off everything due up to `now`, the earliest first."""
    while True:
        due = min((due for due in dues(desk.account) if due.at_us <= now), default=None)
        if due is None:
            break
        desk.now = max(desk.now, due.at_us)
        _fire(desk, due)
        desk.state_enforcement()
    desk.now = now


def _fire(desk: Desk, due: Due) -> None:
    if due.what == "FORGET":
        desk.record(Forgotten, keys=(due.key,))
    elif due.what == "APPEAL":
        appeal.overdue(desk, desk.account.appeals[due.key])
    elif due.what == "REFUND":
        rounds.overdue(desk, desk.account.refunds[due.key])
    elif due.what == "PARKED":
        refusal = Refusal(why=Why.PARENT_NOT_FOUND, detail="the order to lift never came")
        desk.alert("LIFT_WITHOUT_PARENT", due.key)
        resolve(desk, due.key, refusal, "PARK_EXPIRED")
    else:
        _fire_clock(desk, desk.account.measures[due.key], ClockKind(due.what))


def _fire_clock(desk: Desk, measure: Measure, kind: ClockKind) -> None:
    rest = without_clocks(measure, kind)
    regime, now = desk.regime, desk.now
    if kind is ClockKind.EXPIRY:
        desk.put(end(measure, _ENDS[measure.kind], "TERM_ENDED", regime=regime, now=now), "TIMER")
    elif kind is ClockKind.VERIFY:
        desk.put(end(measure, S.RELEASED, "NOT_VERIFIED_IN_TIME", regime=regime, now=now), "TIMER")
        desk.alert("FREEZE_RELEASED_UNVERIFIED", measure.measure_id)
    elif kind is ClockKind.GRACE:
        desk.put(become(measure, S.APPLIED, clocks=rest), "TIMER")
    elif kind is ClockKind.REVIEW:
        desk.put(become(measure, S.REVIEW_DUE, clocks=rest), "TIMER")
        desk.alert("REVIEW_DUE", measure.measure_id)
    else:
        desk.put(become(measure, measure.state, clocks=rest), "TIMER")
        desk.alert("RENEWAL_DEADLINE", measure.measure_id)
    desk.settle("TIMER")
