"""How suspicious a payment looks by itself: a scorecard over its own fields, without any history.

Ledgers remember it, so that what a payer did before speaks when he pays again: a victim pays several times,
and one look is not sure of any of them. The points were fitted once, by logistic regression with scams
weighing by their amount, on twelve worlds of the mix `train`; what the memory is worth, a bundle learns.
Whoever changes the card raises the version of the features that show it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from schemas.rows.compiled import compiled, inlined
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE, TRANSFER

HOUR_US = 3_600_000_000.0


class Scale(NamedTuple):
    """Points of a value at most the first edge, at most the second, …, above the last; and if unknown."""

    edges: tuple[float, ...]
    points: tuple[float, ...]
    unknown: float = 0.0


INTERCEPT = -0.3
#: log10 of the amount, minor units of the reference currency.
AMOUNT = Scale((4.0, 4.7, 5.0, 5.3, 5.7, 6.0, 6.3, 6.7), (-3.5, -3.5, -2.2, 0.2, 0.3, 1.2, 1.7, 2.8, 2.7))
#: Trailing zeros of major units; less than fitted, since scams of the world are rounder than those of life.
ROUNDNESS = Scale((0.5, 1.5, 2.5, 3.5), (-2.0, 1.0, 0.3, 0.7, 1.3))
#: By code (`schemas.payment.CHANNELS`).
CHANNEL = Scale((0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5), (0.5, 0.1, 1.9, -0.1, -0.5, -0.3, -1.2, -0.7))
BALANCE_SHARE = Scale((0.05, 0.2, 0.4, 0.7, 0.9), (0.1, 0.6, 0.0, -0.8, -0.8, 0.7), 0.1)
PAYEE_AGE_H = Scale(
    (0.02, 0.1, 1.0, 6.0, 24.0, 72.0, 240.0, 1000.0), (0.6, 0.4, 0.8, 0.8, 1.0, 1.4, 1.4, -1.6, -4.8), -0.3
)
#: By code (`schemas.payment.PAYEE_CHECKS`).
PAYEE_CHECK = Scale((0.5, 1.5, 2.5), (-0.4, -0.6, 0.1, 0.6))
NEW_DEVICE_H = Scale((1.0, 24.0, 96.0), (0.1, 0.3, -0.2, 0.0), -0.4)
LIMIT_RAISED_H = Scale((1.0, 24.0, 96.0), (0.5, 2.1, 0.4, -1.6), -1.6)
#: Not seen, seen.
REMOTE, SCREEN, CALL = (-0.6, 0.3), (-1.1, 0.8), (-0.7, 0.4)


@inlined
def _points(value: float, scale: Scale) -> float:
    if math.isnan(value):
        return scale.unknown
    place = 0
    while place < len(scale.edges) and value > scale.edges[place]:
        place += 1
    return scale.points[place]


@inlined
def _hours(at_us: int, then_us: int) -> float:
    return np.nan if then_us < 0 else (at_us - then_us) / HOUR_US


def _look(transfers: Any, value: Any, out: Any) -> None:
    for at in range(len(transfers)):
        paid = transfers[at]
        minor, after = paid.amount_minor, paid.balance_after_minor
        zeros = 0.0
        for unit in (1_000, 10_000, 100_000, 1_000_000):
            zeros += minor % unit == 0
        share = np.nan if after < 0 else minor / max(minor + after, 1)
        device_h = np.nan if paid.new_device_age_h < 0 else float(paid.new_device_age_h)
        odds = INTERCEPT
        odds += _points(math.log10(max(value[at], 1.0)), AMOUNT)
        odds += _points(zeros, ROUNDNESS)
        odds += _points(float(paid.channel), CHANNEL)
        odds += _points(share, BALANCE_SHARE)
        odds += _points(_hours(paid.at_us, paid.payee_added_at_us), PAYEE_AGE_H)
        odds += _points(float(paid.payee_check), PAYEE_CHECK)
        odds += _points(device_h, NEW_DEVICE_H)
        odds += _points(_hours(paid.at_us, paid.limit_changed_at_us), LIMIT_RAISED_H)
        odds += REMOTE[1 if paid.signals & REMOTE_CONTROL else 0]
        odds += SCREEN[1 if paid.signals & SCREEN_SHARE else 0]
        odds += CALL[1 if paid.signals & CALL_IN_PROGRESS else 0]
        out[at] = 1.0 / (1.0 + math.exp(-odds))


_fill = compiled(
    _look,
    types.void(
        types.Array(from_dtype(TRANSFER), 1, "A", readonly=True),
        types.Array(types.float64, 1, "A", readonly=True),
        types.float64[::1],
    ),
)


def suspicion(transfers: NDArray[np.void], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how suspicious payments look, 0 to 1, float64[n]; TRANSFER[n], values in minor units."""
    out = np.empty(len(transfers))
    _fill(transfers, value, out)
    return out
