"""What the registry says of a payment's two accounts, of its payer, and of the number of a call."""

import numpy as np

from measures.registry.codes import TIER_BITS
from measures.registry.table import Lists
from models.ledgers.clues import CLUE_FACT, GRADED
from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER

#: From this tier on a number that calls counts as a scammer's, as an operator's own grade does.
GRADED_TIER = 2


def marked(rows: Rows, lists: Lists) -> Rows:
    """Return rows of payments or clues with what is in force of them; others as they are."""
    if lists.empty:
        return rows
    if rows.dtype == TRANSFER:
        at_us = np.ascontiguousarray(rows["received_us"])
        rows["payee_listed"] = lists.codes(np.ascontiguousarray(rows["creditor_account"]), at_us)
        rows["payer_listed"] = lists.codes(np.ascontiguousarray(rows["debtor_account"]), at_us)
        rows["payer_listed"] |= lists.codes(np.ascontiguousarray(rows["debtor"]), at_us)
        rows["lists"] = lists.version
    elif rows.dtype == CLUE_FACT and len(rows):
        numbers = np.zeros((len(rows), 2), np.uint64)
        numbers[:, 1] = rows["counterparty"]
        known = lists.codes(numbers, np.ascontiguousarray(rows["at_us"])) & TIER_BITS[GRADED_TIER]
        rows = rows.copy()
        rows["flags"] |= np.where(known == TIER_BITS[GRADED_TIER], GRADED, 0).astype(np.uint8)
    return rows
