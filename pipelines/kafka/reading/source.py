"""Kafka into Beam: a native unbounded source whose element is a `Chunk`.

One sub-source per partition, assigned, never subscribed; `together.py` reads all by one reader. A reader
owns nothing but its next offset: connections belong to the process (`process.py`), positions to the runner's
checkpoints, and the consumer group only hears of them for lag dashboards and for the next start without one.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from apache_beam.io.unbounded_source import UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp

from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import Chunk, KafkaSettings, OffsetOutOfRangeError, Partition, open_admin
from pipelines.kafka.reading.marks import OUT_OF_ORDERNESS_US, Mark, MarkCoder, Position
from pipelines.kafka.reading.process import LogEnd, broker_line, shared_consumer
from pipelines.kafka.reading.start import Start, anew_text, start_offsets
from schemas.errors import BrokerError
from schemas.units import MINUTE_US

_LOGGER = logging.getLogger(__name__)

#: A Kafka timestamp further ahead of the clock is a producer's wrong clock and does not move the watermark.
CLOCK_SKEW_US = MINUTE_US


@dataclass(frozen=True)
class ChunkSource(UnboundedSource):  # type: ignore[misc]
    """Partitions read live.

    Attributes:
        settings: brokers and group.
        partitions: those to read; fixed when the pipeline is built.
        start: where a partition without a checkpoint begins: its committed offset (else the earliest),
            an end of the log, or the first message at or after a time in microseconds UTC.
        chunk_rows: most messages in one element.
        out_of_orderness_us: how far a message's timestamp may lag behind the newest one before it.
        idle_s: seconds without a message after which a caught-up partition's watermark follows the clock.
        first_offset: set by `split` to what `start` means now for the one partition left.
        topic_id: set by `split` to its topic's id now.
        known: set by `split` to how many partitions of its topic are read; 0 if that is watched elsewhere.

    """

    settings: KafkaSettings
    partitions: tuple[Partition, ...]
    start: Start = "committed"
    chunk_rows: int = 2000
    out_of_orderness_us: int = OUT_OF_ORDERNESS_US
    idle_s: float = 2.0
    first_offset: int = -1
    topic_id: str = ""
    known: int = 0

    def split(self, desired_num_splits: int, options: Any = None) -> list["ChunkSource"]:
        """Split into one source per partition and find where each begins.

        Beam swallows errors raised here and reads unsplit; `create_reader` then raises them again.
        """
        with closing(open_admin(self.settings)) as admin:
            offsets = start_offsets(admin, self.settings, self.partitions, self.start)
            topics = admin.describe({topic for topic, _ in self.partitions})
        known = Counter(topic for topic, _ in self.partitions)
        return [
            replace(
                self,
                partitions=(at,),
                first_offset=offsets[at],
                topic_id=topics[at[0]].topic_id,
                known=known[at[0]],
            )
            for at in self.partitions
        ]

    def create_reader(self, options: Any, checkpoint_mark: Mark | None) -> "ChunkReader":
        """Open the reader of the one partition this split holds, at `checkpoint_mark` if given.

        Raises:
            BrokerError: `split` failed, because the broker was away or a start offset is out of range.

        """
        if checkpoint_mark is not None:
            return ChunkReader(self, checkpoint_mark.positions[0])
        if self.first_offset < 0:
            self.split(0)
            raise BrokerError(f"{self.settings.brokers} did not answer when reading began; start again")
        first = Position(self.partitions[0], self.first_offset, topic_id=self.topic_id)
        return ChunkReader(self, first)

    def hands(self, readers: int) -> int:
        """Return how many readers, up to so many, the partitions are dealt to so that none has nothing."""
        return min(readers, 1 + max(self._place(at) for at in self.partitions))

    def is_dealt(self, at: Partition, share: tuple[int, int]) -> bool:
        """Return whether a partition, also one added later, belongs to reader `share[0]` of `share[1]`."""
        return self._place(at) % share[1] == share[0]

    def _place(self, at: Partition) -> int:
        topics = list(dict.fromkeys(topic for topic, _ in self.partitions))
        return topics.index(at[0]) + at[1]

    def get_checkpoint_mark_coder(self) -> MarkCoder:
        """Return the coder that binds decoded marks to this group."""
        return MarkCoder(self.settings)

    def default_output_coder(self) -> ChunkCoder:
        """Return the coder of elements."""
        return ChunkCoder()


class ChunkReader(UnboundedReader):  # type: ignore[misc]
    """Reads one partition on from `position`; the other arguments are seams for tests.

    Attributes:
        behind: messages the broker held beyond the last read, as it last said.

    """

    def __init__(
        self,
        source: ChunkSource,
        position: Position,
        *,
        log_end: Callable[[Partition], LogEnd | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._at, self._next, self._newest_us, self._topic_id = position
        self._consumer = shared_consumer(source.settings, self._at)
        line = broker_line(source.settings)
        self._log_end, self._topic, self._refresh = log_end or line.log_end, line.topic, line.exchange
        self._clock = clock
        self._quiet_since = clock()
        self._drained = False
        self._chunk: Chunk | None = None
        self.behind = 0

    def start(self) -> bool:
        """Read for the first time."""
        return self.advance()

    def advance(self) -> bool:
        """Take what is buffered, without waiting for data.

        After a chunk that reached the end of the log there is "no data now", so that a bundle ends with
        one short chunk instead of a trail of ever shorter ones.
        """
        self._began_anew()
        if self._drained:
            self._drained = False
            return False
        try:
            chunk, self._next, end = self._consumer.poll_from(self._next, self._source.chunk_rows)
        except OffsetOutOfRangeError:
            self._refresh()
            if not self._began_anew():
                raise
            return False
        if end is not None:
            self.behind = max(end - self._next, 0)
        if chunk is None:
            return False
        self._chunk = chunk
        credible = chunk.timestamps[chunk.timestamps <= time.time_ns() // 1000 + CLOCK_SKEW_US]
        self._newest_us = max(self._newest_us, int(credible.max(initial=-1)))
        self._quiet_since = self._clock()
        self._drained = len(chunk.values) < self._source.chunk_rows and end is not None and self._next >= end
        return True

    def _began_anew(self) -> bool:
        """Go to the first message if the topic was created anew; return whether it was.

        Raises:
            BrokerError: it has partitions that nobody reads, or lacks this one.

        """
        if (state := self._topic(self._at)) is None:
            return False
        (name, number), known = self._at, self._source.known
        if number >= state.partitions or (known and known != state.partitions):
            raise BrokerError(
                f"topic {name!r} has {state.partitions} partitions now, {known or 'more'} before; start the "
                "job again: it goes on where it stood and reads new ones from their first message"
            )
        before, self._topic_id = self._topic_id, state.topic_id
        if before in ("", state.topic_id):
            return False
        _LOGGER.error("%s", anew_text(self._at, self._next, before, state.topic_id))
        self._consumer.close_unused(0)
        self._next, self._drained = 0, False
        return True

    def look_ahead(self, chunks: int, begin: Callable[[Chunk], Chunk]) -> None:
        """Take what the next reads will hand out, up to so many whole chunks, each as `begin` returns it."""
        with suppress(BrokerError):  # the next read will say it
            self._consumer.look_ahead(self._next, self._source.chunk_rows, chunks, begin)

    def get_current(self) -> Chunk:
        """Return the chunk the last successful read took."""
        assert self._chunk is not None
        return self._chunk

    def get_current_timestamp(self) -> Timestamp:
        """Return the event time of the chunk's first message."""
        return Timestamp(micros=int(self.get_current().timestamps[0]))

    def get_watermark(self) -> Timestamp:
        """Return the newest credible timestamp, or the clock if idle and caught up, less allowed disorder.

        The clock is the moment the broker last confirmed that the log ends where this reader stands, so an
        unreachable broker or a backlog never moves it.
        """
        reached_us = self._newest_us
        if self._clock() - self._quiet_since >= self._source.idle_s:
            end = self._log_end(self._at)
            if end is not None and end.offset == self._next:
                reached_us = max(reached_us, end.as_of_us)
        if reached_us < 0:
            return MIN_TIMESTAMP
        return Timestamp(micros=reached_us - self._source.out_of_orderness_us)

    def get_checkpoint_mark(self) -> Mark:
        """Return the position after the last chunk handed out."""
        return Mark((self.position,), self._source.settings)

    @property
    def position(self) -> Position:
        """Where reading goes on."""
        return Position(self._at, self._next, self._newest_us, self._topic_id)
