"""Replay: one order, the same every time, and an end."""

import itertools
from collections.abc import Callable
from contextlib import closing
from typing import ClassVar

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import merge
from pipelines.kafka.reading.bounded import ReadChunksBounded, ReplaySource
from pipelines.kafka.reading.bounds import Bound, captured_bounds, read_once
from pipelines.kafka.reading.marks import MarkCoder
from pipelines.kafka.reading.merge import Lane, merged
from schemas.errors import BrokerError
from schemas.rows.values import Values

T0_US = 1_700_000_000_000_000

Send = Callable[..., None]
Topics = Callable[..., str]
Row = tuple[str, int, int, int, bytes]


class ListConsumer:
    """A partition that is a list of (offset, timestamp), served in pieces of the given sizes."""

    def __init__(self, log: list[tuple[int, int]], end: int, sizes: list[int]) -> None:
        self._log = list(log)
        self._end = end
        self._sizes = itertools.cycle(sizes)
        self._position = 0

    def poll(self, max_rows: int) -> Chunk | None:
        size = min(next(self._sizes), max_rows)
        piece, self._log = self._log[:size], self._log[size:]
        if not self._log:
            self._position = self._end
        if not piece:
            return None
        self._position = max(self._position, piece[-1][0] + 1)
        offsets, timestamps = (np.array(column, np.int64) for column in zip(*piece, strict=True))
        return Chunk(
            "t",
            Values.of([b"%d" % o for o in offsets]),
            np.zeros(len(piece), np.int32),
            offsets,
            timestamps,
        )

    def position(self) -> int:
        return self._position


logs = st.lists(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), max_size=30), min_size=1, max_size=4
)


@given(logs, st.lists(st.integers(0, 7), min_size=1, max_size=5).filter(any), st.integers(1, 10))
def test_the_merge_does_not_depend_on_how_messages_arrive(
    steps: list[list[tuple[int, int]]], sizes: list[int], cut_rows: int
) -> None:
    """Steps are (offset gap, timestamp); the oracle sorts the whole at once."""
    lanes, expected = [], []
    for index, log in enumerate(steps):
        offsets = list(itertools.accumulate((gap for gap, _ in log), initial=-1))[1:]
        rows = [(offset, timestamp) for offset, (_, timestamp) in zip(offsets, log, strict=True)]
        end = offsets[-1] + 2 if offsets else 1
        keys = itertools.accumulate((timestamp for _, timestamp in rows), max)
        expected += [(key, index, offset) for key, (offset, _) in zip(keys, rows, strict=True)]
        lanes.append(Lane(index, Bound(("t", index), 0, end), -1, ListConsumer(rows, end, sizes)))  # type: ignore[arg-type]

    cuts = list(merged(lanes, cut_rows))

    assert [(int(row["key"]), int(row["lane"]), int(row["offset"])) for cut in cuts for row in cut] == sorted(
        expected
    )
    assert [len(cut) for cut in cuts[:-1]] == [cut_rows] * max(0, len(cuts) - 1)


def test_messages_beyond_the_captured_end_are_left_out() -> None:
    consumer = ListConsumer([(offset, offset) for offset in range(10)], 10, [4])
    lane = Lane(0, Bound(("t", 0), 0, 6), -1, consumer)  # type: ignore[arg-type]

    (cut,) = merged([lane], 100)

    assert cut["offset"].tolist() == list(range(6))


def test_messages_that_never_come_end_the_replay_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "STALL_S", 0.05)

    class Silent:
        def poll(self, max_rows: int) -> None:
            return None

        def position(self) -> int:
            return 0

    with pytest.raises(BrokerError, match=r"t\[3\] brought nothing for .* at offset 0, and held 8"):
        list(merged([Lane(0, Bound(("t", 3), 0, 8), -1, Silent())], 10))  # type: ignore[arg-type]


