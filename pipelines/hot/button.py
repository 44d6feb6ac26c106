"""The rule at the button: who is guided while he pays somebody new is told so at the highest severity.

Of call, shared screen and remote control at least two must show, by the payer's device or by clues, whatever
the model says (anchors 6.1; Android asks the same of a call and a shared screen). Of who was talked out of a
scam and is watched one is enough. The payment goes on.
"""

import numpy as np
from numpy.typing import NDArray

from models.features import Legs
from models.ledgers import clues
from models.ledgers.history import new_payees
from pipelines.policy import ButtonPolicy
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE
from schemas.units import HOUR_US

#: Each sign: its bit of a payment's signals, and its kind of clue.
SIGNS = (
    (CALL_IN_PROGRESS, clues.CALL),
    (SCREEN_SHARE, clues.SCREEN_SHARE),
    (REMOTE_CONTROL, clues.REMOTE_CONTROL),
)

#: What clues say began longer ago has ended, though nobody said so.
LASTS_S = 4 * 3_600.0


def at_button(legs: Legs, rule: ButtonPolicy | None) -> NDArray[np.bool_]:
    """Tell which credit legs the rule is about, bool[n]; none without a rule."""
    if rule is None:
        return np.zeros(len(legs.value), np.bool_)
    payer = legs.payer
    shows = (legs.transfer["signals"] > 0) | (payer["clue_goes_on"] > 0) | np.isfinite(payer["watched_s"])
    some = np.flatnonzero(shows)
    few = legs.rows(some)
    found = np.zeros(len(legs.value), np.bool_)
    found[some] = (signs(few) >= rule.signals) & to_somebody_new(few, rule)
    return found


def signs(legs: Legs) -> NDArray[np.int64]:
    """Count the signs that show of each leg's payer, int64[n]."""
    payer, signals = legs.payer, legs.transfer["signals"]
    shown: NDArray[np.int64] = np.isfinite(payer["watched_s"]).astype(np.int64)
    for bit, kind in SIGNS:
        since_s = payer["clue_since_s"][:, kind]
        goes_on = (payer["clue_goes_on"] >> kind & 1 > 0) & (since_s <= LASTS_S)
        shown += (signals & bit > 0) | goes_on
    return shown


def to_somebody_new(legs: Legs, rule: ButtonPolicy) -> NDArray[np.bool_]:
    """Tell which legs go to a payee that the payer has not known for long, bool[n]."""
    return new_payees(legs.transfer, legs.payer, rule.new_payee_h * HOUR_US)
