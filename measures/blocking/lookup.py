"""Whether a value is listed: 128-bit digests in one open-addressed array, 28.4 octets an entry.

Slots are at most 60 % full, so a look-up touches one or two places of memory.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measures.blocking.forms import expressions, form, hosts
from schemas.block import ACTIONS, BlockEntry, BlockKind
from schemas.rows.compiled import compiled, inlined

Words = NDArray[np.uint64]
Codes = NDArray[np.uint8]

_LOAD = 0.6


def digest_of(kind: BlockKind, value: str) -> bytes:
    """Return the 16 octets a value in its one form is found by."""
    return hashlib.blake2b(f"{kind}\x1f{value}".encode(), digest_size=16).digest()


class BlockList:
    """What is listed and what follows; built whole, read by many."""

    def __init__(self, digests: Words, actions: Codes) -> None:
        """Take digests, uint64[n, 2], and the place of each action in `ACTIONS`; the later of two holds."""
        size = max(int(len(digests) / _LOAD) + 1, 16)
        self._words = np.zeros((size, 2), np.uint64)
        self._codes = np.zeros(size, np.uint8)
        _fill(digests, actions, self._words, self._codes)

    @classmethod
    def of(cls, entries: Iterable[BlockEntry]) -> "BlockList":
        """Return the list of entries in their one form."""
        listed = list(entries)
        octets = b"".join(digest_of(each.kind, each.value) for each in listed)
        codes = np.array([ACTIONS.index(each.action) for each in listed], np.uint8)
        return cls(np.frombuffer(octets, np.uint64).reshape(-1, 2), codes)

    @property
    def octets(self) -> int:
        """Memory it takes."""
        return self._words.nbytes + self._codes.nbytes

    def actions(self, digests: Words) -> NDArray[np.int8]:
        """Return where in `ACTIONS` each digest's action is, -1 if not listed; uint64[n, 2] -> int8[n]."""
        found = np.empty(len(digests), np.int8)
        _find(digests, self._words, self._codes, found)
        return found

    def strongest(self, kind: BlockKind, value: str) -> str:
        """Return the strongest action on a value, "" if there is none; a URL takes up to 35 look-ups.

        Raises:
            ValueError: it is nothing of that kind.

        """
        codes = self.actions(_words([digest_of(*each) for each in _places(kind, value)]))
        worst = int(codes.max(initial=-1))
        return ACTIONS[worst] if worst >= 0 else ""


def _places(kind: BlockKind, value: str) -> list[tuple[BlockKind, str]]:
    one = form(kind, value)
    if kind == "URL":
        domains = hosts(one.partition("/")[0].partition(":")[0])
        return [("URL", each) for each in expressions(value)] + [("DOMAIN", each) for each in domains]
    return [("DOMAIN", each) for each in hosts(one)] if kind == "DOMAIN" else [(kind, one)]


def _words(digests: Sequence[bytes]) -> Words:
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


@inlined
def _slot(word: Any, size: int) -> Any:
    return np.int64(((word & np.uint64(0xFFFFFFFF)) * np.uint64(size)) >> np.uint64(32))


@compiled
def _fill(digests: Words, actions: Codes, words: Words, codes: Codes) -> None:
    size = len(words)
    for each in range(len(digests)):
        slot = _slot(digests[each, 0], size)
        while codes[slot] and (words[slot, 0] != digests[each, 0] or words[slot, 1] != digests[each, 1]):
            slot = slot + 1 if slot + 1 < size else 0
        words[slot, 0], words[slot, 1] = digests[each, 0], digests[each, 1]
        codes[slot] = actions[each] + 1


@compiled
def _find(digests: Words, words: Words, codes: Codes, found: NDArray[np.int8]) -> None:
    size = len(words)
    for each in range(len(digests)):
        slot = _slot(digests[each, 0], size)
        found[each] = -1
        while codes[slot]:
            if words[slot, 0] == digests[each, 0] and words[slot, 1] == digests[each, 1]:
                found[each] = np.int8(codes[slot]) - 1
                break
            slot = slot + 1 if slot + 1 < size else 0
