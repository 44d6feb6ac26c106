"""How many people the leg's own account deals with."""

from models.features.catalogue import feature
from models.features.legs import LegRow


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def payers_1d(leg: LegRow) -> float:
    """Distinct payers of the account in a day (estimate)."""
    return float(leg.account.payers_1d)


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def payers_7d(leg: LegRow) -> float:
    """Distinct payers of the account in a week (estimate)."""
    return float(leg.account.payers_7d)


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def payees_1d(leg: LegRow) -> float:
    """Distinct payees of the account in a day (estimate)."""
    return float(leg.account.payees_1d)
