"""A bundle's blocks, kept to its end and looked at a batch of all shards at a time.

What is done to a batch costs milliseconds however few its rows, and a bundle under light load brings few for
every shard. Until the end a state of Beam is held, which stays good for its key as long as the bundle.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from apache_beam.utils.timestamp import Timestamp
from numpy.typing import NDArray

from pipelines import shard_state
from pipelines.shard_state import Head, Kind, Logs
from pipelines.shards import Block, Rows, Shards, concatenated, mark_of

#: Legs are put together up to about so much: with more a row takes no less time, and what can go on side by
#: side, the ledger of a batch and the decisions of the one before, waits longer for its turn.
BATCH_BYTES = 5 << 20


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

    def add(self, block: Block, received: Timestamp, head: Any, logs: Logs) -> None:
        """Keep a block and its shard's states; the head is read now, while the bundle waits for more."""
        shard, packed = block
        if shard not in self.heads:
            self.heads[shard], self.logs[shard] = Head(head), logs
        self._blocks.append(Held(shard, packed, received.micros))

    def save(self) -> None:
        """Write the heads, at the end of the bundle."""
        for head in self.heads.values():
            head.save()

    def batches(self, most_bytes: float = math.inf) -> Iterator[list[Held]]:
        """Yield blocks of one type of rows in the order they came in, within a batch shard by shard.

        A batch ends with the block that makes it `most_bytes`.
        """
        for _, alike in groupby(self._blocks, key=lambda held: mark_of(held.packed)):
            batch: list[Held] = []
            for held in alike:
                batch.append(held)
                if sum(len(each.packed) for each in batch) >= most_bytes:
                    yield sorted(batch, key=_shard)
                    batch = []
            if batch:
                yield sorted(batch, key=_shard)

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
