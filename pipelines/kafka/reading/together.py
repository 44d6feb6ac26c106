"""All partitions of a job as one source: what a bundle costs does not grow with how many there are.

Beam's in-process runner packs, hands over and unpacks every source it reads with every bundle, a millisecond
each, and most partitions have nothing most of the time.

Read every topic a job needs with one `ReadChunks` and branch on `Chunk.topic`: the embedded runner runs
nothing behind a Flatten of unbounded inputs, and pays for each source stage on every pass.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.io.unbounded_source import ReadFromUnboundedSource, UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import Timestamp

from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.reading.arrivals import arrivals_of
from pipelines.kafka.reading.marks import Mark, MarkCoder
from pipelines.kafka.reading.source import ChunkReader, ChunkSource
from pipelines.kafka.reading.start import Start, checked_partitions
from schemas.errors import BrokerError

#: A round costs some milliseconds however little it finds.
REST_S = 0.02


@dataclass(frozen=True)
class TogetherSource(UnboundedSource):  # type: ignore[misc]
    """Partitions read live, one after the other, by one reader.

    Attributes:
        whole: all of them.
        chunks: most elements of one partition in a round.
        rest_s: least time from the end of a round to the next.
        parts: set by `split`, a source for each partition, which knows where it begins.

    """

    whole: ChunkSource
    chunks: int
    rest_s: float = REST_S
    parts: tuple[ChunkSource, ...] = ()

    def split(self, desired_num_splits: int, options: Any = None) -> list["TogetherSource"]:
        """Return this source alone, with where each partition begins; see `ChunkSource.split`."""
        return [replace(self, parts=tuple(self.whole.split(desired_num_splits, options)))]

    def create_reader(self, options: Any, checkpoint_mark: Mark | None) -> "TogetherReader":
        """Open a reader at where the partitions begin, or at `checkpoint_mark` if given.

        Raises:
            BrokerError: `split` failed, because the broker was away or a start offset is out of range.

        """
        if not self.parts:
            self.whole.split(0)
            raise BrokerError(f"{self.whole.settings.brokers} did not answer when reading began; start again")
        marks = [None] * len(self.parts) if checkpoint_mark is None else _each(checkpoint_mark)
        readers = [part.create_reader(options, at) for part, at in zip(self.parts, marks, strict=True)]
        return TogetherReader(self, readers)

    def get_checkpoint_mark_coder(self) -> MarkCoder:
        """Return the coder that binds decoded marks to this group."""
        return self.whole.get_checkpoint_mark_coder()

    def default_output_coder(self) -> ChunkCoder:
        """Return the coder of elements."""
        return self.whole.default_output_coder()


class TogetherReader(UnboundedReader):  # type: ignore[misc]
    """Reads partitions in rounds: of each what is there, up to so many chunks; a bundle ends with a round."""

    def __init__(
        self,
        source: TogetherSource,
        readers: list[ChunkReader],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._readers = readers
        self._clock = clock
        self._sleep = sleep
        self._arrivals = arrivals_of(source.whole.settings)
        self._round: Iterator[ChunkReader] | None = None
        self._current: ChunkReader | None = None
        self._ended = clock()

    def start(self) -> bool:
        """Read for the first time."""
        self._round = self._read()
        return self.advance()

    def advance(self) -> bool:
        """Take the next chunk of the round; at its end there is "no data now".

        The embedded runner ignores the pause Beam asks for after that; the rest of it is slept here, and if
        nothing comes for long, until something does.
        """
        if self._round is None:
            self._sleep(max(self._ended + self._source.rest_s - self._clock(), 0.0))
            self._arrivals.wait()
            self._round = self._read()
        self._current = next(self._round, None)
        if self._current is None:
            self._round, self._ended = None, self._clock()
            return False
        self._arrivals.came()
        return True

    def _read(self) -> Iterator[ChunkReader]:
        for reader in self._readers:
            for _ in range(self._source.chunks):
                if not reader.advance():
                    break
                yield reader

    def get_current(self) -> Chunk:
        """Return the chunk the last successful read took."""
        assert self._current is not None
        return self._current.get_current()

    def get_current_timestamp(self) -> Timestamp:
        """Return the event time of the chunk's first message."""
        assert self._current is not None
        return self._current.get_current_timestamp()

    def get_watermark(self) -> Timestamp:
        """Return the watermark of the partition that is furthest behind."""
        return min(reader.get_watermark() for reader in self._readers)

    def get_checkpoint_mark(self) -> Mark:
        """Return the positions after the last chunk handed out."""
        return Mark(tuple(reader.position for reader in self._readers), self._source.whole.settings)


def _each(mark: Mark) -> list[Mark]:
    return [Mark((position,)) for position in mark.positions]


class ReadChunks(beam.PTransform):  # type: ignore[misc]
    """Read topics for ever, as a PCollection of `Chunk`.

    At-least-once: after a failure or restore reading continues at the checkpoint, so messages may come
    again, in other chunks. A topic that grows ends the job aloud, and its next start reads the new
    partitions; one that is deleted and created anew is read from its first message.

    Args:
        settings: brokers and group.
        topics: one or more; they must exist.
        start: see `ChunkSource`.
        chunk_rows: most messages in one element.
        max_bundle_chunks: elements of one partition in a bundle, which can be committed when it ends.
        max_read_time_s: seconds before a bundle is cut.
        rest_s: least time from the end of a bundle to the next.

    Raises:
        BrokerError: at construction, if a topic or its start offset is not there.

    """

    def __init__(
        self,
        settings: KafkaSettings,
        *topics: str,
        start: Start = "committed",
        chunk_rows: int = 2000,
        max_bundle_chunks: int = 8,
        max_read_time_s: float = 0.5,
        rest_s: float = REST_S,
    ) -> None:
        super().__init__()
        every = checked_partitions(settings, topics, start)
        whole = ChunkSource(settings, every, start, chunk_rows)
        self._source = TogetherSource(whole, max_bundle_chunks, rest_s)
        self._max_read_time_s = max_read_time_s

    def expand(self, pbegin: beam.pvalue.PBegin) -> "beam.PCollection[Chunk]":
        """Apply the source with bundle limits that suit a stop decision, not Beam's ten seconds."""
        return pbegin | ReadFromUnboundedSource(
            self._source,
            poll_interval=self._source.rest_s,
            max_records_per_bundle=len(self._source.whole.partitions) * self._source.chunks,
            max_read_time_seconds=self._max_read_time_s,
        )
