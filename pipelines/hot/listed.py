"""What the policy does about what the registry says of a leg's account: warn, delay or hold, never approve.

A suspicion acts by its tier. A listing acts where it cuts what the payment does on its channel; of whom an
authority lists people are told at least. Payees that the policy names as exempt (tax, social security,
utilities) are paid whatever is cut.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from measures.registry.codes import ALL_IN, CHANNELS_OF, LISTED, TIER_BITS, TIER_MASK
from models.scoring.reasons import Words, always
from pipelines.policy import OUTCOMES, ListsPolicy, Registered
from schemas.alert import Leg, Reason
from schemas.payment import CHANNELS
from schemas.rows import Rows
from schemas.rows.tokens import token_words

#: Numbers the registry gives are below.
_CODES = 1 << 10


def codes(transfer: Rows, leg: Leg) -> NDArray[np.uint16]:
    """Return what the registry says of a leg's account: of the payee, or of the payer and his account."""
    found: NDArray[np.uint16] = transfer["payee_listed" if leg == "CREDIT" else "payer_listed"]
    return found


def outcomes(transfer: Rows, leg: Leg, rule: ListsPolicy) -> NDArray[np.int64]:
    """Return the least outcome of TRANSFER[n] as far as the registry asks for one, int64[n]."""
    said = codes(transfer, leg)
    if not said.any():
        return np.zeros(len(said), np.int64)
    by_code = _by_code(leg, rule)
    found: NDArray[np.int64] = by_code[transfer["channel"], said]
    if leg == "DEBIT" and rule.exempt_payees:
        exempt = token_words(sorted(rule.exempt_payees))
        paid = (transfer["creditor_account"][:, None] == exempt[None]).all(axis=2).any(axis=1)
        found[paid] = by_code[transfer["channel"][paid], said[paid] & TIER_MASK]
    return found


def grounds(transfer: Rows, leg: Leg, rule: ListsPolicy, own: NDArray[np.int64]) -> list[Registered]:
    """Say what of the registry asks for more than `own` outcomes of TRANSFER[n]; "" where nothing does."""
    said = codes(transfer, leg)
    if not said.any():
        return [""] * len(said)
    asked = outcomes(transfer, leg, rule)
    suspected = _by_code(leg, rule)[transfer["channel"], said & TIER_MASK]
    which = np.where(suspected == asked, "SUSPECTED", "LISTED")
    found: list[Registered] = np.where(asked > own, which, "").tolist()
    return found


@lru_cache(maxsize=64)
def _by_code(leg: Leg, rule: ListsPolicy) -> NDArray[np.int64]:
    """Return the outcome of each code on each channel, int64[channels, codes]."""
    found = np.zeros((len(CHANNELS), _CODES), np.int64)
    numbers = np.arange(_CODES)
    for tier, outcome in enumerate(rule.suspected, 1):
        found[:, numbers & TIER_BITS[tier] == TIER_BITS[tier]] = OUTCOMES.index(outcome)
    listed = numbers & LISTED > 0
    found[:, listed] = np.maximum(found[:, listed], OUTCOMES.index(rule.listed))
    cut = OUTCOMES.index(rule.cut)
    for place, channel in enumerate(CHANNELS):
        mask = sum(bit for bit, names in CHANNELS_OF.items() if channel in names)
        hit = numbers & (ALL_IN if leg == "CREDIT" else mask) > 0
        found[place, hit] = np.maximum(found[place, hit], cut)
    return found


def reasons(code: int, leg: Leg, words: Words, language: str) -> tuple[Reason, ...]:
    """Say what the registry knows of the account that is acted on."""
    side = "PAYEE" if leg == "CREDIT" else "ACCOUNT"
    names = [f"{side}_LISTED"] * bool(code & LISTED) + [f"{side}_SUSPECTED"] * bool(code & TIER_MASK)
    return tuple(always(words, name, language) for name in names)
