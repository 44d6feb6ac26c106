"""The live source: coders, marks, sharing, watermarks, and the whole of it on FnApiRunner."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import (
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    OffsetOutOfRangeError,
    Partition,
    TopicState,
    open_admin,
    open_consumer,
    open_producer,
)
from pipelines.kafka.reading import process
from pipelines.kafka.reading.marks import Mark, MarkCoder, Position
from pipelines.kafka.reading.process import BrokerLine, LogEnd
from pipelines.kafka.reading.source import ChunkReader, ChunkSource
from pipelines.kafka.reading.start import Start
from pipelines.kafka.reading.together import ReadChunks, TogetherReader, TogetherSource
from pipelines.process import PROCESS
from schemas.errors import BrokerError, StateError
from schemas.rows.values import Values

T0_US = 1_700_000_000_000_000

Send = Callable[..., None]
Topics = Callable[..., str]


class Clock:
    """Seconds that pass only when told to, or when something sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class RecordingAdmin:
    """Stands in for the broker's side of housekeeping; refuses while `broken`."""

    def __init__(self, ends: Mapping[Partition, int] | None = None) -> None:
        self.ends = dict(ends or {})
        self.commits: list[dict[Partition, int]] = []
        self.states: dict[str, TopicState] = {}
        self.missing = ""
        self.broken = False

    def describe(self, topics: Collection[str]) -> dict[str, TopicState]:
        self._refuse()
        return {topic: self.states.get(topic, TopicState("", 1)) for topic in topics if topic != self.missing}

    def commit(self, group: str, offsets: Mapping[Partition, int], ids: Mapping[str, str]) -> None:
        self._refuse()
        self.commits.append(dict(offsets))

    def end_offsets(self, partitions: list[Partition]) -> dict[Partition, int]:
        self._refuse()
        return {at: self.ends[at] for at in partitions}

    def partition_counts(self) -> dict[str, int]:
        self._refuse()
        return {topic: 1 for topic, _ in self.ends}

    def close(self) -> None:
        pass

    def _refuse(self) -> None:
        if self.broken:
            raise BrokerError("down for the test")


def same(left: Chunk, right: Chunk) -> bool:
    columns = zip(left[2:5], right[2:5], strict=True)
    return left[:2] == right[:2] and all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in columns)


def read(reader: ChunkReader, rows: int) -> list[bytes]:
    """Drive `reader` as Beam does until `rows` values came; a reader that gives none fails the test."""
    values: list[bytes] = []
    available = reader.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if available:
            values += reader.get_current().values
        if len(values) >= rows:
            return values
        available = reader.advance()
    raise AssertionError(f"only {len(values)} of {rows} values came")


def source_of(settings: KafkaSettings, topic: str, **kwargs: object) -> ChunkSource:
    whole = ChunkSource(settings, ((topic, 0),), **kwargs)  # type: ignore[arg-type]
    (part,) = whole.split(20)
    return part


chunks = st.integers(0, 20).flatmap(
    lambda rows: st.builds(
        lambda topic, values, numbers: Chunk(
            topic,
            Values.of(values),
            np.array(numbers, np.int32),
            np.array(numbers, np.int64) * 10**9,
            np.array(numbers, np.int64) * 10**6,
        ),
        st.text(max_size=30),
        st.lists(st.binary(max_size=50), min_size=rows, max_size=rows),
        st.lists(st.integers(0, 2**31 - 1), min_size=rows, max_size=rows),
    )
)


@given(chunks)
def test_a_chunk_survives_its_coder(chunk: Chunk) -> None:
    coder = ChunkCoder()

    encoded = coder.encode(chunk)

    assert same(coder.decode(encoded), chunk)
    assert coder.encode(coder.decode(encoded)) == encoded


@given(chunks)
def test_the_estimated_size_of_a_chunk_is_its_encoded_size(chunk: Chunk) -> None:
    chunk = chunk._replace(topic="payments")

    assert ChunkCoder().estimate_size(chunk) == len(ChunkCoder().encode(chunk))


