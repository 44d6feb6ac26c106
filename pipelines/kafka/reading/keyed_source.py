"""Kafka into Beam on Flink: positions are keyed state, and an event-time timer reads on.

`source.py` reads through a self-checkpointing splittable DoFn. Flink's portable runner keeps each of
its checkpoints under a new state name and never removes one, so reading at low latency fills the heap
within minutes (docs/adr/0002-flink-source.md). Here a few keys own the partitions between them; what
survives a failure is one state value and one timer per key.

The timer stands at the source's watermark. Its input, an impulse, is complete, so the runner fires it
at once, again and again; and as long as it is set it holds the output watermark just where it belongs.
A processing-time timer would not do: this runner drops those whose input is complete.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam import pvalue
from apache_beam.metrics import Metrics
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import MIN_TIMESTAMP

from pipelines.kafka.coders import ChunkCoder  # noqa: F401  (registers it for the output)
from pipelines.kafka.port import Chunk, KafkaSettings, Partition
from pipelines.kafka.reading.marks import Mark, MarkCoder, Position
from pipelines.kafka.reading.process import broker_line
from pipelines.kafka.reading.source import ChunkReader, ChunkSource
from pipelines.kafka.reading.start import Start, checked_partitions
from pipelines.process import PROCESS

_LOGGER = logging.getLogger(__name__)

#: A partition, and the id of its topic.
Place = tuple[Partition, str]

#: How often a report about a partition is asked for; a fraction of the time between checkpoints.
ASK_S = 1.0


class ReadChunksKeyed(beam.PTransform):  # type: ignore[misc]
    """Read topics for ever, as a PCollection of `Chunk`; the counterpart of `ReadChunks` for Flink.

    Positions and everything downstream are restored together from one checkpoint, so keyed state counts
    every message once; side effects since that checkpoint are repeated. The consumer group hears of
    positions one checkpoint late. Partitions added to a topic are read from their first message, and so is a
    topic that was deleted and created anew.

    Args:
        settings: brokers and group.
        topics: one or more; they must exist.
        start: see `ChunkSource`.
        chunk_rows: most messages in one element.
        readers: keys that share the partitions; part of the update contract, like a shard count.
        max_firing_chunks: elements of one partition in one go, which bounds how long a checkpoint waits.
        poll_interval_s: pause after a bundle that found nothing to read.
        committed: where the group stands of partitions that are read again from before; it is not moved back.

    Raises:
        BrokerError: at construction, if a topic or its start offset is not there.

    """

    def __init__(
        self,
        settings: KafkaSettings,
        *topics: str,
        start: Start = "committed",
        chunk_rows: int = 2000,
        readers: int = 8,
        max_firing_chunks: int = 8,
        poll_interval_s: float = 0.02,
        committed: Mapping[Partition, int] | None = None,
    ) -> None:
        super().__init__()
        every = checked_partitions(settings, topics, start)
        self._source = ChunkSource(settings, every, start, chunk_rows)
        self._keys = [f"reader-{key}" for key in range(self._source.hands(readers))]
        self._max_firing_chunks = max_firing_chunks
        self._poll_interval_s = poll_interval_s
        self._committed = dict(committed or {})

    def expand(self, pbegin: beam.pvalue.PBegin) -> "beam.PCollection[Chunk]":
        """Deal the partitions to the keys, then read them by timer."""
        reader = beam.ParDo(self.reader()).with_output_types(Chunk, reached=Mark)
        read = self.dealt(pbegin) | "Read" >> reader.with_outputs("reached", main="chunks")
        self.commit(read.reached)
        return read.chunks

    def dealt(self, pbegin: beam.pvalue.PBegin) -> "beam.PCollection[tuple[str, Mark]]":
        """Deal the partitions to the keys."""
        deal = beam.ParDo(_Deal(self._source, self._keys)).with_output_types(tuple[str, Mark])
        return pbegin | beam.Impulse() | "Deal" >> deal

    def reader(self) -> "ReadByTimer":
        """Return what reads a key's partitions, for a function that holds its state and timer."""
        return ReadByTimer(self._source, self._max_firing_chunks, self._poll_interval_s)

    def commit(self, reached: "beam.PCollection[Mark]") -> None:
        """Tell the consumer group how far its partitions are read, once a checkpoint holds that."""
        _ = reached | "Commit" >> beam.ParDo(_CommitWhenDurable(self._source.settings, self._committed))


