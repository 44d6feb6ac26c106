"""The aggregate of a telephone number: what reports and findings said of it, and the grade that comes to."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Office, Refuse
from measures.numbers.indicator import Evidence, falls_us, indicator
from schemas import topics
from schemas.casework import Confirm, Recycled, SayOfNumber, Withdraw
from schemas.indicator import NumberIndicator, SaidOfNumber
from schemas.names import folded

#: Stamped on each indicator: changes when the rule does.
MODEL_VERSION = "fade-14d-1"

#: So many reporters are remembered, the newest.
REMEMBERED = 256


def apply(state: NumberIndicator | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Take what was said of a number, or that it was confirmed, taken back or given to somebody else."""
    if isinstance(command, SayOfNumber):
        known = state or NumberIndicator(key=key, number_token=command.number_token)
        sources = tuple(dict.fromkeys((*known.sources, command.origin)))
        return _graded(replace(known, said=_with(known, command.said), sources=sources), state, at_us)
    if state is None:
        return Applied(None) if isinstance(command, Recycled) else Applied(None, (_NOBODY,))
    return _graded(_TAKES[type(command)](state, command), state, at_us)


def tick(state: NumberIndicator, at_us: int, office: Office) -> Applied:
    """Let the grade fall."""
    return _graded(state, state, at_us)


def _due(state: NumberIndicator) -> int | None:
    return state.valid_until_us or None


def _graded(state: NumberIndicator, was: NumberIndicator | None, at_us: int) -> Applied:
    """Grade anew; the same in the same words is no new version."""
    evidence = [Evidence(each.kind, folded(each.reporter), each.at_us) for each in state.said]
    found = indicator(evidence, at_us)
    fresh = replace(
        state,
        grade=found.grade,
        reasons=found.reasons,
        sources=state.sources if found.reporters else (),
        confirmed_reports=len(state.confirmed) if found.reporters else 0,
        distinct_reporters=found.reporters,
        first_seen_us=max(found.first_us, 0),
        last_seen_us=max(found.last_us, 0),
        valid_until_us=falls_us(evidence, at_us),
        model_version=MODEL_VERSION,
    )
    if was is not None and fresh == was:
        return Applied(was)
    return Applied(replace(fresh, version=fresh.version + 1))


def _with(state: NumberIndicator, said: SaidOfNumber) -> tuple[SaidOfNumber, ...]:
    """Return the evidence with one more, of each reporter and kind the newest."""
    kept = [
        each
        for each in state.said
        if (folded(each.reporter), each.kind) != (folded(said.reporter), said.kind) or each.at_us > said.at_us
    ]
    return tuple(sorted((*kept, said), key=lambda each: each.at_us))[-REMEMBERED:]


def _confirmed(state: NumberIndicator, command: Confirm) -> NumberIndicator:
    """Count a report that was found to be right."""
    if command.report_id in state.confirmed:
        return state
    return replace(state, confirmed=(*state.confirmed, command.report_id)[-REMEMBERED:])


def _taken_back(state: NumberIndicator, command: Withdraw) -> NumberIndicator:
    """Forget what one report said."""
    return replace(
        state,
        said=tuple(each for each in state.said if each.report_id != command.report_id),
        confirmed=tuple(each for each in state.confirmed if each != command.report_id),
    )


def _recycled(state: NumberIndicator, command: Recycled) -> NumberIndicator:
    """Begin a new life."""
    fresh = SaidOfNumber(kind="RECYCLED", reporter="operator", at_us=command.since_us)
    return replace(state, said=_with(state, fresh), confirmed=())


_NOBODY = Refuse("nothing was said of this number")
_TAKES: Mapping[type, Callable[[NumberIndicator, Any], NumberIndicator]] = {
    Confirm: _confirmed,
    Withdraw: _taken_back,
    Recycled: _recycled,
}

NUMBER = Aggregate(
    kind="number", topic=topics.INDICATORS, state=NumberIndicator, apply=apply, due=_due, tick=tick
)
