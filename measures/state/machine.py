"""The state diagrams of domain.md 1.3 to 1.7 as one table, and the only way to move along them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from measures.law.jurisdiction import Regime
from schemas.measure import LIVE, Measure, MeasureState
from schemas.order import MeasureKind

S = MeasureState

_FROZEN = frozenset({S.ACTIVE, S.ACTIVE_SHORTFALL, S.REVIEW_DUE, S.PARTIALLY_DISBURSED})
_UNFROZEN = frozenset({S.LAPSED, S.RELEASED, S.LIFTED, S.DISBURSED})
_STOPPED = frozenset({S.ACTIVE, S.ACTIVE_EMPTY})
_UNSTOPPED = frozenset({S.LIFTED, S.CONVERTED, S.EXPIRED})

#: Kind -> state -> states that may follow; None is the beginning.
TRANSITIONS: Mapping[MeasureKind, Mapping[MeasureState | None, frozenset[MeasureState]]] = {
    MeasureKind.STOP: {
        None: _STOPPED,
        S.ACTIVE: _STOPPED | _UNSTOPPED,
        S.ACTIVE_EMPTY: _STOPPED | _UNSTOPPED,
    },
    MeasureKind.FREEZE: {
        None: frozenset({S.ACTIVE, S.ACTIVE_SHORTFALL, S.WAITING}),
        S.WAITING: _FROZEN | _UNFROZEN | {S.WAITING},
        **dict.fromkeys(_FROZEN, _FROZEN | _UNFROZEN),
    },
    MeasureKind.HOLD: {
        None: frozenset({S.HELD}),
        S.HELD: frozenset(
            {
                S.HELD,
                S.CANCELLED_BY_PAYER,
                S.RELEASED_AT_TIMER,
                S.RELEASED_BY_CONFIRMATION,
                S.BLOCKED,
                S.ESCALATED,
                S.LIFTED,
            }
        ),
    },
    MeasureKind.RESTRICTION: {
        None: frozenset({S.PENDING, S.APPLIED}),
        S.PENDING: frozenset({S.APPLIED, S.CURED, S.LIFTED}),
        S.APPLIED: frozenset({S.APPLIED, S.RESTORED, S.EXPIRED, S.LIFTED}),
    },
    MeasureKind.QUERY: {
        None: frozenset({S.ANSWERED, S.SUBSCRIBED}),
        S.SUBSCRIBED: frozenset({S.SUBSCRIBED, S.UNSUBSCRIBED, S.EXPIRED}),
    },
}


def may_follow(kind: MeasureKind, was: MeasureState | None, state: MeasureState) -> bool:
    """Whether the diagram of `kind` has an arrow from `was` to `state`."""
    return state in TRANSITIONS[kind].get(was, frozenset())


def become(measure: Measure, state: MeasureState, **changes: Any) -> Measure:
    """Give the measure in a new state."""
    return msgspec.structs.replace(measure, state=state, **changes)


def end(
    measure: Measure, state: MeasureState, why: str, *, by: tuple[str, ...] = (), regime: Regime, now: int
) -> Measure:
    """Give the measure ended for a named reason; it holds nothing and is kept until it may be forgotten."""
    if state in LIVE or not why:
        raise ValueError(f"a measure ends in an end state and for a reason, got {state} {why!r}")
    remember = regime.messages.remember[measure.kind]
    return become(
        measure,
        state,
        held_minor=0,
        clocks=(),
        ended_why=why,
        ended_by=by,
        forget_at_us=regime.calendar.add(now, remember),
    )
