"""What is known of a paying party: a fold over its payments.

Every column is commutative (decayed sums, extremes, newest times), so rows end the same to rounding in
whatever order facts arrive.
"""

from typing import Any

import numpy as np

from models.ledgers.clues import CLUES
from models.ledgers.decay import HORIZONS_S, PAID_BITS, PAID_TURNS, distinct, faded, paid_bit, seconds
from models.ledgers.findings import PAYER_FINDINGS
from models.ledgers.ledger import Fold, ledger_of
from models.ledgers.table import NEVER
from models.ledgers.watch import WATCHES
from schemas.units import DAY_US

BUCKETS = 32

#: One payment, seen by its payer; `suspicion` is how it looks by itself (`models.ledgers.suspicion`).
PARTY_FACT = np.dtype(
    [("key", "u8", 2), ("at_us", "i8"), ("value", "f8"), ("counterparty", "u8"), ("suspicion", "f8")]
)

_KEPT = (
    ("first_us", "i8"),
    ("last_us", "i8"),
    ("count", "f8", 4),
    ("value", "f8", 4),
    ("largest", "f8"),
    ("newest_us", "i8", BUCKETS),
    ("paid", "u8", PAID_BITS // 64),
    ("suspected", "f4", 3),
)

#: What was known of the payer just before a payment. Ages in seconds, nan where there is none. `payee_paid`:
#: 1 if he paid this payee before, as far back as the ledger goes. `suspected`: how his payments
#: looked, decayed over an hour, a day, a week.
_SHOWN = (
    ("age_s", "f8"),
    ("gap_s", "f8"),
    ("count", "f8", 4),
    ("value", "f8", 4),
    ("largest", "f8"),
    ("payee_gap_s", "f8"),
    ("payees_1d", "f8"),
    ("payee_paid", "f8"),
    ("suspected", "f8", 3),
)


def _show(fact: Any, row: Any, view: Any) -> None:
    at_us = fact.at_us
    bucket = np.int64(fact.counterparty % np.uint64(BUCKETS))
    view.age_s = seconds(at_us, row.first_us)
    view.gap_s = seconds(at_us, row.last_us)
    view.largest = row.largest
    view.payee_gap_s = seconds(at_us, row.newest_us[bucket])
    view.payees_1d = distinct(row.newest_us, at_us - DAY_US)
    view.payee_paid = 1.0
    for turn in range(PAID_TURNS):
        bit = paid_bit(fact.counterparty, turn)
        if not (row.paid[bit >> 6] >> np.uint64(bit & 63)) & np.uint64(1):
            view.payee_paid = 0.0
    for h in range(4):
        fade = faded(at_us, row.last_us, HORIZONS_S[h])
        view.count[h] = row.count[h] * fade
        view.value[h] = row.value[h] * fade
    for place in range(3):
        view.suspected[place] = row.suspected[place] * faded(at_us, row.last_us, HORIZONS_S[place])


def _add(fact: Any, row: Any, view: Any) -> None:
    at_us = fact.at_us
    bucket = np.int64(fact.counterparty % np.uint64(BUCKETS))
    for h in range(4):
        weight = 1.0 if row.last_us == NEVER else faded(row.last_us, at_us, HORIZONS_S[h])
        row.count[h] = view.count[h] + weight
        row.value[h] = view.value[h] + weight * fact.value
    for place in range(3):
        weight = 1.0 if row.last_us == NEVER else faded(row.last_us, at_us, HORIZONS_S[place])
        row.suspected[place] = view.suspected[place] + weight * fact.suspicion
    row.largest = max(row.largest, fact.value)
    row.first_us = at_us if row.first_us == NEVER else min(row.first_us, at_us)
    row.last_us = max(row.last_us, at_us)
    row.newest_us[bucket] = max(row.newest_us[bucket], at_us)
    for turn in range(PAID_TURNS):
        bit = paid_bit(fact.counterparty, turn)
        row.paid[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)


PAYMENTS = Fold(PARTY_FACT, _KEPT, _add, _SHOWN, _show)
PARTY_VIEW = np.dtype([*_SHOWN, *CLUES.shown, *PAYER_FINDINGS.shown, *WATCHES.shown])
PAYERS = ledger_of("payers", PAYMENTS, CLUES, PAYER_FINDINGS, WATCHES)
