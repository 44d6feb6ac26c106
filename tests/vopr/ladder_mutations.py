"""One rule of the ladder broken at a time: each of its invariants must be seen to fail."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from measures.law.jurisdiction import Regime
from measures.victims import answers, climb, ladder, planning
from measures.victims.climb import Climb
from schemas.contact import ContactEntry, ContactEvent, Ladder, Party, Step
from schemas.units import DAY_US, HOUR_US

replace = msgspec.structs.replace


class LadderMutation(NamedTuple):
    """A broken rule, the invariant that must notice, and what takes the place of what."""

    invariant: int
    says: str
    patches: tuple[tuple[Any, str, Any], ...]


_passed_over, _entry, _restriction = planning._passed_over, ladder.entry, climb.restriction


def blind_to(reason: str) -> Any:
    """Pass rungs over for any reason but one."""

    def passed_over(*given: Any) -> Any:
        found = _passed_over(*given)
        return None if found == reason else found

    return passed_over


def two_at_once(climb: Climb, old: Ladder, why: Step) -> None:
    """Leave a rung for the one after the next."""
    planning.climb_on(climb, replace(old, place=old.place + 2, attempt=0, state=""), why)


def follow_ups_alone(party: Party) -> int | None:
    """Wake for later messages, never for a rung."""
    return min((each.due_us for each in party.follow_ups), default=None)


def without_calm(party: Party, events: tuple[ContactEvent, ...]) -> ContactEntry:
    """Write all down but what the party said is no scam."""
    return _entry(replace(party, calm=()), events)


def everything(regime: Regime, name: str) -> Any:
    """Leave nothing open."""
    rule = _restriction(regime, name)
    return rule and rule.model_copy(update={"exempt": (), "on_request": ()})


LADDER_MUTATIONS = (
    LadderMutation(1, "the cool-down is not looked at", ((ladder, "may_warn", lambda *_: True),)),
    LadderMutation(1, "channels have no cap", ((planning, "_capped", lambda *_: False),)),
    LadderMutation(2, "every second rung is left out", ((planning, "next_rung", two_at_once),)),
    LadderMutation(
        2, "the next rung is begun while an answer is waited for", ((answers, "SECOND_US", 100_000),)
    ),
    LadderMutation(3, "a voice is believed whoever spoke", ((answers, "_forwarded", lambda *_: False),)),
    LadderMutation(
        3, "forwarded lines are called", ((planning, "_passed_over", blind_to("CALLS_FORWARDED")),)
    ),
    LadderMutation(4, "nobody sleeps", ((planning, "quiet_until", lambda climb, *_: climb.now),)),
    LadderMutation(5, "nobody is held out", ((ladder, "held_out", lambda *_: False),)),
    LadderMutation(
        6,
        "after a week is after two",
        ((answers, "_FOLLOW_UP_US", {"24h": DAY_US, "7d": 14 * DAY_US, "30d": 30 * DAY_US}),),
    ),
    LadderMutation(6, "the watch is an hour", ((Climb, "after", lambda step, _: step.now + HOUR_US),)),
    LadderMutation(7, "nothing is left open", ((climb, "restriction", everything),)),
    LadderMutation(8, "calm is not written down", ((ladder, "entry", without_calm),)),
    LadderMutation(9, "no clock moves a ladder", ((ladder, "next_due_us", follow_ups_alone),)),
    LadderMutation(10, "families are called unasked", ((planning, "_passed_over", blind_to("NO_CONSENT")),)),
)


@contextmanager
def broken_ladder(mutation: LadderMutation) -> Iterator[None]:
    """Break one rule for a while."""
    with ExitStack() as stack:
        for where, name, instead in mutation.patches:
            stack.enter_context(patch.object(where, name, instead))
        yield
