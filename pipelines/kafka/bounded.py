"""Kafka into Beam for replay: everything that is in the topics now, in one order, then the end.

All partitions are merged by (newest timestamp so far in the partition, partition, offset): event-time
order across partitions, log order within each. The order and the cuts into chunks depend on the data
only, so two replays hand out identical elements in identical order.
"""

import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.io.unbounded_source import ReadFromUnboundedSource, UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp
from numpy.typing import NDArray

from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import Chunk, ChunkConsumer, KafkaSettings, Partition, open_admin, open_consumer
from pipelines.kafka.source import Mark, MarkCoder, Position, Start, partition_counts, start_offsets
from schemas.errors import BrokerError

#: A replay waits this long for messages it knows to exist before it gives up.
STALL_S = 30.0

FOREVER_S = 1e9


class Bound(NamedTuple):
    """One partition's share of a replay: offsets `start` (inclusive) to `end` (exclusive)."""

    at: Partition
    start: int
    end: int


#: A message being merged: its merge key (µs), the index of its partition's lane, and its own columns.
ROW = np.dtype([("key", "i8"), ("lane", "i4"), ("offset", "i8"), ("timestamp", "i8"), ("value", "O")])

Rows = NDArray[np.void]


@dataclass
class Lane:
    """One partition being merged: what is fetched but not merged yet, and the newest timestamp so far."""

    index: int
    bound: Bound
    newest_us: int
    consumer: ChunkConsumer
    rows: Rows = field(default_factory=lambda: np.empty(0, ROW))

    def exhausted(self) -> bool:
        """Return whether nothing of this partition is still to be fetched."""
        return self.consumer.position() >= self.bound.end

    def fetch(self, max_rows: int) -> bool:
        """Take what is buffered; return whether there was anything to take."""
        chunk = self.consumer.poll(max_rows)
        if chunk is None:
            return False
        count = int(np.searchsorted(chunk.offsets, self.bound.end))
        if count:
            fresh = np.empty(count, ROW)
            fresh["key"] = np.maximum(np.maximum.accumulate(chunk.timestamps[:count]), self.newest_us)
            fresh["lane"] = self.index
            fresh["offset"] = chunk.offsets[:count]
            fresh["timestamp"] = chunk.timestamps[:count]
            fresh["value"] = chunk.values[:count]
            self.newest_us = int(fresh["key"][-1])
            self.rows = np.concatenate([self.rows, fresh])
        return True


def merge_ready(lanes: list[Lane]) -> Rows:
    """Take from `lanes` all rows that no row still to be fetched can precede, in merge order."""
    open_ends = [(int(lane.rows["key"][-1]), lane.index) for lane in lanes if not lane.exhausted()]
    taken = [np.empty(0, ROW)]
    for lane in lanes:
        count = len(lane.rows)
        if open_ends:
            key, index = min(open_ends)
            count = int(np.searchsorted(lane.rows["key"], key, "right" if lane.index <= index else "left"))
        taken.append(lane.rows[:count])
        lane.rows = lane.rows[count:]
    rows = np.concatenate(taken)
    return rows[np.argsort(rows["key"], kind="stable")]


def merged(lanes: list[Lane], cut_rows: int) -> Iterator[Rows]:
    """Yield all rows of `lanes` in merge order, `cut_rows` at a time; waits for the broker.

    Raises:
        BrokerError: messages known to exist did not come within `STALL_S`.

    """
    pending = np.empty(0, ROW)
    ended = False
    while not ended:
        _fetch_all(lanes, cut_rows)
        pending = np.concatenate([pending, merge_ready(lanes)])
        ended = all(lane.exhausted() and not len(lane.rows) for lane in lanes)
        whole = len(pending) if ended else len(pending) - len(pending) % cut_rows
        for start in range(0, whole, cut_rows):
            yield pending[start : min(start + cut_rows, whole)]
        pending = pending[whole:]


