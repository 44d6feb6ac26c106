"""The keyed source as an object: state and timer are stand-ins, the broker is real."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import MIN_TIMESTAMP

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.keyed_source import ASK_S, ReadByTimer, Reports, _Deal
from pipelines.kafka.reading.marks import Mark, Position
from pipelines.kafka.reading.source import ChunkReader, ChunkSource

FIRST_US = 1_700_000_000_000_000
_topics = count(1)


class Held:
    """A state or a timer that holds one value."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def read(self) -> Any:
        return self.value

    def write(self, value: Any) -> None:
        self.value = value

    set = write


@pytest.fixture(scope="module")
def settings() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(broker.address)
        process.close_connections()


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    name = f"payments_{next(_topics)}"
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic(name, 3)])
    return name


def send(settings: KafkaSettings, topic: str, values: range, partition: int = 0) -> None:
    producer = open_producer(settings)
    for value in values:
        producer.send(topic, b"", b"%d" % value, (), FIRST_US + value * 1000, partition=partition)
    producer.flush()


def reader(settings: KafkaSettings, topic: str, pauses: list[float] | None = None) -> ReadByTimer:
    source = ChunkSource(settings, ((topic, 0),), "earliest")
    read = ReadByTimer(source, 4, 0.02, (pauses if pauses is not None else []).append)
    read.setup()
    return read


def fire(read: ReadByTimer, positions: Held, again: Held) -> list[Chunk]:
    read.start_bundle()
    chunks = [output.value for output in read.read(positions, again) if not isinstance(output, TaggedOutput)]
    read.finish_bundle()
    return chunks


def fire_until(read: ReadByTimer, positions: Held, again: Held, rows: int) -> list[bytes]:
    values: list[bytes] = []
    while len(values) < rows:
        values += [value for chunk in fire(read, positions, again) for value in chunk.values]
    return values


def test_the_keys_share_every_partition_and_no_partition_has_two(settings: KafkaSettings, topic: str) -> None:
    source = ChunkSource(settings, tuple((topic, number) for number in range(3)), "earliest")

    dealt = dict(_Deal(source, ["a", "b"]).process(b""))

    assert set(dealt) == {"a", "b"}
    assert sorted(each.at[1] for mark in dealt.values() for each in mark.positions) == [0, 1, 2]


@pytest.mark.parametrize("counts", [(4, 1, 1, 1, 1), (1, 1, 4), (1,), (8, 8), (2, 1, 3)])
@pytest.mark.parametrize("readers", [1, 2, 8])
def test_no_key_is_left_without_a_partition(counts: tuple[int, ...], readers: int) -> None:
    every = tuple((f"topic-{n}", number) for n, count in enumerate(counts) for number in range(count))
    source = ChunkSource(KafkaSettings("b:9092"), every, "earliest")

    hands = source.hands(readers)

    dealt = [[at for at in every if source.is_dealt(at, (hand, hands))] for hand in range(hands)]
    assert all(dealt)
    assert sorted(at for of in dealt for at in of) == sorted(every)


def test_what_a_key_is_dealt_is_kept_and_read_at_once(settings: KafkaSettings, topic: str) -> None:
    positions, again = Held(), Held()
    mark = Mark((Position((topic, 0), 0),))

    reader(settings, topic).process(("a", mark), positions, again)

    assert positions.value is mark
    assert again.value == MIN_TIMESTAMP


def test_each_firing_goes_on_where_the_last_one_stopped_and_stands_at_the_watermark(
    settings: KafkaSettings, topic: str
) -> None:
    send(settings, topic, range(5000))
    positions, again = Held(Mark((Position((topic, 0), 0),))), Held()

    values = fire_until(reader(settings, topic), positions, again, 5000)

    assert values == [b"%d" % value for value in range(5000)]
    (stands,) = positions.value.positions
    assert stands[:3] == ((topic, 0), 5000, FIRST_US + 4999 * 1000)  # the topic's id comes in its time
    assert again.value.micros == FIRST_US + 4999 * 1000 - 2_000_000


def test_a_reader_says_how_many_messages_the_broker_holds_beyond_it(
    settings: KafkaSettings, topic: str
) -> None:
    send(settings, topic, range(5000))
    source = ChunkSource(settings, ((topic, 0),), "earliest", chunk_rows=500)
    reading = ChunkReader(source, Position((topic, 0), 0))

    while not reading.advance():
        pass
    assert reading.behind == 5000 - len(reading.get_current().values)

    while reading.behind:
        reading.advance()
    assert reading.get_checkpoint_mark().positions[0].next_offset == 5000


def test_a_bundle_that_failed_is_read_again(settings: KafkaSettings, topic: str) -> None:
    send(settings, topic, range(100))
    read, again = reader(settings, topic), Held()
    before = Mark((Position((topic, 0), 0),))

    first = fire_until(read, Held(before), again, 100)
    second = fire_until(read, Held(before), again, 100)

    assert first == second


