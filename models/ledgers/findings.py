"""What was found out about an account: labels as they become known, as counts that fade.

A finding is a fact of its own, at the time it became known and never before: a payment between the event and
that time is shown nothing of it (tests/hotpath/test_findings.py).
"""

from typing import Any

import numpy as np

from models.ledgers.decay import HORIZONS_S, faded, seconds
from models.ledgers.ledger import Fold
from models.ledgers.table import NEVER

#: One payment to or from the account whose label became known at `at_us`; `scam`: it was one.
FINDING = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("scam", "i8")])

#: Sums of the horizons of `models.ledgers.decay`, kept at `found_us`, the time of the newest finding.
_KEPT = (("found_us", "i8"), ("scam_us", "i8"), ("found", "f8", 4), ("found_scam", "f8", 4))
_SHOWN = (("scam_gap_s", "f8"), ("found", "f8", 4), ("found_scam", "f8", 4))


def _show(fact: Any, row: Any, view: Any) -> None:
    view.scam_gap_s = seconds(fact.at_us, row.scam_us)
    for h in range(4):
        fade = faded(fact.at_us, row.found_us, HORIZONS_S[h])
        view.found[h] = row.found[h] * fade
        view.found_scam[h] = row.found_scam[h] * fade


def _add(fact: Any, row: Any) -> None:
    for h in range(4):
        fade = faded(fact.at_us, row.found_us, HORIZONS_S[h])
        weight = 1.0 if row.found_us == NEVER else faded(row.found_us, fact.at_us, HORIZONS_S[h])
        row.found[h] = row.found[h] * fade + weight
        row.found_scam[h] = row.found_scam[h] * fade + weight * fact.scam
    row.found_us = max(row.found_us, fact.at_us)
    if fact.scam:
        row.scam_us = max(row.scam_us, fact.at_us)


FINDINGS = Fold(FINDING, _KEPT, _add, _SHOWN, _show)
