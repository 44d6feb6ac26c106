"""Payments of public data as the product's rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER

_UNKNOWN = (
    "payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us", "new_device_age_h",
    "balance_after_minor",
)  # fmt: skip


def plain(
    at_us: NDArray[np.int64],
    amount_minor: NDArray[np.int64],
    payer: NDArray[np.int64],
    payee: NDArray[np.int64],
) -> Rows:
    """Return payments between numbered accounts, one to a party, as TRANSFER[n]; all else is unknown."""
    rows = np.zeros(len(at_us), TRANSFER)
    for name in _UNKNOWN:
        rows[name] = -1
    rows["at_us"], rows["amount_minor"] = at_us, amount_minor
    rows["debtor"], rows["creditor_account"] = _tokens(payer), _tokens(payee)
    rows["debtor_account"] = rows["debtor"]
    return rows


def _tokens(numbers: Any) -> Any:
    """Spread small numbers as tokens are, uint64[n, 2]."""
    with np.errstate(over="ignore"):
        low = (np.asarray(numbers, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        low ^= low >> np.uint64(29)
        low *= np.uint64(0xBF58476D1CE4E5B9)
    return np.column_stack([low ^ (low >> np.uint64(32)), low])