def look_ahead(read: ReadByTimer, until: int) -> list[Chunk]:
    """Look ahead until so many chunks were found, as the broker sends them."""
    found: list[Chunk] = []

    def begin(chunk: Chunk) -> Chunk:
        found.append(chunk)
        return chunk._replace(ahead=Future())

    deadline = time.monotonic() + 10
    while len(found) < until and time.monotonic() < deadline:
        read.look_ahead(begin)
    return found


def test_what_was_looked_ahead_is_read_next_as_it_was_begun(settings: KafkaSettings, topic: str) -> None:
    send(settings, topic, range(20_000))
    read, positions, again = reader(settings, topic), Held(Mark((Position((topic, 0), 0),))), Held()
    values = fire_until(read, positions, again, 1)

    ahead = look_ahead(read, 3)
    stood_at = positions.value.positions[0].next_offset
    chunks = fire(read, positions, again)
    values += [value for chunk in chunks for value in chunk.values]
    values += fire_until(read, positions, again, 20_000 - len(values))

    assert stood_at == ahead[0].offsets[0]
    assert [chunk.ahead is not None for chunk in chunks[: len(ahead)]] == [True] * len(ahead)
    assert values == [b"%d" % value for value in range(20_000)]


def test_what_was_looked_ahead_is_read_again_by_who_goes_back(settings: KafkaSettings, topic: str) -> None:
    send(settings, topic, range(20_000))
    read, before, again = reader(settings, topic), Mark((Position((topic, 0), 0),)), Held()
    fire_until(read, Held(before), again, 1)
    look_ahead(read, 1)

    assert fire_until(read, Held(before), again, 20_000) == [b"%d" % value for value in range(20_000)]


def test_nothing_is_looked_ahead_where_less_than_a_chunk_waits(settings: KafkaSettings, topic: str) -> None:
    send(settings, topic, range(2_100))
    read, positions, again = reader(settings, topic), Held(Mark((Position((topic, 0), 0),))), Held()
    read._max_firing_chunks = 1
    fire_until(read, positions, again, 1)
    end = positions.value.positions[0].next_offset

    time.sleep(0.2)
    found: list[Chunk] = []
    read.look_ahead(lambda chunk: found.append(chunk) or chunk)  # type: ignore[func-returns-value]

    assert 0 < end <= 2_000
    assert (2_100 - end >= 2_000) == bool(found)


def test_a_source_rests_only_after_a_bundle_that_found_nothing(settings: KafkaSettings, topic: str) -> None:
    send(settings, topic, range(10))
    pauses: list[float] = []
    read, positions, again = reader(settings, topic, pauses), Held(Mark((Position((topic, 0), 0),))), Held()
    fire_until(read, positions, again, 10)
    pauses.clear()

    fire(read, positions, again)

    assert pauses == [0.02]


def test_a_bundle_that_only_deals_does_not_rest(settings: KafkaSettings, topic: str) -> None:
    pauses: list[float] = []
    read = reader(settings, topic, pauses)

    read.start_bundle()
    read.process(("a", Mark((Position((topic, 0), 0),))), Held(), Held())
    read.finish_bundle()

    assert pauses == []


def test_each_firing_says_where_reading_stands_after_what_it_read(
    settings: KafkaSettings, topic: str
) -> None:
    send(settings, topic, range(10))
    read, positions = reader(settings, topic), Held(Mark((Position((topic, 0), 0),)))
    fire_until(read, positions, Held(), 10)

    read.start_bundle()
    (stands,) = read.read(positions, Held())
    read.finish_bundle()

    assert stands.tag == "reached"
    assert [(each.at, each.next_offset) for each in stands.value.positions] == [((topic, 0), 10)]


@pytest.fixture
def told() -> list[tuple[Any, int]]:
    return []


@pytest.fixture
def clock() -> Held:
    return Held(100.0)


@pytest.fixture
def reports(told: list[tuple[Any, int]], clock: Held) -> Reports:
    return Reports(lambda at, offset: told.append((at, offset)), clock.read)


AT = ("payments", 0)


def asked(reports: Reports, clock: Held, offset: int) -> Callable[[], None]:
    """The report of a bundle that starts when the next one is due."""
    clock.value += ASK_S
    report = reports.about({AT: offset})
    assert report is not None
    return report


def test_what_a_round_of_reports_names_is_committed_when_the_next_round_begins(
    reports: Reports, clock: Held, told: list[tuple[Any, int]]
) -> None:
    for report in [asked(reports, clock, 10), asked(reports, clock, 20)]:
        report()
    assert told == []

    asked(reports, clock, 30)()
    assert told == [(AT, 20)]


def test_where_reading_rests_is_reported_until_it_is_committed(
    reports: Reports, clock: Held, told: list[tuple[Any, int]]
) -> None:
    asked(reports, clock, 10)()
    asked(reports, clock, 10)()
    assert told == [(AT, 10)]

    clock.value += ASK_S
    assert reports.about({AT: 10}) is None


def test_a_partition_is_reported_once_in_a_while_and_each_in_its_own_time(
    reports: Reports, clock: Held
) -> None:
    asked(reports, clock, 10)

    assert reports.about({AT: 20}) is None
    assert reports.about({("payments", 1): 5}) is not None
