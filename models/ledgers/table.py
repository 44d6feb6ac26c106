"""Rows that are found by key: the table of one shard of a ledger."""

import secrets
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.rows import Rows
from schemas.rows.compiled import compiled, inlined, near

Words = NDArray[np.uint64]

#: A time that never was; what the columns named `…_us` of a new row hold.
NEVER = np.iinfo(np.int64).min

#: Secret of this process; nothing that is stored or decided depends on it.
_SEED = np.frombuffer(secrets.token_bytes(16), np.uint64)


#: Rows of more bytes than this are given all the room that they may take, so that they do not move again.
RESERVE_BYTES = 8 << 20

#: With each key that is located so many slots of a wider index are cleared, and then so many rows entered:
#: memory that nobody has used yet comes slowly, and in pages of two megabytes.
_CLEARED, _ENTERED = 64, 4

#: The key so many places on is looked for already: its slot is fetched, then what that names.
_SLOT_AHEAD, _KEY_AHEAD = 16, 8


@dataclass
class Table:
    """Rows of one shard, and the index that finds them by key.

    The order of rows follows from what was located and retained.

    Growth stops nobody: room for `most` rows is reserved, which costs memory only where it is written to, and
    a wider index is cleared and filled a little with each call, while rows not yet in it are found by the one
    before.

    Attributes:
        rows: room for rows, the first `used` of them in use.
        used: rows in use.
        slots: by hash of its key the number of a row and one, 0 for none.
        wider: the next index while it is being cleared, the first `cleared` slots of it are; else empty.
        older: the index that finds the rows from `entered` on, while `slots` is being filled; else empty.
        entered: rows that `slots` finds, of those there were when it was begun.
        most: rows that are expected at most; 0 if unknown.
        late: facts that came after much newer ones of their row (`ledger.LATE_US`).
        forgotten: rows that were too many.

    """

    rows: Rows
    used: int
    slots: NDArray[np.int32]
    older: NDArray[np.int32]
    wider: NDArray[np.int32]
    cleared: int = 0
    entered: int = 0
    most: int = 0
    late: int = 0
    forgotten: int = 0

    @classmethod
    def empty(cls, row: np.dtype[np.void]) -> Self:
        """Return a table of `row`s without any."""
        return cls(np.zeros(64, row), 0, np.zeros(256, np.int32), _NO_INDEX, _NO_INDEX)

    @property
    def filled(self) -> Rows:
        """The rows in use."""
        return self.rows[: self.used]

    def locate(self, keys: Words) -> NDArray[np.int64]:
        """Return the row number of each key, uint64[n, 2]; unknown keys get a new row.

        The table may grow: take `rows` afterwards.
        """
        wanted = self.used + len(keys)
        if wanted > len(self.rows):
            self.rows = self._roomier(wanted)
        if 4 * wanted > len(self.slots):
            self._widen(wanted, _CLEARED * len(keys))
        self._enter(_ENTERED * len(keys))
        places = np.empty(len(keys), np.int64)
        known = self.used
        self.used = _locate(keys, self.rows["key"], self.used, self.slots, self.older, places, _SEED)
        for name in self.rows.dtype.names or ():
            if name.endswith("_us"):
                self.rows[name][known : self.used] = NEVER
        return places

    def put(self, rows: Rows) -> None:
        """Take rows as they are, each in place of the one of its key or as a new one."""
        places, whole = self.locate(rows["key"]), f"V{rows.itemsize}"
        self.rows.view(whole)[places] = rows.view(whole)

    def find(self, keys: Words) -> NDArray[np.int64]:
        """Return the row number of each key, uint64[n, 2]; -1 for unknown keys."""
        places = np.empty(len(keys), np.int64)
        _find(keys, self.rows["key"], self.slots, self.older, places, _SEED)
        return places

    def retain(self, keep: NDArray[np.bool_]) -> None:
        """Keep some of the filled rows, bool[used]; the last of them take the places of those that go.

        Where most go, their room is given back.
        """
        kept = int(np.count_nonzero(keep))
        if 2 * kept > self.used:
            octets = self.rows.view(np.uint8).reshape(len(self.rows), -1)
            _close_up(octets, keep)
            octets[kept : self.used] = 0
        else:
            left = self.filled.take(np.flatnonzero(keep))
            self.rows, self.used = self.rows[:0], 0
            self.rows = self._roomier(kept)
            self.rows[:kept] = left
        self.used = kept
        self.slots, self.older = np.zeros(_doubled(256, 4 * kept), np.int32), _NO_INDEX
        self.wider = _NO_INDEX
        _index(self.rows["key"], 0, self.used, self.slots, _SEED)

    def _roomier(self, wanted: int) -> Rows:
        size, octets = _doubled(64, wanted), self.rows.itemsize
        if size * octets > RESERVE_BYTES and self.most:
            try:
                return self._moved(max(size, self.most + self.most // 4))
            except MemoryError:
                pass
        return self._moved(size)

    def _moved(self, size: int) -> Rows:
        rows = np.zeros(size, self.rows.dtype)
        rows[: self.used] = self.filled
        return rows

    def _widen(self, wanted: int, count: int) -> None:
        """Clear `count` slots of a wider index, or all if there is no time left; begin to fill it then."""
        if not len(self.wider):
            self.wider, self.cleared = np.empty(_doubled(len(self.slots), 4 * wanted), np.int32), 0
        end = self.cleared + count if 2 * wanted <= len(self.slots) else len(self.wider)
        self.wider[self.cleared : end] = 0
        self.cleared = end
        if end < len(self.wider):
            return
        self._enter(self.used)
        self.older, self.entered = self.slots, 0
        self.slots, self.wider = self.wider, _NO_INDEX

    def _enter(self, count: int) -> None:
        if not len(self.older):
            return
        end = min(self.entered + count, self.used)
        _index(self.rows["key"], self.entered, end, self.slots, _SEED)
        self.entered = end
        if end == self.used:
            self.older = _NO_INDEX


#: In place of an older index where there is none.
_NO_INDEX = np.zeros(0, np.int32)


def _doubled(size: int, wanted: int) -> int:
    while size < wanted:
        size *= 2
    return size


@inlined
def _home(high: np.uint64, low: np.uint64, slots: NDArray[np.int32], seed: Words) -> np.int64:
    """Return the slot where a key is looked for first.

    Who sends payments chooses tokens, so where a token lies depends on a secret of the process (a keyed
    xorshift-multiply, constants of MurmurHash3's finalizer); the order of rows does not.
    """
    mixed = (high ^ seed[0]) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = ((mixed ^ (mixed >> np.uint64(32))) + (low ^ seed[1])) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed >> np.uint64(33)) & np.uint64(len(slots) - 1))


