"""The loops that fill a table of tokens and look them up, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.rows.compiled import compiled, inlined, near

Words = NDArray[np.uint64]
Spans = NDArray[np.uint32]
Codes = NDArray[np.uint16]

#: A table as compiled code takes it: marks, keys, times, what is said, and the filter's words.
Columns = tuple[NDArray[np.uint8], Words, Spans, Codes, Words]

#: So many look-ups wait for their word of the filter at once.
AHEAD = 64

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@inlined
def _hash(first: Any, second: Any, seed: Words) -> Any:
    mixed = (first ^ seed[0]) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(32)) ^ second ^ seed[1]) * _MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


@inlined
def _slot(mixed: Any, size: int) -> Any:
    return np.int64(((mixed >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@inlined
def _mark(mixed: np.uint64) -> np.uint8:
    return np.uint8(np.uint64(1) + (mixed & np.uint64(127)))


@inlined
def _bits(mixed: Any) -> Any:
    """Return the four bits of a key in its word of the filter (Putze et al., JEA 14, 2009)."""
    one, six = np.uint64(1), np.uint64(63)
    bits = one << (mixed & six)
    bits |= one << ((mixed >> np.uint64(6)) & six)
    bits |= one << ((mixed >> np.uint64(12)) & six)
    return bits | one << ((mixed >> np.uint64(18)) & six)


@compiled
def fill(keys: Words, spans: Spans, codes: Codes, into: Columns, seed: Words) -> None:
    """Put rows into an empty table that has more slots than there are rows."""
    marks, slots, times, said, words = into
    size = len(marks)
    for each in range(len(keys)):
        mixed = _hash(keys[each, 0], keys[each, 1], seed)
        slot = _slot(mixed, size)
        while marks[slot]:
            slot = slot + 1 if slot + 1 < size else 0
        marks[slot] = _mark(mixed)
        slots[slot, 0], slots[slot, 1] = keys[each, 0], keys[each, 1]
        times[slot, 0], times[slot, 1] = spans[each, 0], spans[each, 1]
        said[slot] = codes[each]
        words[_slot(mixed, len(words))] |= _bits(mixed)


@inlined
def _next(mixed: Any, first: Any, second: Any, slot: Any, table: Columns) -> Any:
    """Return where the key has its next row from a slot on, -1 if nowhere."""
    marks, slots = table[0], table[1]
    mark = _mark(mixed)
    while marks[slot]:
        if marks[slot] == mark and slots[slot, 0] == first and slots[slot, 1] == second:
            return slot
        slot = slot + 1 if slot + 1 < len(marks) else 0
    return -1


@inlined
def _in_force(mixed: Any, first: Any, second: Any, at_s: Any, table: Columns) -> Any:
    """Return what is in force of a key; -1 if it has no row at all."""
    marks, times, said = table[0], table[2], table[3]
    code: Any = -1
    slot = _next(mixed, first, second, _slot(mixed, len(marks)), table)
    while slot >= 0:
        code = max(code, 0)
        if times[slot, 0] <= at_s < times[slot, 1]:
            code |= np.int64(said[slot])
        slot = _next(mixed, first, second, slot + 1 if slot + 1 < len(marks) else 0, table)
    return code


@compiled
def places_of(key: Words, table: Columns, places: NDArray[np.int64], seed: Words) -> Any:
    """Return how many rows a key has, at most as many as there are `places`, and where they are."""
    mixed, size = _hash(key[0], key[1], seed), len(table[0])
    found = 0
    slot = _next(mixed, key[0], key[1], _slot(mixed, size), table)
    while slot >= 0 and found < len(places):
        places[found] = slot
        found += 1
        slot = _next(mixed, key[0], key[1], slot + 1 if slot + 1 < size else 0, table)
    return found


@compiled
def holds(keys: Words, table: Columns, found: NDArray[np.bool_], seed: Words) -> None:
    """Tell which keys have a row."""
    for each in range(len(keys)):
        mixed = _hash(keys[each, 0], keys[each, 1], seed)
        slot = _slot(mixed, len(table[0]))
        found[each] = _next(mixed, keys[each, 0], keys[each, 1], slot, table) >= 0


@compiled
def look(  # noqa: PLR0917 (compiled code takes arrays one by one)
    keys: Words, at_us: NDArray[np.int64], whole: Columns, since: Columns, found: Codes, seed: Words
) -> None:
    """Put what is in force of each key at its time into `found`, which is 0; what is in `since` stands alone.

    Memory is slow and knows no hurry: so many keys ahead, the words they need are asked for. Hardly one of a
    hundred keys that are in neither table goes beyond their words.
    """
    ahead, words, newer = np.empty(AHEAD, np.uint64), whole[4], since[4]
    passed = np.empty(AHEAD, np.int64)
    for start in range(0, len(keys), AHEAD):
        count = min(AHEAD, len(keys) - start)
        for each in range(count):
            mixed = _hash(keys[start + each, 0], keys[start + each, 1], seed)
            ahead[each] = mixed
            near(words.ctypes.data + words.itemsize * _slot(mixed, len(words)))
        kept = 0
        for each in range(count):
            mixed = ahead[each]
            bits = _bits(mixed)
            passed[kept] = each
            there = words[_slot(mixed, len(words))] & bits == bits
            kept += there or newer[_slot(mixed, len(newer))] & bits == bits
        for place in range(kept):
            mixed, at = ahead[passed[place]], start + passed[place]
            first, second, at_s = keys[at, 0], keys[at, 1], at_us[at] // 1_000_000
            code = _in_force(mixed, first, second, at_s, since)
            if code < 0:
                code = _in_force(mixed, first, second, at_s, whole)
            found[at] = np.uint16(max(code, 0))