@given(chunks, st.integers(0, 20), st.integers(0, 20))
def test_a_part_of_a_chunk_survives_its_coder_without_the_rest(chunk: Chunk, first: int, last: int) -> None:
    part = Chunk(chunk.topic, *(column[first:last] for column in chunk[1:5]))

    encoded = ChunkCoder().encode(part)

    assert same(ChunkCoder().decode(encoded), part)
    assert ChunkCoder().decode(encoded).values == list(chunk.values)[first:last]
    assert len(encoded) <= len(ChunkCoder().encode(chunk))


def test_beam_uses_the_explicit_coder_for_chunks() -> None:
    coder = beam.coders.registry.get_coder(Chunk)

    assert type(coder) is ChunkCoder
    assert coder.is_deterministic()


positions = st.builds(
    Position,
    st.tuples(st.text(max_size=20), st.integers(0, 2**31 - 1)),
    st.integers(-1, 2**62),
    st.integers(-1, 2**62),
    st.text("abcXYZ019-_", max_size=22),
)


@given(st.lists(positions, max_size=5), st.integers(0, 2**16 - 1))
def test_a_mark_survives_its_coder(marked: list[Position], skip: int) -> None:
    mark = MarkCoder().decode(MarkCoder().encode(Mark(tuple(marked), skip=skip, share=(2, 8))))

    assert (mark.positions, mark.skip, mark.share) == (tuple(marked), skip, (2, 8))


@pytest.mark.parametrize(
    ("coder", "way"), [(ChunkCoder(), "restart the workers"), (MarkCoder(), "run the release that wrote it")]
)
def test_bytes_of_another_version_are_refused(coder: beam.coders.Coder, way: str) -> None:
    with pytest.raises(StateError, match=rf"of version 9, this release reads [23]; {way}"):
        coder.decode(b"\x09" + bytes(40))


def test_splitting_gives_each_partition_its_own_source_and_start(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    one, two = new_topic(local, 2), new_topic(local)
    send(local, one, [b"x"] * 3, partition=1)
    source = ChunkSource(local, ((one, 0), (one, 1), (two, 0)), start="latest")

    parts = source.split(20)

    assert {part.partitions: part.first_offset for part in parts} == {
        ((one, 0),): 0,
        ((one, 1),): 3,
        ((two, 0),): 0,
    }


def test_an_error_swallowed_while_splitting_is_raised_by_the_reader(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(local)
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", "--streaming"]))
    pipeline | ReadChunks(local, topic)
    with closing(open_admin(local)) as admin:
        admin.commit(local.group, {(topic, 0): 99})

    with pytest.raises(OffsetOutOfRangeError, match="but the broker holds 0 to 0"):
        pipeline.run().wait_until_finish()


def test_a_reader_resumed_from_a_mark_continues_at_the_exact_next_offset(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"%d" % number for number in range(100)])
    source = source_of(local, topic, start="earliest", chunk_rows=7)
    coder = source.get_checkpoint_mark_coder()
    first = source.create_reader(None, None)
    head = read(first, 21)

    mark = coder.decode(coder.encode(first.get_checkpoint_mark()))
    assert [position[:3] for position in mark.positions] == [((topic, 0), 21, T0_US + 20_000)]
    assert mark.positions[0].topic_id
    tail = read(source.create_reader(None, mark), 79)
    again = read(source.create_reader(None, mark), 79)

    assert head == [b"%d" % number for number in range(21)]
    assert tail == again == [b"%d" % number for number in range(21, 100)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Partition]:
    """The partitions for which this process opened a consumer, in order."""
    partitions: list[Partition] = []

    def counting(settings: KafkaSettings, topic: str, partition: int, offset: int) -> ChunkConsumer:
        partitions.append((topic, partition))
        return open_consumer(settings, topic, partition, offset)

    monkeypatch.setattr(process, "open_consumer", counting)
    return partitions


def test_two_live_readers_of_one_partition_do_not_slow_each_other_down(
    local: KafkaSettings, new_topic: Topics, send: Send, opened: list[Partition]
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"%d" % number for number in range(60)])
    source = source_of(local, topic, start="earliest", chunk_rows=10)
    readers = [source.create_reader(None, None) for _ in range(2)]
    seen: list[list[bytes]] = [[], []]

    deadline = time.monotonic() + 10
    while min(map(len, seen)) < 60 and time.monotonic() < deadline:
        for reader, values in zip(readers, seen, strict=True):
            values.extend(reader.get_current().values if reader.advance() else [])

    assert seen == [[b"%d" % number for number in range(60)]] * 2
    assert opened == [(topic, 0)] * 2


