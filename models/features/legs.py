"""What a feature is computed from: a leg, its payment, and what was known of its payer and its account."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ledgers.accounts import ACCOUNTS
from models.ledgers.parties import PAYERS
from schemas.rows import Rows
from schemas.rows.compiled import inlined
from schemas.rows.transfers import TRANSFER

FloatArray = NDArray[np.float64]

HOUR_S, DAY_S = 3600.0, 86400.0

#: Ages count up to here: beyond, they tell how long the ledger runs rather than anything of the account.
AGE_DAYS_MAX = 3.0

#: Places of the time constants in the decayed sums of a view (`models.ledgers.decay.HORIZONS_S`).
HOUR, DAY, WEEK, MONTH = range(4)


class Legs(NamedTuple):
    """n legs of one kind.

    Attributes:
        transfer: TRANSFER[n] (`schemas.rows.transfers`).
        value: amounts in the job's reference currency, minor units, float64[n].
        payer: what was known of the paying party, the view of `models.ledgers.parties`.
        account: of the leg's own account, the payee's on credit legs, else the payer's: the view of
            `models.ledgers.accounts`.

    """

    transfer: Rows
    value: FloatArray
    payer: Rows
    account: Rows

    def rows(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Legs":
        """Return some of the legs."""
        chosen: Any = (column[which] for column in self)
        return Legs(*chosen)


#: The type of each column of `Legs`; a stream with a fold of its own adds to the views.
ROW_TYPES: Sequence[np.dtype[Any]] = (TRANSFER, np.dtype(np.float64), PAYERS.view, ACCOUNTS.view)


class LegRow(NamedTuple):
    """One of `Legs`; columns of its rows are attributes."""

    transfer: Any
    value: float
    payer: Any
    account: Any


@inlined
def ratio(part: float, whole: float) -> float:
    """Divide; what has decayed to almost nothing divides to inf, which trees take."""
    return part / whole if whole > 0 else np.nan


@inlined
def since_h(leg: LegRow, then_us: int) -> float:
    """Return the hours since a time, nan if it is not known."""
    return np.nan if then_us < 0 else (leg.transfer.at_us - then_us) / (HOUR_S * 1e6)


@inlined
def signal(leg: LegRow, bit: int) -> float:
    """Return 1 if the payer's device shows a signal."""
    return 1.0 if leg.transfer.signals & bit else 0.0
