"""What is known of an account: a fold over the legs of payments, in and out.

Every column is commutative (decayed sums, extremes, newest times), so rows end the same to rounding in
whatever order facts arrive.
"""

from typing import Any

import numpy as np

from models.ledgers.decay import HORIZONS_S, distinct, faded, seconds
from models.ledgers.enforcement import STATEMENTS
from models.ledgers.findings import FINDINGS
from models.ledgers.ledger import Fold, ledger_of
from models.ledgers.table import NEVER
from schemas.units import DAY_US

BUCKETS = 16

#: One leg of a payment, seen by one account. `risky`: the payer's device showed a victim's signals or the
#: payee was new to the payer.
ACCOUNT_FACT = np.dtype(
    [
        ("key", "u8", 2),
        ("at_us", "i8"),
        ("value", "f8"),
        ("counterparty", "u8"),
        ("credit", "u1"),
        ("risky", "u1"),
    ],
    align=True,
)

_KEPT = (
    ("first_us", "i8"),
    ("last_us", "i8"),
    ("last_in_us", "i8"),
    ("last_out_us", "i8"),
    ("in_count", "f8", 4),
    ("in_value", "f8", 4),
    ("out_count", "f8", 4),
    ("out_value", "f8", 4),
    ("risky_value", "f8", 4),
    ("largest_in", "f8"),
    ("payers_us", "i8", BUCKETS),
    ("payees_us", "i8", BUCKETS),
    ("risky_out_value", "f8", 4),
)

#: What was known of an account just before a leg. Ages in seconds, nan where there is none.
#: `counterparty_gap_s`: since the last leg the same way with this counterparty (or one of its bucket).
_SHOWN = (
    ("age_s", "f8"),
    ("in_gap_s", "f8"),
    ("out_gap_s", "f8"),
    ("in_count", "f8", 4),
    ("in_value", "f8", 4),
    ("out_count", "f8", 4),
    ("out_value", "f8", 4),
    ("risky_value", "f8", 4),
    ("largest_in", "f8"),
    ("counterparty_gap_s", "f8"),
    ("payers_1d", "f8"),
    ("payers_7d", "f8"),
    ("payees_1d", "f8"),
    ("risky_out_value", "f8", 4),
)


def _show(fact: Any, row: Any, view: Any) -> None:
    at_us = fact.at_us
    bucket = np.int64(fact.counterparty % np.uint64(BUCKETS))
    view.age_s = seconds(at_us, row.first_us)
    view.in_gap_s = seconds(at_us, row.last_in_us)
    view.out_gap_s = seconds(at_us, row.last_out_us)
    view.largest_in = row.largest_in
    view.payers_1d = distinct(row.payers_us, at_us - DAY_US)
    view.payers_7d = distinct(row.payers_us, at_us - 7 * DAY_US)
    view.payees_1d = distinct(row.payees_us, at_us - DAY_US)
    newest_us = row.payers_us[bucket] if fact.credit else row.payees_us[bucket]
    view.counterparty_gap_s = seconds(at_us, newest_us)
    for h in range(4):
        fade = faded(at_us, row.last_us, HORIZONS_S[h])
        view.in_count[h] = row.in_count[h] * fade
        view.in_value[h] = row.in_value[h] * fade
        view.out_count[h] = row.out_count[h] * fade
        view.out_value[h] = row.out_value[h] * fade
        view.risky_value[h] = row.risky_value[h] * fade
        view.risky_out_value[h] = row.risky_out_value[h] * fade


def _add(fact: Any, row: Any, view: Any) -> None:
    at_us = fact.at_us
    bucket = np.int64(fact.counterparty % np.uint64(BUCKETS))
    for h in range(4):
        weight = 1.0 if row.last_us == NEVER else faded(row.last_us, at_us, HORIZONS_S[h])
        row.in_count[h] = view.in_count[h] + weight * fact.credit
        row.in_value[h] = view.in_value[h] + weight * fact.credit * fact.value
        row.out_count[h] = view.out_count[h] + weight * (1 - fact.credit)
        row.out_value[h] = view.out_value[h] + weight * (1 - fact.credit) * fact.value
        risky = weight * fact.risky * fact.value
        row.risky_value[h] = view.risky_value[h] + fact.credit * risky
        row.risky_out_value[h] = view.risky_out_value[h] + (1 - fact.credit) * risky
    row.first_us = at_us if row.first_us == NEVER else min(row.first_us, at_us)
    row.last_us = max(row.last_us, at_us)
    if fact.credit:
        row.last_in_us = max(row.last_in_us, at_us)
        row.largest_in = max(row.largest_in, fact.value)
        row.payers_us[bucket] = max(row.payers_us[bucket], at_us)
    else:
        row.last_out_us = max(row.last_out_us, at_us)
        row.payees_us[bucket] = max(row.payees_us[bucket], at_us)


LEGS = Fold(ACCOUNT_FACT, _KEPT, _add, _SHOWN, _show)
ACCOUNTS = ledger_of("accounts", LEGS, STATEMENTS, FINDINGS)
