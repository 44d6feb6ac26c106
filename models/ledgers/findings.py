"""What was found out about accounts and payers: verdicts as they become known, as counts that fade.

A finding is a fact of its own, at the time it became known and never before: a payment between the event and
that time is shown nothing of it (tests/hotpath/test_findings.py). Victims' reports, alerts that analysts
confirmed or dismissed and labels at the end of investigations count alike, each when it came.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ledgers.decay import HORIZONS_S, faded, seconds
from models.ledgers.ledger import Fold
from models.ledgers.table import NEVER
from schemas.rows import Rows
from schemas.rows.compiled import inlined
from schemas.units import SECOND_US

#: Verdicts, in the order of `schemas.feedback.VERDICTS`.
UNKNOWN, LEGITIMATE, SCAM, LAUNDERING = range(4)

#: What was found of a payment, and its parties; times in microseconds UTC.
FOUND = np.dtype(
    [
        ("debtor", "u8", 2),
        ("debtor_account", "u8", 2),
        ("creditor_account", "u8", 2),
        ("at_us", "i8"),
        ("verdict", "i8"),
    ]
)

#: One payment to or from the account whose verdict became known at `at_us`; `scam`: a ring used the account.
FINDING = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("scam", "i8")])

#: The same of a payer's payment to a counterparty; `scam`: he was deceived.
PAYER_FINDING = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("counterparty", "u8"), ("scam", "i8")])

#: Sums fade over a week and over a month.
WEEK, MONTH = 2, 3
KEPT = 2

#: Payees of a payer that something was found of; of each bucket the newest is remembered.
PAIRS = 4
_TAG = 31


def facts_of(found: Rows) -> tuple[Rows, Rows]:
    """Return FOUND[n] as FINDING and PAYER_FINDING rows, in their order; what is open says nothing.

    A victim's payment speaks of the account he paid, the payment of a mule of the account it left.
    """
    found = found[found["verdict"] != UNKNOWN]
    of_account, of_payer = np.zeros(len(found), FINDING), np.zeros(len(found), PAYER_FINDING)
    moved_on = (found["verdict"] == LAUNDERING)[:, None]
    of_account["key"] = np.where(moved_on, found["debtor_account"], found["creditor_account"])
    of_account["scam"] = found["verdict"] != LEGITIMATE
    of_payer["key"] = found["debtor"]
    of_payer["counterparty"] = found["creditor_account"][:, 1]
    of_payer["scam"] = found["verdict"] == SCAM
    for facts in (of_account, of_payer):
        facts["at_us"] = found["at_us"]
    return of_account, of_payer[found["verdict"] != LAUNDERING]


def _show(fact: Any, row: Any, view: Any) -> None:
    view.scam_gap_s = seconds(fact.at_us, row.scam_us)
    for kept in range(KEPT):
        fade = 0.0 if row.found_us == NEVER else faded(fact.at_us, row.found_us, HORIZONS_S[WEEK + kept])
        view.found[kept] = row.found[kept] * fade
        view.found_scam[kept] = row.found_scam[kept] * fade


def _add(fact: Any, row: Any) -> None:
    for kept in range(KEPT):
        horizon_s = HORIZONS_S[WEEK + kept]
        fade = faded(fact.at_us, row.found_us, horizon_s)
        weight = 1.0 if row.found_us == NEVER else faded(row.found_us, fact.at_us, horizon_s)
        row.found[kept] = row.found[kept] * fade + weight
        row.found_scam[kept] = row.found_scam[kept] * fade + weight * fact.scam
    row.found_us = max(row.found_us, fact.at_us)
    if fact.scam:
        row.scam_us = max(row.scam_us, fact.at_us)


def _needed(rows: Rows, before_us: int) -> NDArray[np.bool_]:
    """Tell of which accounts something was found after a time."""
    found: NDArray[np.bool_] = rows["found_us"] >= before_us
    return found


#: Sums are kept at `found_us`, the time of the newest finding.
FINDINGS = Fold(
    FINDING,
    (("found_us", "i8"), ("scam_us", "i8"), ("found", "f8", KEPT), ("found_scam", "f8", KEPT)),
    _add,
    (("scam_gap_s", "f4"), ("found", "f4", KEPT), ("found_scam", "f4", KEPT)),
    _show,
    _needed,
)


@inlined
def _tag(counterparty: np.uint64) -> np.uint64:
    """Return what tells a counterparty from the others of its bucket, `_TAG` bits."""
    return np.uint64(counterparty) >> np.uint64(64 - _TAG)


@inlined
def _entry(at_us: int, scam: int, counterparty: np.uint64) -> np.uint64:
    """Return a finding of a pair as one number, of which the newest is the largest."""
    second = np.uint64(max(at_us, 0) // SECOND_US)
    return (second << np.uint64(32)) | (np.uint64(scam) << np.uint64(_TAG)) | _tag(counterparty)


def _show_payer(fact: Any, row: Any, view: Any) -> None:
    view.deceived_gap_s = seconds(fact.at_us, row.deceived_us)
    fade = 0.0 if row.deceived_us == NEVER else faded(fact.at_us, row.deceived_us, HORIZONS_S[MONTH])
    view.deceived = row.deceived * fade
    view.pair_cleared_s = np.nan
    view.pair_scam_s = np.nan
    entry = row.pairs[np.int64(fact.counterparty % np.uint64(PAIRS))]
    known_s = np.float64(entry >> np.uint64(32))
    gap_s = np.float64(fact.at_us // SECOND_US) - known_s
    if entry and gap_s >= 0 and entry & np.uint64(2**_TAG - 1) == _tag(fact.counterparty):
        if entry >> np.uint64(_TAG) & np.uint64(1):
            view.pair_scam_s = gap_s
        else:
            view.pair_cleared_s = gap_s


def _add_payer(fact: Any, row: Any) -> None:
    bucket = np.int64(fact.counterparty % np.uint64(PAIRS))
    row.pairs[bucket] = max(row.pairs[bucket], _entry(fact.at_us, fact.scam, fact.counterparty))
    if fact.scam:
        fade = faded(fact.at_us, row.deceived_us, HORIZONS_S[MONTH])
        weight = 1.0 if row.deceived_us == NEVER else faded(row.deceived_us, fact.at_us, HORIZONS_S[MONTH])
        row.deceived = row.deceived * fade + weight
        row.deceived_us = max(row.deceived_us, fact.at_us)


def _needed_payer(rows: Rows, before_us: int) -> NDArray[np.bool_]:
    """Tell who was found deceived after a time."""
    found: NDArray[np.bool_] = rows["deceived_us"] >= before_us
    return found


PAYER_FINDINGS = Fold(
    PAYER_FINDING,
    (("deceived_us", "i8"), ("deceived", "f8"), ("pairs", "u8", PAIRS)),
    _add_payer,
    (("deceived_gap_s", "f4"), ("deceived", "f4"), ("pair_cleared_s", "f4"), ("pair_scam_s", "f4")),
    _show_payer,
    _needed_payer,
)