def _fetch_all(lanes: list[Lane], max_rows: int) -> None:
    """Fetch until every lane that is not exhausted has at least one row."""
    deadline = time.monotonic() + STALL_S
    while waiting := [lane for lane in lanes if not len(lane.rows) and not lane.exhausted()]:
        if any([lane.fetch(max_rows) for lane in waiting]):
            deadline = time.monotonic() + STALL_S
            continue
        if time.monotonic() > deadline:
            (topic, partition), _, end = waiting[0].bound
            raise BrokerError(
                f"replay of {topic}[{partition}] got nothing below offset {end} for {STALL_S:.0f} s"
            )
        time.sleep(0.001)


@dataclass(frozen=True)
class ReplaySource(UnboundedSource):  # type: ignore[misc]
    """The given bounds, merged; never split, because the order is global."""

    settings: KafkaSettings
    bounds: tuple[Bound, ...]
    chunk_rows: int
    out_of_orderness_us: int

    def split(self, desired_num_splits: int, options: Any = None) -> list["ReplaySource"]:
        """Return this source alone."""
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: Mark | None) -> "ReplayReader":
        """Open a reader at the start of the bounds or at `checkpoint_mark`."""
        return ReplayReader(self, checkpoint_mark)

    def get_checkpoint_mark_coder(self) -> MarkCoder:
        """Return a coder of marks that commit nothing: a replay does not move the group."""
        return MarkCoder()

    def default_output_coder(self) -> ChunkCoder:
        """Return the coder of elements."""
        return ChunkCoder()


class ReplayReader(UnboundedReader):  # type: ignore[misc]
    """Hands out the merged rows: for every `chunk_rows` of them one chunk per topic among them."""

    def __init__(self, source: ReplaySource, mark: Mark | None) -> None:
        self._source = source
        self._mark = mark or Mark(tuple(Position(bound.at, bound.start) for bound in source.bounds))
        self._topics = tuple(dict.fromkeys(bound.at[0] for bound in source.bounds))
        self._lanes: list[Lane] = []
        self._cuts: Iterator[Rows] = iter(())
        self._chunks: deque[Chunk] = deque()
        self._cut_start = self._cut_end = self._mark.positions
        self._handed_out = 0
        self._chunk: Chunk | None = None
        self._reached_us = max((position.newest_us for position in self._mark.positions), default=-1)
        self._ended = False

    def start(self) -> bool:
        """Open one consumer per partition, go to the mark, then read."""
        for index, (bound, position) in enumerate(
            zip(self._source.bounds, self._mark.positions, strict=True)
        ):
            rest = bound._replace(start=position.next_offset)
            consumer = open_consumer(self._source.settings, *rest.at, rest.start)
            self._lanes.append(Lane(index, rest, position.newest_us, consumer))
        self._cuts = merged(self._lanes, self._source.chunk_rows)
        for _ in range(self._mark.skip):
            self.advance()
        return self.advance()

    def advance(self) -> bool:
        """Take the next chunk; waits for the broker, because a bundle cut by time would differ each run."""
        if not self._chunks:
            rows = next(self._cuts, None)
            if rows is None:
                self._ended = True
                return False
            self._chunks.extend(self._split(rows))
            self._cut_start, self._cut_end = self._cut_end, self._after(rows)
            self._handed_out = 0
            self._reached_us = int(rows["key"][-1])
        self._chunk = self._chunks.popleft()
        self._handed_out += 1
        return True

    def get_current(self) -> Chunk:
        """Return the chunk the last successful read took."""
        assert self._chunk is not None
        return self._chunk

    def get_current_timestamp(self) -> Timestamp:
        """Return the event time of the chunk's first message."""
        return Timestamp(micros=int(self.get_current().timestamps[0]))

    def get_watermark(self) -> Timestamp:
        """Return how far the merged order has come, less the allowed disorder; the end of time at the end."""
        if self._ended:
            return MAX_TIMESTAMP
        if self._reached_us < 0:
            return MIN_TIMESTAMP
        return Timestamp(micros=self._reached_us - self._source.out_of_orderness_us)

    def get_checkpoint_mark(self) -> Mark:
        """Return the positions before the current cut and how many of its chunks were handed out."""
        if self._chunks:
            return Mark(self._cut_start, skip=self._handed_out)
        return Mark(self._cut_end)

    def close(self) -> None:
        """Close the consumers."""
        for lane in self._lanes:
            lane.consumer.close()
        self._lanes.clear()

    def _split(self, rows: Rows) -> Iterator[Chunk]:
        """Yield one chunk per topic, topics in the order they were asked for."""
        bounds = self._source.bounds
        numbers = np.array([bound.at[1] for bound in bounds], np.int32)
        topics = np.array([self._topics.index(bound.at[0]) for bound in bounds])[rows["lane"]]
        for index, topic in enumerate(self._topics):
            some = rows[topics == index]
            if len(some):
                values = some["value"].tolist()
                yield Chunk(
                    topic, values, numbers[some["lane"]], some["offset"].copy(), some["timestamp"].copy()
                )

    def _after(self, rows: Rows) -> tuple[Position, ...]:
        """Return every partition's position behind `rows`."""
        positions = list(self._cut_end)
        for lane in np.unique(rows["lane"]).tolist():
            last = rows[rows["lane"] == lane][-1]
            positions[lane] = Position(positions[lane].at, int(last["offset"]) + 1, int(last["key"]))
        return tuple(positions)