@inlined
def _slot(high: np.uint64, low: np.uint64, keys: Words, slots: NDArray[np.int32], seed: Words) -> np.int64:
    """Return the slot that names the key's row, or the empty one where it would."""
    mask = len(slots) - 1
    slot = _home(high, low, slots, seed)
    while slots[slot] > 0 and (keys[slots[slot] - 1, 0] != high or keys[slots[slot] - 1, 1] != low):
        slot = (slot + 1) & mask
    return slot


@inlined
def _place(  # noqa: PLR0917 - the tables of one call
    high: np.uint64,
    low: np.uint64,
    keys: Words,
    slots: NDArray[np.int32],
    older: NDArray[np.int32],
    seed: Words,
) -> np.int64:
    """Return the row of a key, -1 if neither index names one."""
    row = np.int64(slots[_slot(high, low, keys, slots, seed)])
    if row == 0 and len(older):
        row = np.int64(older[_slot(high, low, keys, older, seed)])
    return row - 1


@compiled
def _index(keys: Words, begin: int, end: int, slots: NDArray[np.int32], seed: Words) -> None:
    for row in range(begin, end):
        slots[_slot(keys[row, 0], keys[row, 1], keys, slots, seed)] = row + 1


@compiled
def _close_up(octets: NDArray[np.uint8], keep: NDArray[np.bool_]) -> None:
    """Move the last rows that are kept, uint8[n, size], to the places of those that are not."""
    end = len(keep)
    for row in range(len(keep)):
        if not keep[row]:
            end -= 1
            while end > row and not keep[end]:
                end -= 1
            if end <= row:
                return
            octets[row] = octets[end]


@compiled
def _find(  # noqa: PLR0917 - the tables of one call
    wanted: Words,
    keys: Words,
    slots: NDArray[np.int32],
    older: NDArray[np.int32],
    places: NDArray[np.int64],
    seed: Words,
) -> None:
    for each in range(len(wanted)):
        _look_ahead(wanted, each, keys, slots, seed)
        places[each] = _place(wanted[each, 0], wanted[each, 1], keys, slots, older, seed)


@inlined
def _look_ahead(wanted: Words, at: int, keys: Words, slots: NDArray[np.int32], seed: Words) -> None:
    """Fetch what finding the keys some places on will ask for; slots and rows lie anywhere in memory."""
    if at + _SLOT_AHEAD < len(wanted):
        coming = wanted[at + _SLOT_AHEAD]
        near(slots.ctypes.data + slots.itemsize * _home(coming[0], coming[1], slots, seed))
    if at + _KEY_AHEAD < len(wanted):
        coming = wanted[at + _KEY_AHEAD]
        row = int(slots[_home(coming[0], coming[1], slots, seed)])
        near(keys.ctypes.data + keys.strides[0] * (row - 1 if row else 0))


@compiled
def _locate(  # noqa: PLR0917 - the tables of one call
    wanted: Words,
    keys: Words,
    used: int,
    slots: NDArray[np.int32],
    older: NDArray[np.int32],
    places: NDArray[np.int64],
    seed: Words,
) -> int:
    for each in range(len(wanted)):
        _look_ahead(wanted, each, keys, slots, seed)
        high, low = wanted[each, 0], wanted[each, 1]
        place = int(_place(high, low, keys, slots, older, seed))
        if place < 0:
            place = used
            keys[place, 0], keys[place, 1] = high, low
            slots[_slot(high, low, keys, slots, seed)] = place + 1
            used += 1
        places[each] = place
    return used