@pytest.fixture
def world(local: KafkaSettings, new_topic: Topics) -> tuple[str, str]:
    return filled(local, new_topic)


def filled(settings: KafkaSettings, new_topic: Topics) -> tuple[str, str]:
    """Two topics, three and one partitions, 900 and 90 messages whose times interleave with some disorder."""
    payments, clues = new_topic(settings, 3), new_topic(settings, 1)
    producer = open_producer(settings)
    for number in range(900):
        at_us = T0_US + number * 10_000 - (50_000 if number % 7 == 0 else 0)
        producer.send(payments, b"key", b"p%d" % number, (), at_us, partition=number * 7 % 3)
        if number % 10 == 0:
            producer.send(clues, b"key", b"c%d" % number, (), at_us + 1000, partition=0)
    producer.flush()
    return payments, clues


def rows_of(chunks: list[Chunk]) -> list[Row]:
    return [
        (chunk.topic, int(partition), int(offset), int(timestamp), value)
        for chunk in chunks
        for value, partition, offset, timestamp in zip(*chunk[1:5], strict=True)
    ]


def source_of(settings: KafkaSettings, *topics: str, chunk_rows: int = 64) -> ReplaySource:
    return ReplaySource(settings, captured_bounds(settings, topics), chunk_rows, 100_000)


def test_every_message_is_handed_out_once_in_time_order_and_then_it_ends(
    settings: KafkaSettings, new_topic: Topics
) -> None:
    payments, _ = filled(settings, new_topic)
    with closing(source_of(settings, payments).create_reader(None, None)) as reader:
        assert reader.get_watermark() == MIN_TIMESTAMP
        chunks, watermarks = [], []
        available = reader.start()
        while available:
            chunks.append(reader.get_current())
            watermarks.append(reader.get_watermark())
            available = reader.advance()
        assert reader.get_watermark() == MAX_TIMESTAMP
        assert not reader.advance()

    rows = rows_of(chunks)
    assert sorted(row[4] for row in rows) == sorted(b"p%d" % number for number in range(900))
    assert [len(chunk.values) for chunk in chunks] == [64] * 14 + [4]
    newest = dict.fromkeys(range(3), 0)
    keys = []
    for _, partition, offset, timestamp, _ in rows:
        newest[partition] = max(newest[partition], timestamp)
        keys.append((newest[partition], partition, offset))
    assert keys == sorted(keys)
    assert watermarks == sorted(watermarks)
    assert watermarks[-1] == Timestamp(micros=keys[-1][0] - 100_000)


def test_topics_are_merged_too_with_one_chunk_per_topic_and_cut(
    local: KafkaSettings, world: tuple[str, str]
) -> None:
    payments, clues = world
    with closing(source_of(local, clues, payments).create_reader(None, None)) as reader:
        chunks = [reader.get_current()] if reader.start() else []
        while reader.advance():
            chunks.append(reader.get_current())

    assert [chunk.topic for chunk in chunks[:4]] == [clues, payments, clues, payments]
    assert len(chunks[0].values) + len(chunks[1].values) == 64
    assert len(rows_of(chunks)) == 990
    for topic, count in ((payments, 900), (clues, 90)):
        assert sum(row[0] == topic for row in rows_of(chunks)) == count


def test_a_reader_resumed_anywhere_hands_out_exactly_the_rest(
    local: KafkaSettings, world: tuple[str, str]
) -> None:
    source = source_of(local, *world)
    whole, marks = [], []
    with closing(source.create_reader(None, None)) as reader:
        available = reader.start()
        while available:
            whole.append(reader.get_current())
            marks.append(MarkCoder().encode(reader.get_checkpoint_mark()))
            available = reader.advance()

    for taken in (1, 2, 7, len(whole)):
        with closing(source.create_reader(None, MarkCoder().decode(marks[taken - 1]))) as reader:
            rest = [reader.get_current()] if reader.start() else []
            while reader.advance():
                rest.append(reader.get_current())
        assert [rows_of([chunk]) for chunk in rest] == [rows_of([chunk]) for chunk in whole[taken:]]


