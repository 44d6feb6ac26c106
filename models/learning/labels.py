"""Labels by the date they became known: what training may use at a cut-off, and nothing else."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from schemas.feedback import KINDS, VERDICTS, Feedback
from schemas.rows import Rows

Codes = NDArray[np.int8]

#: One finding that may train, in the order of `table`.
LABEL = np.dtype([("txn_id", "S36"), ("kind", "u1"), ("known_us", "i8"), ("verdict", "i1")])

#: No verdict; else its place in `schemas.feedback.VERDICTS`.
NONE = -1
UNKNOWN, LEGITIMATE, SCAM, LAUNDERING = range(len(VERDICTS))
#: What a guided victim says: that all is well.
_SAID = [KINDS.index("ANSWER"), KINDS.index("DIALOGUE")]

#: The verdict that each leg's model looks for; the other leg's is neither good nor bad to it.
SOUGHT = {"credit": SCAM, "debit": LAUNDERING}


def table(feedback: Iterable[Feedback]) -> Rows:
    """Return findings as LABEL[n], the strongest and newest of each payment last.

    A label outweighs an analyst's action. Answers are left out: a guided victim says that all is well.
    """
    rows = [
        (each.txn_id.encode(), KINDS.index(each.kind), each.known_at_us, VERDICTS.index(each.verdict))
        for each in feedback
    ]
    found = np.array(rows, LABEL)
    return np.sort(found[~np.isin(found["kind"], _SAID)])


def verdicts(found: Rows, txn_id: NDArray[np.bytes_], by_us: float) -> Codes:
    """Return what was known of each payment by a time, int8[n], `NONE` where nothing was."""
    known = found[found["known_us"] <= by_us]
    out = np.full(len(txn_id), NONE, np.int8)
    if len(known):
        last = known[np.append(known["txn_id"][1:] != known["txn_id"][:-1], True)]
        place = np.minimum(np.searchsorted(last["txn_id"], txn_id), len(last) - 1)
        out = np.where(last["txn_id"][place] == txn_id, last["verdict"][place], out)
    return out


def targets(verdict: Codes, leg: str, old_enough: NDArray[np.bool_]) -> Codes:
    """Return 1 for what a leg's model looks for, 0 for good, -1 for rows that teach it nothing, int8[n].

    Good is what was found legitimate, or what nobody complained of for long enough.
    """
    good = (verdict == LEGITIMATE) | ((verdict == NONE) & old_enough)
    return np.where(verdict == SOUGHT[leg], 1, np.where(good, 0, -1)).astype(np.int8)


def cleared_us(found: Rows, txn_id: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return when each payment was first found legitimate, microseconds UTC, int64[n]; -1 if it was not."""
    legitimate = found[found["verdict"] == LEGITIMATE]
    legitimate = legitimate[np.lexsort((legitimate["known_us"], legitimate["txn_id"]))]
    out = np.full(len(txn_id), -1, np.int64)
    if len(legitimate):
        place = np.minimum(np.searchsorted(legitimate["txn_id"], txn_id), len(legitimate) - 1)
        out = np.where(legitimate["txn_id"][place] == txn_id, legitimate["known_us"][place], out)
    return out
