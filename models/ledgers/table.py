"""Rows that are found by key: the table of one shard of a ledger."""

import secrets
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.rows import Rows
from schemas.rows.compiled import compiled, inlined

Words = NDArray[np.uint64]

#: A time that never was; what the columns named `…_us` of a new row hold.
NEVER = np.iinfo(np.int64).min

#: Secret of this process; nothing that is stored or decided depends on it.
_SEED = np.frombuffer(secrets.token_bytes(16), np.uint64)


@dataclass
class Table:
    """Rows of one shard and the index that finds them by key; grows by doubling.

    `late` counts the facts that came after much newer ones of their row (`ledger.LATE_US`), `forgotten` the
    rows that were too many.
    """

    rows: Rows
    used: int
    slots: NDArray[np.int32]
    late: int = 0
    forgotten: int = 0

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
        self.used = _locate(keys, self.rows["key"], self.used, self.slots, places, _SEED)
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
        _find(keys, self.rows["key"], self.slots, places, _SEED)
        return places

    def retain(self, keep: NDArray[np.bool_]) -> None:
        """Keep some of the filled rows, bool[used], in their order, and give back the room of the others."""
        kept, size = int(np.count_nonzero(keep)), 64
        while size < kept:
            size *= 2
        if size == len(self.rows):
            octets = self.rows.view(np.uint8).reshape(size, -1)
            _close_up(octets, keep)
            octets[kept : self.used] = 0
        else:
            rows = np.zeros(size, self.rows.dtype)
            rows[:kept] = self.filled.take(np.flatnonzero(keep))
            self.rows = rows
        self.used = kept
        self.slots = np.full(4 * size, -1, np.int32)
        _index(self.rows["key"], self.used, self.slots, _SEED)

    def _grow(self) -> None:
        rows = np.zeros(2 * len(self.rows), self.rows.dtype)
        rows[: self.used] = self.filled
        self.rows, self.slots = rows, np.full(4 * len(rows), -1, np.int32)
        _index(self.rows["key"], self.used, self.slots, _SEED)


@inlined
def _slot(high: np.uint64, low: np.uint64, keys: Words, slots: NDArray[np.int32], seed: Words) -> np.int64:
    """Return the slot that names the key's row, or the empty one where it would.

    Who sends payments chooses tokens, so where a token lies depends on a secret of the process (a keyed
    xorshift-multiply, constants of MurmurHash3's finalizer); the order of rows does not.
    """
    mask = len(slots) - 1
    mixed = (high ^ seed[0]) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = ((mixed ^ (mixed >> np.uint64(32))) + (low ^ seed[1])) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64((mixed >> np.uint64(33)) & np.uint64(mask))
    while slots[slot] >= 0 and (keys[slots[slot], 0] != high or keys[slots[slot], 1] != low):
        slot = (slot + 1) & mask
    return slot


@compiled
def _index(keys: Words, used: int, slots: NDArray[np.int32], seed: Words) -> None:
    for row in range(used):
        slots[_slot(keys[row, 0], keys[row, 1], keys, slots, seed)] = row


@compiled
def _close_up(octets: NDArray[np.uint8], keep: NDArray[np.bool_]) -> None:
    """Move the rows that are kept, uint8[n, size], to the places of those before them that are not."""
    to = 0
    for row in range(len(keep)):
        if keep[row]:
            if to < row:
                octets[to] = octets[row]
            to += 1


@compiled
def _find(
    wanted: Words, keys: Words, slots: NDArray[np.int32], places: NDArray[np.int64], seed: Words
) -> None:
    for each in range(len(wanted)):
        places[each] = slots[_slot(wanted[each, 0], wanted[each, 1], keys, slots, seed)]


@compiled
def _locate(  # noqa: PLR0917 - the tables of one call
    wanted: Words, keys: Words, used: int, slots: NDArray[np.int32], places: NDArray[np.int64], seed: Words
) -> int:
    for each in range(len(wanted)):
        high, low = wanted[each, 0], wanted[each, 1]
        slot = _slot(high, low, keys, slots, seed)
        if slots[slot] < 0:
            keys[used, 0], keys[used, 1] = high, low
            slots[slot] = used
            used += 1
        places[each] = slots[slot]
    return used
