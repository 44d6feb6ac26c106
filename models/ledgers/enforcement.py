"""What the measures of an account forbid, and from when: a fold over the statements of its journal.

Statements are ordered by their time, those of one instant by version. Both grow together in a journal, and
only the time is compared with the clock when it is read: a version out of nowhere hides no later statement.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ledgers.ledger import Fold
from models.ledgers.table import NEVER
from schemas.rows import Rows

#: What the measures of an account forbid as of a journal version: from `at_us` until `until_us` at least
#: `limit_minor` must stay on it; `NOTHING_LEAVES` forbids every debit, 0 none.
ENFORCEMENT = np.dtype(
    [("key", "u8", 2), ("at_us", "i8"), ("until_us", "i8"), ("version", "i8"), ("limit_minor", "i8")]
)
NOTHING_LEAVES = np.iinfo(np.int64).max

#: Statements that are kept, the newest first: a debit that arrives after a measure ended or changed is still
#: judged by what was in force at its own time.
KEPT = 2


def _add(fact: Any, row: Any) -> None:
    place = -1
    for slot in range(KEPT):
        later = fact.at_us > row.enforced_from_us[slot]
        same = fact.at_us == row.enforced_from_us[slot]
        if place < 0 and (later or (same and fact.version >= row.enforced_version[slot])):
            place = slot
    if place < 0:
        return
    again = fact.at_us == row.enforced_from_us[place] and fact.version == row.enforced_version[place]
    if row.enforced_from_us[place] != NEVER and not again:
        for slot in range(KEPT - 1, place, -1):
            row.enforced_version[slot] = row.enforced_version[slot - 1]
            row.enforced_minor[slot] = row.enforced_minor[slot - 1]
            row.enforced_from_us[slot] = row.enforced_from_us[slot - 1]
            row.enforced_until_us[slot] = row.enforced_until_us[slot - 1]
    row.enforced_version[place] = fact.version
    row.enforced_minor[place] = fact.limit_minor
    row.enforced_from_us[place] = fact.at_us
    row.enforced_until_us[place] = fact.until_us


def _show(fact: Any, row: Any, view: Any) -> None:
    view.enforced_minor = 0
    for slot in range(KEPT):
        if row.enforced_from_us[slot] != NEVER and row.enforced_from_us[slot] <= fact.at_us:
            if fact.at_us < row.enforced_until_us[slot]:
                view.enforced_minor = row.enforced_minor[slot]
            break


def _needed(rows: Rows, before_us: int) -> NDArray[np.bool_]:
    """Tell where something is forbidden, or was after a time."""
    minor, until_us = rows["enforced_minor"], rows["enforced_until_us"]
    found = np.zeros(len(rows), np.bool_)
    for each in range(KEPT):
        found |= (minor[:, each] > 0) & (until_us[:, each] > before_us)
    return found


STATEMENTS = Fold(
    ENFORCEMENT,
    (
        ("enforced_version", "i8", KEPT),
        ("enforced_minor", "i8", KEPT),
        ("enforced_from_us", "i8", KEPT),
        ("enforced_until_us", "i8", KEPT),
    ),
    _add,
    (("enforced_minor", "i8"),),
    _show,
    _needed,
)
