"""Kafka into Beam for replay: everything that is in the topics now, in one order, then the end.

All partitions are merged (`merge.py`), in an order and in chunks that depend on the data only, so two
replays hand out identical elements in identical order.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.unbounded_source import ReadFromUnboundedSource, UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import Chunk, KafkaSettings, open_consumer
from pipelines.kafka.reading.bounds import Bound, captured_bounds
from pipelines.kafka.reading.marks import OUT_OF_ORDERNESS_US, Mark, MarkCoder, Position
from pipelines.kafka.reading.merge import Lane, merged
from schemas.rows import Rows
from schemas.rows.values import Values

FOREVER_S = 1e9


@dataclass(frozen=True)
class ReplaySource(UnboundedSource):  # type: ignore[misc]
    """The given bounds, merged; never split, because the order is global."""

    settings: KafkaSettings
    bounds: tuple[Bound, ...]
    chunk_rows: int
    out_of_orderness_us: int = OUT_OF_ORDERNESS_US

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
                values = Values.of(some["value"].tolist())
                traces = some["trace"].copy() if some["trace"].any() else None
                places = numbers[some["lane"]], some["offset"].copy()
                yield Chunk(topic, values, *places, some["timestamp"].copy(), traces=traces)

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
        chunk_rows: merged rows per cut.
        bundle_chunks: elements per bundle.

    Raises:
        BrokerError: at construction, if a topic is not there.

    """

    def __init__(
        self,
        settings: KafkaSettings,
        *topics: str,
        chunk_rows: int = 2000,
        bundle_chunks: int = 16,
    ) -> None:
        super().__init__()
        self._source = ReplaySource(settings, captured_bounds(settings, topics), chunk_rows)
        self._bundle_chunks = bundle_chunks

    def expand(self, pbegin: beam.pvalue.PBegin) -> "beam.PCollection[Chunk]":
        """Apply the source with bundles cut by count, never by time."""
        return pbegin | ReadFromUnboundedSource(
            self._source,
            poll_interval=0,
            max_records_per_bundle=self._bundle_chunks,
            max_read_time_seconds=FOREVER_S,
        )