class _Deal(beam.DoFn):  # type: ignore[misc]
    """Resolve the start offsets and hand every key its partitions."""

    def __init__(self, source: ChunkSource, keys: list[str]) -> None:
        self._source = source
        self._keys = keys

    def process(self, element: bytes) -> Iterator[tuple[str, Mark]]:
        split = self._source.split(0)
        for number, key in enumerate(self._keys):
            share = number, len(self._keys)
            mine = [one for one in split if self._source.is_dealt(one.partitions[0], share)]
            yield (
                key,
                Mark(
                    tuple(Position(one.partitions[0], one.first_offset, -1, one.topic_id) for one in mine),
                    share=share,
                ),
            )


class ReadByTimer(beam.DoFn):  # type: ignore[misc]
    """Read a key's partitions each time its timer fires; part of `OneStageFn` where that reads."""

    POSITIONS = ReadModifyWriteStateSpec("positions", MarkCoder())
    AGAIN = TimerSpec("again", TimeDomain.WATERMARK)

    _read = Metrics.counter("stopline.kafka", "messages_read")
    _behind = Metrics.gauge("stopline.kafka", "messages_behind")

    def __init__(
        self,
        source: ChunkSource,
        max_firing_chunks: int,
        poll_interval_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._max_firing_chunks = max_firing_chunks
        self._poll_interval_s = poll_interval_s
        self._sleep = sleep

    def setup(self) -> None:
        """Start without readers."""
        self._readers: dict[Position, ChunkReader] = {}
        self._unread: dict[Partition, int] = {}

    def start_bundle(self) -> None:
        """Begin without having read."""
        self._fired, self._found = False, False

    def process(
        self,
        element: tuple[str, Mark],
        positions: Any = beam.DoFn.StateParam(POSITIONS),
        again: Any = beam.DoFn.TimerParam(AGAIN),
    ) -> None:
        """Take the partitions a key is dealt."""
        positions.write(element[1])
        again.set(MIN_TIMESTAMP)

    @on_timer(AGAIN)  # type: ignore[untyped-decorator]
    def read(
        self,
        positions: Any = beam.DoFn.StateParam(POSITIONS),
        again: Any = beam.DoFn.TimerParam(AGAIN),
    ) -> Iterator[TimestampedValue | pvalue.TaggedOutput]:
        """Read what there is, up to `max_firing_chunks` of each partition, and set the timer again.

        After the chunks comes, on the output `reached`, where the partitions now stand.
        """
        before: Mark = positions.read()
        readers = [self._reader(position) for position in (*before.positions, *self._grown(before))]
        for reader in readers:
            for _ in range(self._max_firing_chunks):
                if not reader.advance():
                    break
                chunk = reader.get_current()
                self._read.inc(len(chunk.values))
                yield TimestampedValue(chunk, reader.get_current_timestamp())
        after = tuple(reader.get_checkpoint_mark().positions[0] for reader in readers)
        self._readers |= dict(zip(after, readers, strict=True))
        self._unread |= {at.at: reader.behind for at, reader in zip(after, readers, strict=True)}
        self._behind.set(sum(self._unread.values()))
        self._fired = True
        stands = Mark(after, share=before.share)
        yield pvalue.TaggedOutput("reached", stands)
        if after != before.positions:
            self._found = True
            positions.write(stands)
        again.set(min(reader.get_watermark() for reader in readers))

    def _grown(self, before: Mark) -> list[Position]:
        """Return where to begin in this key's partitions that were added since they were dealt."""
        if not before.positions or not before.share[1]:
            return []
        line, known = broker_line(self._source.settings), {position.at for position in before.positions}
        newest_us = min(position.newest_us for position in before.positions)
        found: list[Position] = []
        for at in dict.fromkeys((topic, 0) for topic, _ in self._source.partitions):
            if (state := line.topic(at)) is None:
                continue
            every = ((at[0], number) for number in range(state.partitions))
            added = [each for each in every if each not in known]
            mine = [each for each in added if self._source.is_dealt(each, before.share)]
            found += [Position(each, 0, newest_us, state.topic_id) for each in mine]
        for (topic, number), *_ in found:
            _LOGGER.warning("topic %r has grown: partition %d is read from its first message", topic, number)
        return found

    def look_ahead(self, begin: Callable[[Chunk], Chunk]) -> None:
        """Take what the next firing will read, as far as whole chunks wait, each as `begin` returns it."""
        for reader in list(self._readers.values()):
            reader.look_ahead(self._max_firing_chunks, begin)

    def finish_bundle(self) -> None:
        """Rest if there was nothing to read, or the next firing would follow at once."""
        if self._fired and not self._found:
            self._sleep(self._poll_interval_s)

    def _reader(self, position: Position) -> ChunkReader:
        """Return the reader that stopped at `position`, or a new one after a failed bundle or a restore."""
        if (reader := self._readers.pop(position, None)) is not None:
            return reader
        self._readers = {at: known for at, known in self._readers.items() if at.at != position.at}
        return ChunkReader(replace(self._source, partitions=(position.at,)), position)


class _CommitWhenDurable(beam.DoFn):  # type: ignore[misc]
    """Tell the consumer group what a checkpoint holds."""

    def __init__(self, settings: KafkaSettings, committed: Mapping[Partition, int]) -> None:
        self._settings = settings
        self._committed = committed

    def process(self, mark: Mark, finalizer: Any = beam.DoFn.BundleFinalizerParam) -> None:
        """Have the runner report this bundle, if there is something to tell."""
        reached = {
            (position.at, position.topic_id): position.next_offset
            for position in mark.positions
            if position.next_offset >= self._committed.get(position.at, 0)
        }
        if report := reports_of(self._settings).about(reached):
            finalizer.register(report)


class Reports:
    """Collects what finished bundles reached and commits it a round later.

    The runner reports every bundle finished by the time a checkpoint completes, also those that came too
    late to be in it; so what one round of reports names is committed when the next round begins. Until its
    report a bundle's functions serve no other bundle, so that not every bundle should have one.
    """

    def __init__(
        self, commit: Callable[[Place, int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._commit = commit
        self._clock = clock
        self._round = 0
        self._reached: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._due: dict[Place, float] = {}
        self._lock = threading.Lock()

    def about(self, reached: Mapping[Place, int]) -> Callable[[], None] | None:
        """Return the report of a bundle that starts now and will have reached `reached`.

        None if all that is committed, or the last report about these partitions was asked for just now.
        """
        now = self._clock()
        with self._lock:
            if not any(
                self._committed.get(at) != offset and now >= self._due.get(at, now)
                for at, offset in reached.items()
            ):
                return None
            self._due |= dict.fromkeys(reached, now + ASK_S)
            started_in = self._round

        def report() -> None:
            with self._lock:
                if started_in == self._round:
                    for at, offset in self._reached.items():
                        self._commit(at, offset)
                    self._committed |= self._reached
                    self._reached = {}
                    self._round += 1
                for at, offset in reached.items():
                    self._reached[at] = max(offset, self._reached.get(at, 0))

        return report


def reports_of(settings: KafkaSettings) -> Reports:
    """Return the process's reports for this group."""

    def made() -> Reports:
        line = broker_line(settings)
        return Reports(lambda place, offset: line.commit(place[0], offset, place[1]))

    return PROCESS.shared("reports", settings, made)
