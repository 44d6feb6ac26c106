"""Which payments a bundle learned from, as its manifest keeps it: figures on those are better than life's."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 128


class Learned(NamedTuple):
    """What was learned from: payments before `until_us`; digests of some, by which a set is recognised."""

    until_us: int
    sample: frozenset[str]

    @classmethod
    def of(cls, txn_id: Iterable[bytes], until_us: int) -> "Learned":
        """Note the payments that were learned from; the sample is always of the same ones."""
        return cls(until_us, frozenset(sorted(map(_digest, txn_id))[:_SAMPLE]))

    def unseen(self, txn_id: NDArray[np.bytes_], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which payments were not learned from, bool[n]: all of a set without any of the sample."""
        if self.sample.isdisjoint(map(_digest, txn_id.tolist())):
            return np.ones(len(at_us), np.bool_)
        return at_us >= self.until_us

    def written(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return {"until_us": self.until_us, "sample": sorted(self.sample)}


def read(table: Mapping[str, Any]) -> Learned:
    """Read what a manifest holds.

    Raises:
        KeyError, TypeError, ValueError: it is not what `Learned.written` wrote.

    """
    return Learned(int(table["until_us"]), frozenset(map(str, table["sample"])))


def _digest(txn_id: bytes) -> str:
    return blake2b(txn_id, digest_size=8).hexdigest()