def test_many_readers_of_one_partition_share_a_few_consumers(
    local: KafkaSettings, new_topic: Topics, send: Send, opened: list[Partition]
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"%d" % number for number in range(100)])
    source = source_of(local, topic, chunk_rows=1)

    for offset in range(0, 100, 10):
        reader = source.create_reader(None, Mark((Position((topic, 0), offset),)))
        assert read(reader, 1) == [b"%d" % offset]

    assert len(opened) == process.CONSUMERS_MAX


def test_two_hundred_rebuilt_readers_share_one_consumer(
    settings: KafkaSettings, new_topic: Topics, send: Send, opened: list[Partition]
) -> None:
    topic = new_topic(settings)
    send(settings, topic, [b"%d" % number for number in range(200)])
    source = source_of(settings, topic, start="earliest", chunk_rows=1)
    mark, values = None, []
    for _ in range(200):
        reader = source.create_reader(None, mark)
        values += read(reader, 1)
        mark = reader.get_checkpoint_mark()
        reader.close()

    assert values == [b"%d" % number for number in range(200)]
    assert opened == [(topic, 0)]


def test_a_consumer_nobody_polls_is_closed_and_reopened_when_needed(
    local: KafkaSettings,
    new_topic: Topics,
    send: Send,
    opened: list[Partition],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic, other = new_topic(local), new_topic(local)
    send(local, topic, [b"a", b"b"])
    source = source_of(local, topic, start="earliest", chunk_rows=1)
    reader = source.create_reader(None, None)
    assert read(reader, 1) == [b"a"]

    monkeypatch.setattr(process, "CONSUMER_IDLE_S", 0.0)
    process.shared_consumer(local, (other, 0))
    monkeypatch.undo()

    assert read(source.create_reader(None, reader.get_checkpoint_mark()), 1) == [b"b"]
    assert opened == [(topic, 0)] * 2


@pytest.mark.parametrize(
    ("start", "first"), [("earliest", 0), ("committed", 4), ("latest", 10), (T0_US - 1, 0)]
)
def test_a_reader_without_a_mark_starts_where_it_is_told(
    local: KafkaSettings, new_topic: Topics, send: Send, start: Start, first: int
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"%d" % number for number in range(10)])
    with closing(open_admin(local)) as admin:
        admin.commit(local.group, {(topic, 0): 4})
    reader = source_of(local, topic, start=start).create_reader(None, None)

    values = list(reader.get_current().values) if reader.start() else []
    send(local, topic, [b"10"])
    deadline = time.monotonic() + 10
    while b"10" not in values and time.monotonic() < deadline:
        values += reader.get_current().values if reader.advance() else []

    assert values == [b"%d" % number for number in range(first, 11)]


def test_a_partition_without_a_committed_offset_starts_at_the_earliest(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"a"])

    assert read(source_of(local, topic).create_reader(None, None), 1) == [b"a"]


def test_a_start_outside_the_log_fails_at_construction_and_names_the_command_that_mends_it(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"a"] * 3)
    with closing(open_admin(local)) as admin:
        admin.commit(local.group, {(topic, 0): 99})

    with pytest.raises(
        OffsetOutOfRangeError, match=rf"stands at {topic}\[0\]@99 .* 0 to 3; move it"
    ) as caught:
        ReadChunks(local, topic)
    with pytest.raises(OffsetOutOfRangeError):
        source_of(local, topic)

    command = str(caught.value).partition("move it with: python ")[2]
    subprocess.run([sys.executable, *shlex.split(command)], check=True, capture_output=True)
    ReadChunks(local, topic)
    with closing(open_admin(local)) as admin:
        assert admin.committed(local.group, [(topic, 0)]) == {(topic, 0): 0}


