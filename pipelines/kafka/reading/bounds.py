"""What topics hold now: each partition's first and last offset, and the messages between them."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from functools import lru_cache, wraps
from typing import NamedTuple, TypeVar

import numpy as np

from pipelines.kafka.port import Chunk, KafkaSettings, Partition, open_admin, open_consumer
from pipelines.kafka.reading.start import partitions_of
from schemas.errors import BrokerError

T = TypeVar("T")

#: Whoever reads what is known to exist waits this long for it before he gives up.
STALL_S = 30.0


class Bound(NamedTuple):
    """One partition's share of a replay: offsets `start` (inclusive) to `end` (exclusive)."""

    at: Partition
    start: int
    end: int


def stalled_text(at: Partition, position: int, end: int) -> str:
    """Say that what a partition holds does not come."""
    return (
        f"{at[0]}[{at[1]}] brought nothing for {STALL_S:.0f} s at offset {position}, and held {end} at the "
        "start; look whether its broker and leader are up, then start again"
    )


def chunks_within(settings: KafkaSettings, bounds: Collection[Bound]) -> Iterator[Chunk]:
    """Yield what lies within `bounds`, one partition after the other; waits for the broker.

    Raises:
        BrokerError: messages known to exist did not come within `STALL_S`.

    """
    for (topic, partition), start, end in bounds:
        with closing(open_consumer(settings, topic, partition, start)) as consumer:
            deadline = time.monotonic() + STALL_S
            while consumer.position() < end:
                chunk = consumer.poll(2000)
                if chunk is None:
                    if time.monotonic() > deadline:
                        raise BrokerError(stalled_text((topic, partition), consumer.position(), end))
                    time.sleep(0.005)
                    continue
                deadline = time.monotonic() + STALL_S
                count = int(np.searchsorted(chunk.offsets, end))
                places, times = (chunk.partitions[:count], chunk.offsets[:count]), chunk.timestamps[:count]
                traces = None if chunk.traces is None else chunk.traces[:count]
                yield Chunk(topic, chunk.values[:count], *places, times, traces=traces)


def captured_bounds(settings: KafkaSettings, topics: Collection[str]) -> tuple[Bound, ...]:
    """Return what the partitions of `topics` hold now, empty ones left out.

    Raises:
        BrokerError: a topic is missing.

    """
    with closing(open_admin(settings)) as admin:
        partitions = partitions_of(admin, settings, topics)
        starts = admin.beginning_offsets(partitions)
        ends = admin.end_offsets(partitions)
    return tuple(Bound(at, starts[at], ends[at]) for at in partitions if starts[at] < ends[at])


def read_once(
    read: Callable[[KafkaSettings, tuple[Bound, ...]], T],
) -> Callable[[KafkaSettings, tuple[Bound, ...]], T]:
    """Keep what `read` made of the brokers and bounds asked for last, so that a process reads them once."""
    lock, kept = threading.Lock(), lru_cache(maxsize=1)(read)

    @wraps(read)
    def once(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> T:
        with lock:
            return kept(settings, bounds)

    return once