class ReadChunksBounded(beam.PTransform):  # type: ignore[misc]
    """Read what topics hold now, merged in one order, and end.

    End offsets are captured when this is constructed. Every `chunk_rows` merged rows become one chunk
    per topic among them, topics in the order given; elements, their order and the bundles are the same
    in every run. Nothing is committed.

    Args:
        settings: brokers.
        topics: one or more; they must exist.
        start: where to begin: "earliest", or the first message at or after a time in microseconds UTC.
        chunk_rows: merged rows per cut.
        bundle_chunks: elements per bundle.
        out_of_orderness_us: how far a message's timestamp may lag behind the newest before it.

    Raises:
        BrokerError: at construction, if a topic is not there.

    """

    def __init__(
        self,
        settings: KafkaSettings,
        *topics: str,
        start: Start = "earliest",
        chunk_rows: int = 2000,
        bundle_chunks: int = 16,
        out_of_orderness_us: int = 2_000_000,
    ) -> None:
        super().__init__()
        bounds = captured_bounds(settings, topics, start)
        self._source = ReplaySource(settings, bounds, chunk_rows, out_of_orderness_us)
        self._bundle_chunks = bundle_chunks

    def expand(self, pbegin: beam.pvalue.PBegin) -> "beam.PCollection[Chunk]":
        """Apply the source with bundles cut by count, never by time."""
        return pbegin | ReadFromUnboundedSource(
            self._source,
            poll_interval=0,
            max_records_per_bundle=self._bundle_chunks,
            max_read_time_seconds=FOREVER_S,
        )


def chunks_within(settings: KafkaSettings, bounds: Collection[Bound]) -> Iterator[Chunk]:
    """Yield what lies within `bounds`, one partition after the other; waits for the broker."""
    for (topic, partition), start, end in bounds:
        with closing(open_consumer(settings, topic, partition, start)) as consumer:
            while consumer.position() < end:
                chunk = consumer.poll(2000)
                if chunk is None:
                    time.sleep(0.005)
                    continue
                count = int(np.searchsorted(chunk.offsets, end))
                places, times = (chunk.partitions[:count], chunk.offsets[:count]), chunk.timestamps[:count]
                yield Chunk(topic, chunk.values[:count], *places, times)


def captured_bounds(settings: KafkaSettings, topics: Collection[str], start: Start) -> tuple[Bound, ...]:
    """Return what the partitions of `topics` hold now, empty ones left out.

    Raises:
        BrokerError: a topic is missing.

    """
    with closing(open_admin(settings)) as admin:
        counts = partition_counts(admin, settings, topics)
        partitions = [(topic, number) for topic in topics for number in range(counts[topic])]
        starts = start_offsets(admin, settings, partitions, start)
        ends = admin.end_offsets(partitions)
    return tuple(Bound(at, starts[at], ends[at]) for at in partitions if starts[at] < ends[at])
