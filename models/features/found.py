"""What was found out before: of the leg's account, of its payer, and of payer and payee together.

Without feedback that names accounts all of it says nothing, and nothing makes a leg look safer than that
but a finding that an earlier payment was good.
"""

from models.features.catalogue import feature
from models.features.legs import HOUR_S, LegRow

_WEEK, _MONTH = 0, 1


@feature(credit="FOUND_BEFORE", debit="FOUND_BEFORE")
def account_scam_h(leg: LegRow) -> float:
    """Hours since it was last found that a ring used the account; nan if never."""
    return float(leg.account.scam_gap_s / HOUR_S)


@feature(credit="FOUND_BEFORE", debit="FOUND_BEFORE")
def account_scams_7d(leg: LegRow) -> float:
    """Payments of the account found to be a ring's, decayed over a week."""
    return float(leg.account.found_scam[_WEEK])


@feature(credit="FOUND_BEFORE", debit="FOUND_BEFORE")
def account_scams_30d(leg: LegRow) -> float:
    """Payments of the account found to be a ring's, decayed over a month."""
    return float(leg.account.found_scam[_MONTH])


@feature(credit="FOUND_BEFORE", debit="FOUND_BEFORE")
def account_cleared_30d(leg: LegRow) -> float:
    """Payments to the account that somebody looked at and found good, decayed over a month."""
    return float(max(leg.account.found[_MONTH] - leg.account.found_scam[_MONTH], 0.0))


@feature(credit="DECEIVED_BEFORE")
def payer_deceived_h(leg: LegRow) -> float:
    """Hours since it was last found that the payer was deceived; nan if never."""
    return float(leg.payer.deceived_gap_s / HOUR_S)


@feature(credit="DECEIVED_BEFORE")
def payer_deceived_30d(leg: LegRow) -> float:
    """Payments the payer was deceived into, decayed over a month."""
    return float(leg.payer.deceived)


@feature(credit="FOUND_BEFORE")
def pair_scam_h(leg: LegRow) -> float:
    """Hours since a payment of this payer to this payee was found to be a scam; nan if none was."""
    return float(leg.payer.pair_scam_s / HOUR_S)


@feature(credit="FOUND_BEFORE")
def pair_cleared_h(leg: LegRow) -> float:
    """Hours since a payment of this payer to this payee was looked at and found good; nan if none was."""
    return float(leg.payer.pair_cleared_s / HOUR_S)
