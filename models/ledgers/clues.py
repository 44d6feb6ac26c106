"""What telecom clues say of a paying party: a fold beside its payments.

Every column is a newest time or a largest duration of a window, so rows end the same in whatever order clues
arrive. What lies after a payment's own time is not shown with it. Times count in seconds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ledgers.ledger import Fold
from schemas.rows import Rows
from schemas.rows.compiled import compiled, inlined
from schemas.units import SECOND_US

#: Places of `CLUE_FACT.kind`, in the order of `schemas.clue.KINDS`.
CALL, SMS, URL, APP, SCREEN_SHARE, REMOTE_CONTROL, SIM_SWAP, DEVICE_SWAP, FORWARDING, ROAMING = range(10)
KINDS = 10

#: Bits of `CLUE_FACT.flags`.
ACTIVE, STRANGE, GRADED, UNPROVED = 1, 2, 4, 8

#: Buckets that unknown callers are hashed into, and slots of a quarter of an hour for the longest call.
CALLERS, SLOTS = 9, 5
SLOT_S = 15 * 60
DAY_S = 86_400

#: Times are kept in seconds since then, four octets each: 2000-01-01.
EPOCH_US = 946_684_800_000_000

#: One clue. `strange`: the other number is unknown to the party or of another country; `graded`: it is known
#: as a scammer's; `unproved`: the network it came by does not vouch for its number (attestation C).
CLUE_FACT = np.dtype(
    [
        ("key", "u8", 2),
        ("at_us", "i8"),
        ("counterparty", "u8"),
        ("duration_s", "f8"),
        ("kind", "u1"),
        ("flags", "u1"),
    ],
    align=True,
)


@inlined
def _second(at_us: int) -> np.uint32:
    """Return a time as rows keep it: whole seconds since `EPOCH_US`, 0 if it never was."""
    return np.uint32(min(max(at_us - EPOCH_US, 0) // SECOND_US, 4_294_967_295))


@inlined
def _before(kept: np.uint32, now: np.uint32) -> bool:
    return bool(kept > 0 and kept <= now)


def _add(fact: Any, row: Any) -> None:
    now = _second(fact.at_us)
    strange = fact.flags & STRANGE > 0
    if fact.flags & GRADED:
        row.clue_graded = max(row.clue_graded, now)
    if fact.kind == CALL and fact.flags & UNPROVED:
        row.clue_unproved = max(row.clue_unproved, now)
    if fact.kind == CALL and not strange:
        return
    if fact.flags & ACTIVE:
        row.clue_on[fact.kind] = max(row.clue_on[fact.kind], now)
    else:
        row.clue_off[fact.kind] = max(row.clue_off[fact.kind], now)
    if fact.kind != CALL:
        return
    bucket = np.int64(fact.counterparty % np.uint64(CALLERS))
    row.clue_callers[bucket] = max(row.clue_callers[bucket], now)
    turn = now // np.uint32(SLOT_S)
    slot = np.int64(turn % np.uint32(SLOTS))
    duration_s = np.float32(fact.duration_s)
    if turn > row.clue_turn[slot]:
        row.clue_turn[slot] = turn
        row.clue_longest_s[slot] = duration_s
    elif turn == row.clue_turn[slot]:
        row.clue_longest_s[slot] = max(row.clue_longest_s[slot], duration_s)


def _show(fact: Any, row: Any, view: Any) -> None:
    now = _second(fact.at_us)
    goes_on = 0
    for kind in range(KINDS):
        on, off = row.clue_on[kind], row.clue_off[kind]
        began = _before(on, now)
        view.clue_since_s[kind] = np.float64(now) - np.float64(on) if began else np.nan
        if began and off < on:
            goes_on |= 1 << kind
    view.clue_goes_on = goes_on
    graded = _before(row.clue_graded, now)
    view.clue_graded_s = np.float64(now) - np.float64(row.clue_graded) if graded else np.nan
    unproved = _before(row.clue_unproved, now)
    view.clue_unproved_s = np.float64(now) - np.float64(row.clue_unproved) if unproved else np.nan
    callers = 0
    for bucket in range(CALLERS):
        heard = row.clue_callers[bucket]
        callers += _before(heard, now) and now - heard < np.uint32(DAY_S)
    view.clue_callers_1d = -CALLERS * np.log1p(-min(callers, CALLERS - 0.5) / CALLERS)
    turn, longest = now // np.uint32(SLOT_S), np.nan
    for slot in range(SLOTS):
        held = row.clue_turn[slot]
        if held > 0 and held <= turn and turn - held < np.uint32(SLOTS):
            found = np.float64(row.clue_longest_s[slot])
            longest = found if np.isnan(longest) else max(longest, found)
    view.clue_longest_s = longest


def _needed(rows: Rows, before_us: int) -> NDArray[np.bool_]:
    """Tell of whom something was heard after a time, though he may not have paid yet."""
    newest_s = _newest(rows["clue_on"], rows["clue_off"])
    found: NDArray[np.bool_] = (newest_s > 0) & (EPOCH_US + newest_s * SECOND_US >= before_us)
    return found


@compiled
def _newest(on: NDArray[np.uint32], off: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the newest time of each row of two tables; numpy takes twenty times as long over ten columns."""
    newest = np.zeros(len(on), np.int64)
    for row in range(len(on)):
        for kind in range(KINDS):
            newest[row] = max(newest[row], np.int64(on[row, kind]), np.int64(off[row, kind]))
    return newest


CLUES = Fold(
    CLUE_FACT,
    (
        ("clue_on", "u4", KINDS),
        ("clue_off", "u4", KINDS),
        ("clue_graded", "u4"),
        ("clue_callers", "u4", CALLERS),
        ("clue_turn", "u4", SLOTS),
        ("clue_longest_s", "f4", SLOTS),
        ("clue_unproved", "u4"),
    ),
    _add,
    (
        ("clue_since_s", "f4", KINDS),
        ("clue_goes_on", "u4"),
        ("clue_graded_s", "f4"),
        ("clue_callers_1d", "f4"),
        ("clue_longest_s", "f4"),
        ("clue_unproved_s", "f4"),
    ),
    _show,
    _needed,
)
