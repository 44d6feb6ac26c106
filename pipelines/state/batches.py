"""A bundle's blocks, kept and looked at a batch of all shards at a time.

What is done to a batch costs milliseconds however few its rows, and a bundle under light load brings few for
every shard. Until the end a state of Beam is held, which stays good for its key as long as the bundle.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from apache_beam.utils.timestamp import Timestamp
from numpy.typing import NDArray

from pipelines.state import shard_state
from pipelines.state.shard_state import Head, Kind, Logs
from pipelines.state.shards import Block, Rows, Shards, concatenated, mark_of

#: Legs are put together up to about so much: with more a row takes no less time, and what can go on side by
#: side, the ledger of a batch and the decisions of the one before, waits longer for its turn.
BATCH_BYTES = 5_300_000


class Held(NamedTuple):
    """A block of rows of a shard, and the Kafka time it was received at."""

    shard: int
    packed: bytes
    received_us: int


class Kept:
    """What a bundle brought: blocks, and of each shard the head and the log of its ledger (`shard_state`)."""

    def __init__(self) -> None:
        self.heads: dict[int, Head] = {}
        self.logs: dict[int, Logs] = {}
        self._blocks: list[Held] = []
        self._bytes = 0

    def add(self, block: Block, received: Timestamp, head: Any, logs: Logs) -> None:
        """Keep a block and its shard's states; the head is read now, while the bundle waits for more."""
        shard, packed = block
        if shard not in self.heads:
            self.heads[shard], self.logs[shard] = Head(head), logs
        self._blocks.append(Held(shard, packed, received.micros))
        self._bytes += len(packed)

    def full(self) -> bool:
        """Tell whether what is kept makes a batch before the bundle ends."""
        return self._bytes >= BATCH_BYTES

    def save(self) -> None:
        """Write the heads, at the end of the bundle."""
        for head in self.heads.values():
            head.save()

    def batches(self) -> Iterator[list[Held]]:
        """Yield and forget blocks, batches of one type of rows in order of arrival, each shard by shard."""
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        for _, alike in groupby(blocks, key=lambda held: mark_of(held.packed)):
            yield sorted(alike, key=_shard)

    def observe(self, kind: Kind, shard: Shards, facts: Rows, order: NDArray[np.int64]) -> Rows:
        """Add facts to their shards' ledgers, in `order`; return what was known before each, as they came."""
        order = order[np.argsort(shard[order], kind="stable")]
        ordered = facts.take(order)
        views = [self.added(kind, number, ordered[part]) for number, part in runs(shard[order])]
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return concatenated(views, views[0].dtype).take(places)

    def added(self, kind: Kind, shard: int, facts: Rows) -> Rows:
        """Add facts of one shard; return what was known before each."""
        return shard_state.observe(kind, shard, facts, self.heads[shard].value("version"), self.logs[shard])


_shard = attrgetter("shard")


def shards(batch: Sequence[Held], blocks: Sequence[Rows]) -> Shards:
    """Return the shard of each row of a batch's blocks."""
    numbers = np.array([held.shard for held in batch], np.uint16)
    return np.repeat(numbers, [len(rows) for rows in blocks])


def runs(shard: Shards) -> Iterator[tuple[int, slice]]:
    """Yield each run of one shard, and where it is."""
    cuts = np.flatnonzero(np.diff(shard)) + 1
    for start, end in pairwise([0, *cuts.tolist(), len(shard)]):
        if end > start:
            yield int(shard[start]), slice(start, end)
