"""Scams whose mule tells nothing: what keeps trees from trusting that every mule looks like those they saw.

Trees grown on some tactics learn what their mules' accounts look like, and then pass whoever uses other
accounts: on tactics never trained on they held less than trees that know the payer alone. So every scam is
learned a second time with the payee of a good first payment in place of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray

#: Reasons that speak of the payee's account.
_OF_PAYEE = ("PAYEE_ACCOUNT_YOUNG", "PAYEE_COLLECTS", "PAYEE_DRAINS", "FOUND_BEFORE")


def disguised(
    X: FloatArray,
    y: NDArray[np.int8],
    weight: FloatArray,
    *,
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    seed: int,
) -> tuple[FloatArray, NDArray[np.int8], FloatArray]:
    """Return the rows with each scam of a credit leg at half its weight, and once more with another payee.

    Payees are those of good payments to somebody the payer never paid; the rows stay as they are where there
    are none, or where no column speaks of the payee's account, as on debit legs.

    Args:
        X: float64[n, k], columns `names`.
        y: 1 for a scam, 0 for good, int8[n].
        weight: of each row, float64[n].
        names: of the columns.
        groups: reason code -> columns that speak for it.
        seed: of the draw.

    """
    payee = [names.index(name) for code in _OF_PAYEE for name in groups.get(code, ())]
    good = y == 0
    if "payee_paid" in names:
        good &= X[:, list(names).index("payee_paid")] == 0
    scam, others = np.flatnonzero(y == 1), np.flatnonzero(good)
    if "PAYEE_COLLECTS" not in groups or not len(others):
        return X, y, weight
    drawn = np.random.default_rng(seed).choice(others, len(scam))
    masked = X[scam].copy()
    masked[:, payee] = X[drawn][:, payee]
    halved = np.where(y == 1, weight / 2, weight)
    return np.concatenate([X, masked]), np.concatenate([y, y[scam]]), np.concatenate([halved, halved[scam]])