class Keep(beam.DoFn):
    """Keeps what each bundle held, in the order it came."""

    bundles: ClassVar[list[list[Chunk]]] = []

    def start_bundle(self) -> None:
        Keep.bundles.append([])

    def process(self, chunk: Chunk) -> None:
        Keep.bundles[-1].append(chunk)


def replay(settings: KafkaSettings, *topics: str) -> list[list[list[Row]]]:
    Keep.bundles = []
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        pipeline | ReadChunksBounded(settings, *topics, chunk_rows=64, bundle_chunks=5) | beam.ParDo(Keep())
    return [[rows_of([chunk]) for chunk in bundle] for bundle in Keep.bundles if bundle]


def test_two_replays_hand_out_the_same_elements_in_the_same_order_and_bundles(
    local: KafkaSettings, world: tuple[str, str]
) -> None:
    first = replay(local, *world)
    second = replay(local, *world)

    assert first == second
    assert sum(len(chunk) for bundle in first for chunk in bundle) == 990
    assert {len(bundle) for bundle in first[:-1]} == {5}


def test_messages_sent_after_construction_are_not_part_of_the_replay(
    local: KafkaSettings, world: tuple[str, str], send: Send
) -> None:
    payments, _ = world
    source = source_of(local, payments)
    send(local, payments, [b"too late"] * 5, first_us=T0_US)

    with closing(source.create_reader(None, None)) as reader:
        rows = rows_of([reader.get_current()] if reader.start() else [])
        while reader.advance():
            rows += rows_of([reader.get_current()])

    assert len(rows) == 900
    assert b"too late" not in {row[4] for row in rows}


def test_an_empty_topic_replays_to_nothing_and_ends(local: KafkaSettings, new_topic: Topics) -> None:
    assert replay(local, new_topic(local, 2)) == []


def test_a_replay_commits_nothing(local: KafkaSettings, world: tuple[str, str]) -> None:
    payments, _ = world
    replay(local, payments)

    with closing(open_admin(local)) as admin:
        assert admin.committed(local.group, [(payments, n) for n in range(3)]) == {}


def test_a_missing_topic_fails_at_construction(local: KafkaSettings) -> None:
    with pytest.raises(BrokerError, match="topic 'nowhere' does not exist"):
        ReadChunksBounded(local, "nowhere")


@pytest.mark.java
def test_gaps_left_by_transactions_do_not_hold_up_the_end(
    apache: object, drain: object, request: pytest.FixtureRequest
) -> None:
    from kafka import KafkaProducer

    settings = KafkaSettings(apache.address, client="confluent")  # type: ignore[attr-defined]
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic("replay_gaps", 1)])
    with closing(KafkaProducer(bootstrap_servers=settings.brokers, transactional_id="replay")) as raw:
        raw.init_transactions()
        for number in range(3):
            raw.begin_transaction()
            raw.send("replay_gaps", b"%d" % number, b"key")
            raw.commit_transaction()

    (bundle,) = replay(settings, "replay_gaps")

    assert [row[4] for chunk in bundle for row in chunk] == [b"0", b"1", b"2"]


def test_a_process_reads_what_brokers_hold_once_and_never_takes_one_broker_for_another() -> None:
    asked = []

    @read_once
    def read(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> str:
        asked.append(settings.brokers)
        return f"{settings.brokers} to {bounds[0].end}"

    one, other, bounds = KafkaSettings("one:9092"), KafkaSettings("other:9092"), (Bound(("t", 0), 0, 3),)

    assert [read(each, bounds) for each in (one, KafkaSettings("one:9092"), other)] == [
        "one:9092 to 3", "one:9092 to 3", "other:9092 to 3",
    ]  # fmt: skip
    assert asked == ["one:9092", "other:9092"]
