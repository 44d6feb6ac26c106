"""Who was talked out of a scam, and until when he is watched more closely: scammers come back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ledgers.ledger import Fold
from models.ledgers.table import NEVER
from schemas.rows import Rows
from schemas.units import SECOND_US

#: One watch over a party, from the answer that dissuaded it until the country's term ends; microseconds UTC.
WATCH_FACT = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("until_us", "i8")])


def _add(fact: Any, row: Any) -> None:
    row.watch_us = max(row.watch_us, fact.at_us)
    row.watch_until_us = max(row.watch_until_us, fact.until_us)


def _show(fact: Any, row: Any, view: Any) -> None:
    watched = row.watch_us != NEVER and row.watch_us <= fact.at_us < row.watch_until_us
    view.watched_s = np.float64(fact.at_us - row.watch_us) / SECOND_US if watched else np.nan


def _needed(rows: Rows, before_us: int) -> NDArray[np.bool_]:
    """Tell whose watch lasts beyond a time, though he may not have paid since."""
    found: NDArray[np.bool_] = rows["watch_until_us"] >= before_us
    return found


WATCHES = Fold(
    WATCH_FACT,
    (("watch_us", "i8"), ("watch_until_us", "i8")),
    _add,
    (("watched_s", "f4"),),
    _show,
    _needed,
)
