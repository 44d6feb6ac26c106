"""When and how the payment is made, and by whom."""

import numpy as np

from models.features.catalogue import feature
from models.features.legs import HOUR_S, LegRow


@feature(credit="CONTEXT", debit="CONTEXT")
def hour_of_day(leg: LegRow) -> float:
    """Hour of the day, UTC, with fraction."""
    return float(leg.transfer.at_us / (HOUR_S * 1e6) % 24)


@feature(credit="CONTEXT", debit="CONTEXT")
def channel(leg: LegRow) -> float:
    """Channel code (`schemas.payment.CHANNELS`)."""
    return float(leg.transfer.channel)


@feature(credit="CONTEXT", debit="CONTEXT")
def purpose(leg: LegRow) -> float:
    """Purpose code (`schemas.payment.PURPOSES`)."""
    return float(leg.transfer.purpose)


@feature(credit="CONTEXT", debit="CONTEXT")
def age_band(leg: LegRow) -> float:
    """Age band of the payer, oldest last; nan if unknown."""
    return np.nan if leg.transfer.age_band == 0 else float(leg.transfer.age_band)
