"""Subjects by token with what is said of them and when: a filter, exact rows behind it, and changes since.

The filter is words of 64 bits, of which a key sets four in one: 99 of 100 tokens that are not there are
turned away by one look at it. A slot has one octet that is 0 where nothing is, else seven bits of the key,
and slots are at most three quarters full: 38 octets an entry with the filter. A key may have several rows,
each with its own time; what is in force of all of them is the answer.
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measures.registry.probing import Codes, Columns, Spans, Words, fill, holds, look, places_of

_LOAD = 0.75

#: Bits of the filter for an entry.
_FILTER_BITS = 16

#: Nobody outside knows where a token's slot is, so that none can be made for one.
_SEED = np.frombuffer(secrets.token_bytes(16), np.uint64)


class Row(NamedTuple):
    """What is said from one second until another, Unix time."""

    from_s: int
    until_s: int
    code: int


class Entries(NamedTuple):
    """Rows by column: tokens uint64[n, 2], seconds from and until uint32[n, 2], what is said uint16[n]."""

    keys: Words
    spans: Spans
    codes: Codes


NO_ENTRIES = Entries(np.zeros((0, 2), np.uint64), np.zeros((0, 2), np.uint32), np.zeros(0, np.uint16))


class Table:
    """Entries that are found by key; built whole, read by many."""

    def __init__(self, entries: Entries) -> None:
        """Take rows; a key may come more than once."""
        size = max(int(len(entries.codes) / _LOAD) + 1, 16)
        self.count = len(entries.codes)
        self.marks = np.zeros(size, np.uint8)
        self.keys = np.empty((size, 2), np.uint64)
        self.spans = np.empty((size, 2), np.uint32)
        self.codes = np.empty(size, np.uint16)
        self.words = np.zeros(self.count * _FILTER_BITS // 64 + 1, np.uint64)
        if self.count:
            fill(*entries, self.columns, _SEED)

    @property
    def columns(self) -> Columns:
        """It as compiled code takes it."""
        return self.marks, self.keys, self.spans, self.codes, self.words

    @property
    def octets(self) -> int:
        """Memory it takes."""
        return sum(column.nbytes for column in self.columns)

    @property
    def entries(self) -> Entries:
        """All rows, in no order."""
        used = self.marks > 0
        return Entries(self.keys[used], self.spans[used], self.codes[used])

    def rows(self, key: tuple[int, int]) -> list[Row]:
        """Return the rows of one key."""
        places = np.empty(64, np.int64)
        found = places_of(np.array(key, np.uint64), self.columns, places, _SEED)
        return [
            Row(int(self.spans[place, 0]), int(self.spans[place, 1]), int(self.codes[place]))
            for place in places[:found]
        ]

    def holds(self, keys: Words) -> NDArray[np.bool_]:
        """Tell which keys have a row."""
        found = np.zeros(len(keys), np.bool_)
        holds(keys, self.columns, found, _SEED)
        return found


#: Nothing is there.
NOTHING = Table(NO_ENTRIES)


class Lists(NamedTuple):
    """What is looked up: the whole, and of what changed since all that is said; `version` names both."""

    whole: Table = NOTHING
    since: Table = NOTHING
    version: int = 0

    @property
    def empty(self) -> bool:
        """Nothing is there at all."""
        return not (self.whole.count or self.since.count)

    def codes(self, keys: Words, at_us: NDArray[np.int64]) -> Codes:
        """Return what is in force of tokens at a time each, uint64[n, 2] and microseconds -> uint16[n]."""
        found = np.zeros(len(keys), np.uint16)
        if not self.empty:
            look(keys, at_us, self.whole.columns, self.since.columns, found, _SEED)
        return found


def prepare() -> None:
    """Have the loops compiled before somebody waits for them."""
    lists = Lists(NOTHING, Table(entries_of({(0, 0): []})))
    lists.since.rows((0, 0))
    merged(lists).codes(np.zeros((1, 2), np.uint64), np.zeros(1, np.int64))
    lists.codes(np.zeros((1, 2), np.uint64), np.zeros(1, np.int64))


def entries_of(said: Mapping[tuple[int, int], Iterable[Row]]) -> Entries:
    """Return rows by key as columns; a key of which nothing is said has a row that is never in force."""
    whole = {key: list(rows) or [Row(0, 0, 0)] for key, rows in said.items()}
    counts = [len(rows) for rows in whole.values()]
    rows = np.array([row for each in whole.values() for row in each], np.int64).reshape(-1, 3)
    keys = np.array(list(whole), np.uint64).reshape(-1, 2)
    return Entries(
        np.repeat(keys, counts, axis=0), rows[:, :2].astype(np.uint32), rows[:, 2].astype(np.uint16)
    )


def merged(lists: Lists) -> Lists:
    """Return the same with the changes in the whole."""
    old, new = lists.whole.entries, lists.since.entries
    kept, alive = ~lists.since.holds(old.keys), new.codes > 0
    whole = Table(
        Entries(
            np.concatenate((old.keys[kept], new.keys[alive])),
            np.concatenate((old.spans[kept], new.spans[alive])),
            np.concatenate((old.codes[kept], new.codes[alive])),
        )
    )
    return Lists(whole, NOTHING, lists.version)