def test_a_missing_topic_fails_at_construction(local: KafkaSettings) -> None:
    with pytest.raises(BrokerError, match=r"topic 'nowhere' does not exist at .* topics create -t nowhere"):
        ReadChunks(local, "nowhere")


def test_finalizing_twice_or_late_commits_the_newest_position_once() -> None:
    admin = RecordingAdmin()
    settings = KafkaSettings("127.0.0.1:1", group="finalize")
    line = BrokerLine(settings, open_=lambda _: admin)  # type: ignore[arg-type, return-value]
    assert PROCESS.shared("broker line", settings, lambda: line) is line
    older, newer = (Mark((Position(("t", 0), offset),), settings) for offset in (5, 9))

    for mark in (older, newer, newer, older):
        mark.finalize_checkpoint()
    line.exchange()
    older.finalize_checkpoint()
    line.exchange()

    assert admin.commits == [{("t", 0): 9}]


def test_a_failing_commit_is_logged_once_a_minute_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    admin = RecordingAdmin()
    admin.broken = True
    clock = Clock()
    line = BrokerLine(KafkaSettings("b:9092"), open_=lambda _: admin, clock=clock)  # type: ignore[arg-type, return-value]
    line.commit(("t", 0), 3)

    for _ in range(100):
        line.exchange()
        clock.sleep(1)
    assert [record.message for record in caplog.records] == [
        "kafka housekeeping failed and will be tried again: down for the test"
    ] * 2
    admin.broken = False
    line.exchange()

    assert admin.commits == [{("t", 0): 3}]


