"""Rows that are found by key: the table of one shard of a ledger."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.rows.compiled import compiled, inlined

Rows = NDArray[np.void]
Words = NDArray[np.uint64]

#: A time that never was; what the columns named `…_us` of a new row hold.
NEVER = np.iinfo(np.int64).min


@dataclass
class Table:
    """Rows of one shard and the index that finds them by key; grows by doubling.

    `late` counts the facts that came after much newer ones of their row (`ledger.LATE_US`).
    """

    rows: Rows
    used: int
    slots: NDArray[np.int32]
    late: int = 0

    @classmethod
    def empty(cls, row: np.dtype[np.void]) -> Self:
        """Return a table of `row`s without any."""
        return cls(np.zeros(64, row), 0, np.full(256, -1, np.int32))

    @property
    def filled(self) -> Rows:
        """The rows in use, in order of first appearance."""
        return self.rows[: self.used]

    def locate(self, keys: Words) -> NDArray[np.int64]:
        """Return the row number of each key, uint64[n, 2]; unknown keys get a new row.

        The table may grow: take `rows` afterwards.
        """
        while self.used + len(keys) > len(self.rows):
            self._grow()
        places = np.empty(len(keys), np.int64)
        known = self.used
        self.used = _locate(keys, self.rows["key"], self.used, self.slots, places)
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
        _find(keys, self.rows["key"], self.slots, places)
        return places

    def _grow(self) -> None:
        rows = np.zeros(2 * len(self.rows), self.rows.dtype)
        rows[: self.used] = self.filled
        self.rows, self.slots = rows, np.full(4 * len(rows), -1, np.int32)
        _index(self.rows["key"], self.used, self.slots)


@inlined
def _slot(high: np.uint64, low: np.uint64, keys: Words, slots: NDArray[np.int32]) -> np.int64:
    """Return the slot that names the key's row, or the empty one where it would.

    Tokens are keyed hashes already; one multiplication spreads tokens that are not.
    """
    mask = len(slots) - 1
    slot = np.int64(((high ^ (low * np.uint64(0x9E3779B97F4A7C15))) >> np.uint64(20)) & np.uint64(mask))
    while slots[slot] >= 0 and (keys[slots[slot], 0] != high or keys[slots[slot], 1] != low):
        slot = (slot + 1) & mask
    return slot


@compiled
def _index(keys: Words, used: int, slots: NDArray[np.int32]) -> None:
    for row in range(used):
        slots[_slot(keys[row, 0], keys[row, 1], keys, slots)] = row


@compiled
def _find(wanted: Words, keys: Words, slots: NDArray[np.int32], places: NDArray[np.int64]) -> None:
    for each in range(len(wanted)):
        places[each] = slots[_slot(wanted[each, 0], wanted[each, 1], keys, slots)]


@compiled
def _locate(
    wanted: Words, keys: Words, used: int, slots: NDArray[np.int32], places: NDArray[np.int64]
) -> int:
    for each in range(len(wanted)):
        high, low = wanted[each, 0], wanted[each, 1]
        slot = _slot(high, low, keys, slots)
        if slots[slot] < 0:
            keys[used, 0], keys[used, 1] = high, low
            slots[slot] = used
            used += 1
        places[each] = slots[slot]
    return used
