"""How much a number behaves like a card in a SIM box, from the calls of its last hour and its devices.

A SIM box dials strangers from one place, few of whom answer, for a minute, on cards that share handsets, that
nobody calls back, and that were silent until they began (domain report 3.3, anchors 6.2). Couriers dial
strangers, too, but move and are called back; call centres and a bank's robot have no handset. Each sign adds
points; nothing is learnt.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.callers.dens import dens
from schemas.units import HOUR_US

Calls = NDArray[np.void]
Floats = NDArray[np.float64]

#: One call; 0 is unknown: a fixed line has neither handset nor cell. `attested`: STIR/SHAKEN A or B.
CALL = np.dtype(
    [
        ("number", "u8"), ("callee", "u8"), ("at_us", "i8"), ("imei", "u8"), ("cell", "u8"),
        ("trunk", "u8"), ("attested", "?"), ("answered", "?"), ("duration_s", "i4"),
    ]
)  # fmt: skip

#: From so many points on a number counts as a SIM box; a den's numbers have so many of their own.
BOX, DEN_OWN = 6.0, 3.0
#: Calls that tell how somebody calls, and how many an hour are many.
TELLING, MANY = 3, 8
#: A line without a call, made or got, before the last so many hours is new, where calls of before are known.
NEW_US = 24 * HOUR_US
#: Numbers on one handset: one person's two cards are none.
SHARED, FIRST, FEW_ANSWER, SHORT_S, DEN = 3, 0.8, 0.5, 60, 4


class Hour(NamedTuple):
    """The numbers that called in an hour, n of each, and what they did in it.

    Attributes:
        number: uint64[n].
        calls: how many calls.
        first: share of them to callees not called before.
        answered: share of them answered.
        mean_s: mean length of those, seconds.
        cells: distinct cells; 0 for a fixed line.
        on_handset: numbers seen on its handsets in the days that are known, most of any.
        called_back: calls it got in these days.
        new: it neither called nor was called before the last day; none is where no calls of before are known.
        den: number of its component, -1 if it is in none.
        points: how much of a SIM box it is.

    """

    number: NDArray[np.uint64]
    calls: NDArray[np.int64]
    first: Floats
    answered: Floats
    mean_s: Floats
    cells: NDArray[np.int64]
    on_handset: NDArray[np.int64]
    called_back: NDArray[np.int64]
    new: NDArray[np.bool_]
    den: NDArray[np.int64]
    points: Floats

    @property
    def boxes(self) -> NDArray[np.uint64]:
        """The numbers that count as SIM boxes."""
        return self.number[self.points >= BOX]


def hour_of(known: Calls, now_us: int) -> Hour:
    """Score the numbers that called in the hour before `now_us`; `known` are all calls of the last days.

    Calls after `now_us` are not looked at.
    """
    known = known[known["at_us"] <= now_us]
    recent = known["at_us"] > now_us - HOUR_US
    calls = known[recent]
    number, of = np.unique(calls["number"], return_inverse=True)
    size = np.bincount(of, minlength=len(number))
    first = np.bincount(of, _first_contact(known)[recent], len(number)) / np.maximum(size, 1)
    answered = np.bincount(of, calls["answered"], len(number))
    seconds = np.bincount(of, calls["duration_s"] * calls["answered"], len(number))
    cells = _distinct(of, calls["cell"], len(number))
    handset = _on_handset(known, number)
    callbacks = known["callee"][np.isin(known["callee"], number)]
    back = np.bincount(np.searchsorted(number, callbacks), minlength=len(number))
    new = _new(known, number, now_us)
    mean_s = seconds / np.maximum(answered, 1)
    share = answered / np.maximum(size, 1)
    own = _own_points(
        calls=size,
        first=first,
        answered=share,
        mean_s=mean_s,
        cells=cells,
        handset=handset,
        back=back,
        new=new,
    )
    hot = number[(own >= DEN_OWN) & (cells <= 1)]  # who moves is in everybody's cells
    den = dens(known, hot, number)
    members = np.bincount(den[den >= 0]) if (den >= 0).any() else np.zeros(1, np.int64)
    in_den = (den >= 0) & (members[np.maximum(den, 0)] >= DEN)
    points = own + 2.0 * (in_den & (cells > 0))  # a call centre's lines are many, and no cards
    return Hour(number, size, first, share, mean_s, cells, handset, back, new, den, points)


def _own_points(
    *, calls: NDArray[np.int64], first: Floats, answered: Floats, mean_s: Floats,
    cells: NDArray[np.int64], handset: NDArray[np.int64], back: NDArray[np.int64], new: NDArray[np.bool_],
) -> Floats:  # fmt: skip
    telling = calls >= TELLING
    points: Floats = (
        2.0 * (handset >= SHARED)
        + 1.5 * np.minimum(calls / MANY, 1.0)
        + 1.5 * (telling & (first >= FIRST))
        + 1.0 * (telling & (cells == 1))
        + 1.0 * (telling & (answered < FEW_ANSWER))
        + 0.5 * (telling & (mean_s < SHORT_S))
        + 1.0 * (telling & new & (cells > 0))
        - 2.0 * (back >= 2)
    )
    return points


def _new(known: Calls, number: NDArray[np.uint64], now_us: int) -> NDArray[np.bool_]:
    """Tell which numbers were silent before the last day, as far as calls of before are known."""
    before = known[known["at_us"] <= now_us - NEW_US]
    if not len(before):
        return np.zeros(len(number), np.bool_)
    return ~np.isin(number, np.concatenate([before["number"], before["callee"]]))


def _first_contact(calls: Calls) -> NDArray[np.bool_]:
    """Tell which calls are the first of a number to a callee."""
    order = np.lexsort((calls["at_us"], calls["callee"], calls["number"]))
    pair = calls[["number", "callee"]][order]
    fresh = np.ones(len(calls), np.bool_)
    fresh[1:] = pair[1:] != pair[:-1]
    found = np.empty(len(calls), np.bool_)
    found[order] = fresh
    return found


def _distinct(of: NDArray[np.int64], values: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """Count the distinct known values of each group."""
    known = values != 0
    pairs = np.unique(np.stack([of[known].astype(np.uint64), values[known]]), axis=1)
    return np.bincount(pairs[0].astype(np.int64), minlength=size)


def _on_handset(calls: Calls, number: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return of each number how many numbers were seen on one of its handsets, at most."""
    seen = calls[calls["imei"] != 0]
    pairs = np.unique(seen[["imei", "number"]])
    _, place, times = np.unique(pairs["imei"], return_inverse=True, return_counts=True)
    most = np.zeros(len(number), np.int64)
    where = np.searchsorted(number, pairs["number"])
    mine = (where < len(number)) & (number[np.minimum(where, len(number) - 1)] == pairs["number"])
    np.maximum.at(most, where[mine], times[place][mine])
    return most