def test_a_topic_that_is_deleted_while_it_is_read_is_told_with_the_next_step(
    local: KafkaSettings, new_topic: Topics, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(local, client="kafka-python")  # librdkafka crashes on what the embedded broker answers
    topic = new_topic(settings)
    send(settings, topic, [b"1"])
    reader = source_of(settings, topic, idle_s=0.0).create_reader(None, None)
    assert read(reader, 1) == [b"1"]
    line = process.broker_line(settings)
    line.log_end((topic, 0))
    line.exchange()
    assert not [each for each in caplog.records if each.name == process.__name__]

    subprocess.run(
        [sys.executable, "-m", "kafka.admin", "-b", settings.brokers, "topics", "delete", "-t", topic],
        check=True,
        capture_output=True,
    )
    line.exchange()

    told = [each.message for each in caplog.records if each.name == process.__name__]
    if not told and "likely recreated" in caplog.text:
        pytest.skip("the embedded broker made the topic again while a client looked at it")
    assert told == [
        f"nothing is read: topic {topic!r} does not exist at {settings.brokers}; create it with: "
        f"python -m kafka.admin -b {settings.brokers} topics create -t {topic} --num-partitions 8"
    ]
    assert not reader.advance()


def test_a_closed_line_sends_what_is_left_and_looks_nothing_up() -> None:
    admin = RecordingAdmin()
    line = BrokerLine(KafkaSettings("b:9092"), open_=lambda _: admin)  # type: ignore[arg-type, return-value]
    line.commit(("t", 0), 3)
    line.log_end(("unknown to the admin", 0))

    line.close()
    line.run()

    assert admin.commits == [{("t", 0): 3}]


def test_each_client_of_a_process_has_consumers_of_its_own() -> None:
    by_client = [
        process.shared_consumer(KafkaSettings("b:9092", client=client), ("t", 0))  # type: ignore[arg-type]
        for client in ("confluent", "kafka-python", "confluent")
    ]

    assert by_client[0] is by_client[2]
    assert by_client[0] is not by_client[1]


def test_a_log_end_is_as_old_as_the_question_and_stays_old_while_the_broker_is_away() -> None:
    admin = RecordingAdmin({("t", 0): 42})
    line = BrokerLine(KafkaSettings("b:9092"), open_=lambda _: admin)  # type: ignore[arg-type, return-value]
    assert line.log_end(("t", 0)) is None

    line.exchange()
    known = line.log_end(("t", 0))
    assert known is not None and known.offset == 42
    admin.broken = True
    line.exchange()

    assert line.log_end(("t", 0)) == known


def test_the_watermark_trails_the_newest_timestamp_by_the_allowed_disorder(
    local: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(local)
    send(local, topic, [b"late", b"later"], first_us=T0_US + 500_000, step_us=-500_000)
    source = source_of(local, topic, start="earliest", out_of_orderness_us=3_000_000)
    reader = ChunkReader(source, Position((topic, 0), 0), clock=Clock())
    assert reader.get_watermark() == MIN_TIMESTAMP

    read(reader, 2)

    assert reader.get_watermark() == Timestamp(micros=T0_US + 500_000 - 3_000_000)
    assert reader.get_current_timestamp() == Timestamp(micros=T0_US + 500_000)


@pytest.mark.parametrize(
    "case",
    [
        (1.9, LogEnd(3, T0_US + 60_000_000), T0_US + 2000),  # not idle long enough
        (2.0, LogEnd(3, T0_US + 60_000_000), T0_US + 60_000_000),  # idle and caught up
        (60.0, LogEnd(4, T0_US + 60_000_000), T0_US + 2000),  # idle but one message behind
        (60.0, None, T0_US + 2000),  # idle, broker has not answered
        (60.0, LogEnd(3, T0_US - 60_000_000), T0_US + 2000),  # the clock never pulls it back
    ],
)
def test_only_an_idle_and_caught_up_partition_follows_the_clock(
    local: KafkaSettings, new_topic: Topics, send: Send, case: tuple[float, LogEnd | None, int]
) -> None:
    quiet_s, end, expected = case
    topic = new_topic(local)
    send(local, topic, [b"x"] * 3)
    source = source_of(local, topic, start="earliest", out_of_orderness_us=1000, idle_s=2.0)
    clock = Clock()
    reader = ChunkReader(source, Position((topic, 0), 0), log_end=lambda _: end, clock=clock)
    read(reader, 3)

    clock.now += quiet_s

    assert reader.get_watermark() == Timestamp(micros=expected - 1000)


def test_a_timestamp_from_a_clock_that_is_years_ahead_does_not_move_the_watermark(
    local: KafkaSettings, new_topic: Topics
) -> None:
    topic = new_topic(local)
    producer = open_producer(local)
    for at_us in (T0_US, T0_US * 2, T0_US + 5000):
        producer.send(topic, b"", b"x", (), at_us, partition=0)
    producer.flush()
    reader = ChunkReader(
        source_of(local, topic, start="earliest", out_of_orderness_us=1000), Position((topic, 0), 0)
    )

    read(reader, 3)

    assert reader.get_watermark() == Timestamp(micros=T0_US + 5000 - 1000)


def test_an_empty_partition_follows_the_clock_too(local: KafkaSettings, new_topic: Topics) -> None:
    topic = new_topic(local)
    clock = Clock()
    reader = ChunkReader(
        source_of(local, topic, start="earliest", out_of_orderness_us=1000),
        Position((topic, 0), 0),
        log_end=lambda _: LogEnd(0, T0_US),
        clock=clock,
    )
    assert not reader.start()
    assert reader.get_watermark() == MIN_TIMESTAMP

    clock.now += 10

    assert reader.get_watermark() == Timestamp(micros=T0_US - 1000)


def test_a_resumed_reader_keeps_the_watermark(local: KafkaSettings, new_topic: Topics) -> None:
    source = source_of(local, new_topic(local), out_of_orderness_us=1000)

    reader = source.create_reader(None, Mark((Position(source.partitions[0], 0, T0_US),)))

    assert reader.get_watermark() == Timestamp(micros=T0_US - 1000)


class Part:
    """A reader of one partition that has so many chunks."""

    def __init__(self, number: int, chunks: int, watermark: int) -> None:
        self.number, self.chunks, self.watermark = number, chunks, watermark

    def advance(self) -> bool:
        self.chunks -= 1
        return self.chunks >= 0

    def get_current(self) -> int:
        return self.number

    def get_watermark(self) -> Timestamp:
        return Timestamp(self.watermark)


def rounds(reader: TogetherReader, count: int) -> list[list[int]]:
    """Return of each of so many rounds whose chunks came, in order."""
    found: list[list[int]] = []
    available = reader.start()
    for _ in range(count):
        found.append([])
        while available:
            found[-1].append(reader.get_current())  # type: ignore[arg-type]
            available = reader.advance()
        available = reader.advance()
    return found


def test_a_backlog_of_one_partition_keeps_no_other_waiting_and_after_a_round_the_reader_rests() -> None:
    settings, clock = KafkaSettings("nowhere:1", group="rounds"), Clock()
    source = TogetherSource(ChunkSource(settings, (("t", 0),)), 2, 0.25)
    parts: list[Any] = [Part(0, 5, 30), Part(1, 0, 10), Part(2, 1, 20)]
    reader = TogetherReader(source, parts, clock=clock, sleep=clock.sleep)

    assert rounds(reader, 3) == [[0, 0, 2], [0, 0], [0]]
    assert clock.slept == [0.25] * 3
    assert reader.get_watermark() == Timestamp(10)


def test_a_mark_of_all_partitions_resumes_each(local: KafkaSettings, new_topic: Topics) -> None:
    topic = new_topic(local, 2)
    whole = ChunkSource(local, ((topic, 0), (topic, 1)), "earliest")
    (source,) = TogetherSource(whole, 2).split(20)
    begun = source.create_reader(None, None).get_checkpoint_mark()
    assert [(each.at, each.next_offset) for each in begun.positions] == [((topic, 0), 0), ((topic, 1), 0)]
    stood = Mark((begun.positions[0]._replace(next_offset=3), begun.positions[1]._replace(newest_us=T0_US)))

    coder = source.get_checkpoint_mark_coder()
    again = source.create_reader(None, coder.decode(coder.encode(stood)))

    assert again.get_checkpoint_mark().positions == stood.positions


class StopAfter(beam.DoFn):
    """Collects values and ends the endless pipeline by failing once `limit` were seen."""

    seen: ClassVar[list[bytes]] = []

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def process(self, chunk: Chunk) -> None:
        StopAfter.seen += chunk.values
        if len(StopAfter.seen) >= self.limit:
            raise RuntimeError("seen enough")


def run_until(read: ReadChunks, limit: int) -> list[bytes]:
    StopAfter.seen = []
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", "--streaming"]))
    pipeline | read | beam.ParDo(StopAfter(limit))
    with pytest.raises(RuntimeError, match="seen enough"):
        pipeline.run().wait_until_finish()
    return StopAfter.seen


def test_a_pipeline_reads_all_partitions_of_all_topics_and_a_second_run_continues_at_the_commit(
    settings: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topics = [new_topic(settings, 2), new_topic(settings, 2)]
    expected = set()
    for topic in topics:
        for partition in range(2):
            values = [f"{topic}[{partition}]@{number}".encode() for number in range(50)]
            send(settings, topic, values, partition=partition)
            expected |= set(values)

    seen = run_until(ReadChunks(settings, *topics, chunk_rows=10, max_bundle_chunks=2), 200)
    assert set(seen) == expected
    assert len(seen) == 200

    process.broker_line(settings).exchange()
    with closing(open_admin(settings)) as admin:
        committed = admin.committed(settings.group, [(topic, n) for topic in topics for n in range(2)])
    assert sum(committed.values()) > 0
    send(settings, topics[0], [b"new"])
    rest = run_until(ReadChunks(settings, *topics), 201 - sum(committed.values()))
    assert set(rest) == {b"new"} | {
        value for value in expected if int(value.split(b"@")[1]) >= committed_of(committed, value)
    }


def committed_of(committed: dict[Partition, int], value: bytes) -> int:
    topic, _, rest = value.decode().partition("[")
    return committed.get((topic, int(rest.split("]")[0])), 0)
