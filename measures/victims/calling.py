"""Whether a party is being called at the moment, by the journal of its ladder.

An app that can say so takes the ground from under a caller who claims to be the bank (anchors 6.1).
"""

from collections.abc import Iterable
from typing import NamedTuple

from measures.victims.planning import VOICE
from schemas.contact import Attempt, ContactEvent, Ended, Heard, Planned
from schemas.units import MINUTE_US

#: A call that left is believed for so long, whoever waits longer: an old one would vouch for a stranger's.
BELIEVED_US = 30 * MINUTE_US

_UNDER_WAY = ("SENT", "DELIVERED", "READ")


class Call(NamedTuple):
    """A call that was planned; `left_us` is when a channel took it, None before that.

    `proof_id` names its announcement, "" where it was not announced.
    """

    attempt: Attempt
    left_us: int | None = None
    proof_id: str = ""

    def until_us(self) -> int:
        """Return until when it counts, whether or not it has left."""
        if self.left_us is None:
            return self.attempt.answer_by_us
        return min(self.attempt.answer_by_us, self.left_us + BELIEVED_US)


def after(calls: tuple[Call, ...], events: Iterable[ContactEvent]) -> tuple[Call, ...]:
    """Return a party's calls that are planned or under way after what happened to its ladders."""
    for event in events:
        if isinstance(event, Planned):
            calls = tuple(each for each in calls if each.attempt.warning_id != event.attempt.warning_id)
            if event.attempt.channel in VOICE:
                calls = (*calls, Call(event.attempt))
        elif isinstance(event, Ended):
            calls = tuple(each for each in calls if each.attempt.warning_id != event.warning_id)
        elif isinstance(event, Heard):
            calls = tuple(each for each in (_heard(each, event) for each in calls) if each is not None)
    return calls


def calling(calls: Iterable[Call], now_us: int) -> Call | None:
    """Return the call that a party is to expect now; None if there is none."""
    under_way = (each for each in calls if each.left_us is not None and now_us < each.until_us())
    return next(under_way, None)


def _heard(call: Call, event: Heard) -> Call | None:
    """Return a call after an outcome; None when it is over."""
    outcome = event.outcome
    if outcome.key != call.attempt.key:
        return call
    if outcome.state not in _UNDER_WAY:
        return None
    if call.left_us is not None:
        return call
    return call._replace(left_us=event.at_us, proof_id=outcome.proof_id)
