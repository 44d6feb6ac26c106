"""The amount beside what the payer usually sends and what he has."""

import math

import numpy as np

from models.features.catalogue import feature
from models.features.legs import MONTH, LegRow, ratio


@feature(credit="AMOUNT_UNUSUAL", debit="AMOUNT_UNUSUAL")
def amount(leg: LegRow) -> float:
    """log10 of the amount, minor units of the reference currency."""
    return math.log10(max(leg.value, 1.0))


@feature(credit="AMOUNT_UNUSUAL", debit="AMOUNT_UNUSUAL")
def roundness(leg: LegRow) -> float:
    """How round the amount is: trailing decimal zeros of its major units, 0 to 4."""
    minor = leg.transfer.amount_minor
    zeros = 0
    for unit in (1_000, 10_000, 100_000, 1_000_000):
        zeros += minor % unit == 0
    return float(zeros)


@feature(credit="AMOUNT_UNUSUAL", debit="AMOUNT_UNUSUAL")
def amount_to_largest(leg: LegRow) -> float:
    """Amount divided by the largest the payer sent before."""
    return ratio(leg.value, leg.payer.largest)


@feature(credit="AMOUNT_UNUSUAL", debit="AMOUNT_UNUSUAL")
def amount_to_usual(leg: LegRow) -> float:
    """Amount divided by the payer's mean amount of the month."""
    return ratio(leg.value * leg.payer.count[MONTH], leg.payer.value[MONTH])


@feature(credit="AMOUNT_UNUSUAL", debit="MONEY_PASSES_THROUGH")
def balance_share(leg: LegRow) -> float:
    """Share of the payer's balance that this payment takes."""
    after = float(leg.transfer.balance_after_minor)
    paid = float(leg.transfer.amount_minor)
    return np.nan if after < 0 else paid / (paid + after)
