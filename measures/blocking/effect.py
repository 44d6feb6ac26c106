"""What blocks bring about: what operators still see of them, and how long what was blocked stays up.

How long things stay up is estimated by Kaplan and Meier (1958): of those still watched at each time one was
seen to be gone, the share that was not. What is up still, or is blocked no more, counts as long as it was
watched; what came back after it was gone, as never gone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.block import BlockEntry, Ticket
from schemas.units import HOUR_US

#: When it is told what is still up, hours after a take-down was asked for.
HOURS = (1, 6, 24, 72, 168, 720)


class Effect(NamedTuple):
    """What came of blocks.

    Attributes:
        stopping: entries that stop something now.
        asked: take-downs that were asked for.
        gone: of these, things gone.
        again: things that came back.
        overdue: requests nobody met within their day.
        wrongful_us: for how long entries stopped what they should not have, microseconds in all.
        sighted: how often each operator saw what was blocked, after it was.
        up: share of things still up after each of `HOURS`; None where nothing was watched so long.

    """

    stopping: int
    asked: int
    gone: int
    again: int
    overdue: int
    wrongful_us: int
    sighted: Counter[str]
    up: tuple[float | None, ...]


def effect(entries: Iterable[BlockEntry], at_us: int) -> Effect:
    """Return what came of blocks until a time, microseconds UTC."""
    known = list(entries)
    sighted: Counter[str] = Counter()
    for each in known:
        sighted.update(each.sighted)
    watched = [_watched(each, each.ticket, at_us) for each in known if each.ticket]
    told = [each.ticket for each in known if each.ticket]
    return Effect(
        stopping=sum(each.blocked_us > 0 and each.valid_to_us > at_us for each in known),
        asked=len(told),
        gone=sum(gone for _, gone in watched),
        again=sum(each.again_us > 0 for each in told),
        overdue=sum(each.overdue for each in told),
        wrongful_us=sum(each.wrongful_us for each in known),
        sighted=sighted,
        up=still_up(watched, [hours * HOUR_US for hours in HOURS]),
    )


def still_up(watched: Sequence[tuple[int, bool]], at: Sequence[int]) -> tuple[float | None, ...]:
    """Return the share that is up after each time, of things watched so long, gone then or not.

    >>> still_up([(1, True), (2, False), (3, True), (4, False)], [0, 1, 2, 3, 5])
    (1.0, 0.75, 0.75, 0.375, None)
    """
    if not watched:
        return (None,) * len(at)
    times = np.array([time for time, _ in watched])
    ends = np.array([gone for _, gone in watched])
    found: list[float | None] = []
    for when in at:
        share = 1.0
        for time in np.unique(times[ends & (times <= when)]):
            share *= 1 - (ends & (times == time)).sum() / (times >= time).sum()
        found.append(float(share) if times.max() >= when else None)
    return tuple(found)


def _watched(entry: BlockEntry, ticket: Ticket, at_us: int) -> tuple[int, bool]:
    """Return how long a thing was watched since it was asked to go, microseconds, and whether it went."""
    gone = ticket.gone_us or ticket.done_us
    if gone and ticket.again_us <= gone:
        return max(gone - ticket.asked_us, 0), True
    return max(min(at_us, entry.valid_to_us) - ticket.asked_us, 0), False
