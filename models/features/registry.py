"""What the registry says of the leg's account, where it is looked up (`measures.registry.codes`).

Codes are those of the moment the payment was received: tiers are bits, each with those below it.
"""

from models.features.catalogue import feature
from models.features.legs import LegRow

_LISTED = 8


@feature(credit="IN_REGISTRY")
def payee_tier(leg: LegRow) -> float:
    """Tier of what is suspected of the account that is paid; 0 if nothing is, or nothing is looked up."""
    said = leg.transfer.payee_listed
    return float((said & 1) + (said >> 1 & 1) + (said >> 2 & 1))


@feature(credit="IN_REGISTRY")
def payee_listed(leg: LegRow) -> float:
    """1 if an authority lists the account that is paid."""
    return 1.0 if leg.transfer.payee_listed & _LISTED else 0.0


@feature(debit="IN_REGISTRY")
def payer_tier(leg: LegRow) -> float:
    """Tier of what is suspected of the account that pays, or of its payer."""
    said = leg.transfer.payer_listed
    return float((said & 1) + (said >> 1 & 1) + (said >> 2 & 1))


@feature(debit="IN_REGISTRY")
def payer_listed(leg: LegRow) -> float:
    """1 if an authority lists the account that pays, or its payer."""
    return 1.0 if leg.transfer.payer_listed & _LISTED else 0.0
