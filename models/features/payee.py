"""How well the payer knows the payee."""

from models.features.catalogue import feature
from models.features.legs import HOUR_S, LegRow, since_h


@feature(credit="PAYEE_NEW", debit="PAYEE_NEW")
def payee_age_h(leg: LegRow) -> float:
    """Hours since the payer first saved or paid this payee."""
    return since_h(leg, leg.transfer.payee_added_at_us)


@feature(credit="PAYEE_NEW", debit="PAYEE_NEW")
def payee_gap_h(leg: LegRow) -> float:
    """Hours since the payer last paid this payee (or one of its bucket); nan if never."""
    return float(leg.payer.payee_gap_s / HOUR_S)


@feature(credit="PAYEE_NEW", debit="PAYEE_NEW")
def payee_paid(leg: LegRow) -> float:
    """1 if the payer paid this payee before, as far back as the ledger goes."""
    return float(leg.payer.payee_paid)


@feature(credit="PAYEE_NEW", debit="PAYEE_NEW")
def payee_check(leg: LegRow) -> float:
    """Code of the payee-name check's result (`schemas.payment.PAYEE_CHECKS`)."""
    return float(leg.transfer.payee_check)
