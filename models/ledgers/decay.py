"""Sums that fade, ages, and how many counterparties there were: what folds over payments keep and show.

Decayed sums: S(t) = sum of v_i exp(-(t - t_i) / tau), kept at the row's newest time, for the four time
constants `HORIZONS_S`. Newest time per bucket: facts are hashed by counterparty into a few buckets that
remember their latest time; the share of buckets active in a window estimates how many distinct
counterparties there were (linear counting: Whang et al., ACM TODS 15(2), 1990).
"""

import numpy as np
from numpy.typing import NDArray

from models.ledgers.table import NEVER
from schemas.rows.compiled import inlined

#: Time constants of the decayed sums, seconds: an hour, a day, a week, a month.
HORIZONS_S = np.array([3600.0, 86400.0, 604800.0, 2592000.0])

#: Bits of a payer's memory of his payees: every payee sets three (Bloom, CACM 13(7), 1970). Beside a hundred
#: payees a new one is taken for known once in sixty times, beside fifty once in four hundred.
PAID_BITS = 1024
PAID_TURNS = 3


@inlined
def seconds(now_us: int, then_us: int) -> float:
    """Seconds from `then` to `now`, at least 0; nan if `then` never was."""
    return np.nan if then_us == NEVER else max(now_us - then_us, 0) / 1e6


@inlined
def faded(now_us: int, then_us: int, horizon_s: float) -> float:
    """Return what is left at `now` of one unit of `then`; 1 if `then` never was or lies ahead."""
    elapsed_s = 0.0 if then_us == NEVER else (now_us - then_us) / 1e6
    return np.exp(-elapsed_s / horizon_s) if elapsed_s > 0 else 1.0


@inlined
def paid_bit(counterparty: np.uint64, turn: int) -> np.int64:
    """Return one of the three places of a counterparty in a Bloom filter of `PAID_BITS` bits."""
    spread = np.uint64(counterparty) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((spread >> np.uint64(34 + 10 * turn)) & np.uint64(PAID_BITS - 1))


@inlined
def distinct(newest_us: NDArray[np.int64], since_us: int) -> np.float64:
    """Estimate the counterparties since `since_us` from the share of active buckets."""
    active = 0
    for bucket in range(len(newest_us)):
        active += newest_us[bucket] >= since_us
    size = len(newest_us)
    return np.float64(-size * np.log1p(-min(active, size - 0.5) / size))
