"""What real brokers do to their topics: open transactions, growth, deletion, loss; asked of both clients."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import confluent_kafka as ck
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from pipelines.kafka.clients import confluent_admin
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import free_port
from pipelines.kafka.port import (
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    OffsetOutOfRangeError,
    close_producers,
    open_admin,
    open_consumer,
)
from pipelines.kafka.reading import bounds, process
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within
from pipelines.kafka.reading.keyed_source import ReadByTimer, _Deal
from pipelines.kafka.reading.marks import Mark
from pipelines.kafka.reading.source import ChunkReader, ChunkSource
from pipelines.kafka.reading.together import ReadChunks
from schemas.errors import BrokerError
from tests.flink.test_keyed_source import Held, fire
from tests.kafka.conftest import CLIENTS, new_name

Send = Callable[..., None]
Topics = Callable[..., str]
Drain = Callable[..., list[Chunk]]
Open = Callable[..., ChunkConsumer]
Transaction = Callable[..., KafkaProducer]

java = pytest.mark.java


@pytest.fixture(params=CLIENTS)
def real(apache: ApacheKafka, request: pytest.FixtureRequest) -> KafkaSettings:
    """A client on Apache Kafka, whatever else is tried."""
    return KafkaSettings(apache.address, group=new_name(request, "group"), client=request.param)


@pytest.fixture
def transaction(real: KafkaSettings) -> Iterator[Callable[..., KafkaProducer]]:
    """Open a transaction and leave it open: `transaction(topic, values)`."""
    opened: list[KafkaProducer] = []

    def open_(topic: str, *values: bytes) -> KafkaProducer:
        name = f"tx-{topic}"
        opened.append(KafkaProducer(bootstrap_servers=real.brokers, transactional_id=name))
        opened[-1].init_transactions()
        opened[-1].begin_transaction()
        for value in values:
            opened[-1].send(topic, value, b"key", partition=0)
        opened[-1].flush()
        return opened[-1]

    yield open_
    for each in opened:
        each.close(timeout=1)


def read_on(reader: ChunkReader, rows: int, seconds: float = 15) -> list[bytes]:
    values: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(values) < rows and time.monotonic() < deadline:
        values += reader.get_current().values if reader.advance() else []
    return values


def source_of(settings: KafkaSettings, topic: str, partition: int = 0) -> ChunkSource:
    counts = 1
    with closing(open_admin(settings)) as admin:
        counts = admin.describe([topic])[topic].partitions
    whole = ChunkSource(settings, tuple((topic, number) for number in range(counts)), "committed")
    return whole.split(0)[partition]


def shell(settings: KafkaSettings, *words: str) -> None:
    subprocess.run(
        ["python", "-m", "kafka.admin", "-b", settings.brokers, *words], check=True, capture_output=True
    )


@java
def test_reading_ends_before_an_open_transaction_and_lag_counts_what_waits_behind_it(
    real: KafkaSettings,
    new_topic: Topics,
    send: Send,
    drain: Drain,
    transaction: Transaction,
) -> None:
    topic = new_topic(real)
    send(real, topic, [b"1", b"2", b"3"])
    producer = transaction(topic, b"4", b"5")

    (bound,) = captured_bounds(real, (topic,))
    read = [value for chunk in chunks_within(real, (bound,)) for value in chunk.values]
    with closing(open_consumer(real, topic, 0, 0)) as consumer, closing(open_admin(real)) as admin:
        drain(consumer, 3)
        deadline = time.monotonic() + 5
        while (end := consumer.end_offset()) != 5 and time.monotonic() < deadline:
            consumer.poll(10)
        assert (bound.end, read, consumer.position(), end) == (3, [b"1", b"2", b"3"], 3, 5)
        producer.commit_transaction()
        assert [value for chunk in drain(consumer, 2) for value in chunk.values] == [b"4", b"5"]
        assert admin.end_offsets([(topic, 0)]) == {(topic, 0): 6}


@java
def test_a_job_with_commits_starts_and_keeps_house_while_a_transaction_is_open(
    real: KafkaSettings,
    new_topic: Topics,
    send: Send,
    transaction: Transaction,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic = new_topic(real)
    send(real, topic, [b"1", b"2"])
    with closing(open_admin(real)) as admin:
        admin.commit(real.group, {(topic, 0): 1})
    producer = transaction(topic, b"3")

    ReadChunks(real, topic)
    reader = source_of(real, topic).create_reader(None, None)
    assert read_on(reader, 1) == [b"2"]
    process.broker_line(real).exchange()
    end = process.broker_line(real).log_end((topic, 0))

    assert end is not None and end.offset == 2
    assert not [each for each in caplog.records if each.name == process.__name__]
    producer.abort_transaction()


def test_a_bounded_reader_gives_up_with_a_sentence(
    settings: KafkaSettings, new_topic: Topics, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "STALL_S", 3.0)
    topic = new_topic(settings)
    send(settings, topic, [b"1"])

    with pytest.raises(BrokerError, match=rf"{topic}\[0\] brought nothing .* at offset 1, and held 9"):
        list(chunks_within(settings, (Bound((topic, 0), 0, 9),)))


@java
def test_a_topic_created_anew_under_a_paused_reader_is_read_from_its_first_message(
    real: KafkaSettings, new_topic: Topics, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    topic, line = new_topic(real), process.broker_line(real)
    send(real, topic, [b"old %d" % number for number in range(50)])
    reader = source_of(real, topic).create_reader(None, None)
    assert len(read_on(reader, 50)) == 50
    reader.get_checkpoint_mark().finalize_checkpoint()
    line.exchange()

    anew(real, topic)
    send(real, topic, [b"new %d" % number for number in range(200)])
    reader.get_checkpoint_mark().finalize_checkpoint()
    line.exchange()
    values = read_on(reader, 200)
    reader.get_checkpoint_mark().finalize_checkpoint()
    line.exchange()

    assert [value for value in values if value.startswith(b"new")][-200:] == [
        b"new %d" % n for n in range(200)
    ]
    assert any("was deleted and created anew" in each.message for each in caplog.records)
    with closing(open_admin(real)) as admin:
        assert admin.committed(real.group, [(topic, 0)]) == {(topic, 0): 200}


@java
def test_a_commit_of_a_topic_since_created_anew_is_not_where_the_next_start_begins(
    real: KafkaSettings, new_topic: Topics, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    topic = new_topic(real)
    send(real, topic, [b"old"] * 50)
    with closing(open_admin(real)) as admin:
        ids = {topic: admin.describe([topic])[topic].topic_id}
        admin.commit(real.group, {(topic, 0): 50}, ids)
        assert source_of(real, topic).first_offset == 50

        anew(real, topic)
        send(real, topic, [b"new"] * 200)
        admin.commit(real.group, {(topic, 0): 50}, ids)

    assert source_of(real, topic).first_offset == 0
    assert "offset 50 of partition 0 is of the old one" in caplog.text


def anew(settings: KafkaSettings, topic: str) -> None:
    """Delete a topic and create it again, as an operator does."""
    shell(settings, "topics", "delete", "-t", topic)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(open_admin(settings)) as admin:
            if topic not in admin.describe([topic]):
                break
        time.sleep(0.1)
    shell(settings, "topics", "create", "-t", topic, "--num-partitions", "1", "--replication-factor", "1")
    with closing(open_admin(settings)) as admin:
        while topic not in admin.describe([topic]):
            time.sleep(0.1)


@java
def test_a_topic_that_grows_ends_the_job_aloud_and_the_next_start_reads_all_of_it(
    real: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic, line = new_topic(real), process.broker_line(real)
    send(real, topic, [b"1"])
    reader = source_of(real, topic).create_reader(None, None)
    assert read_on(reader, 1) == [b"1"]
    reader.get_checkpoint_mark().finalize_checkpoint()
    line.exchange()

    grow(real, topic, 3)
    send(real, topic, [b"2"], partition=2)
    line.exchange()
    with pytest.raises(
        BrokerError, match=rf"topic '{topic}' has 3 partitions now, 1 before; start the job again"
    ):
        read_on(reader, 1)

    assert [source_of(real, topic, number).first_offset for number in range(3)] == [1, 0, 0]
    assert read_on(source_of(real, topic, 2).create_reader(None, None), 1) == [b"2"]


@java
def test_on_flink_the_partitions_added_to_a_topic_are_read_by_the_running_job(
    real: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic, line = new_topic(real, 2), process.broker_line(real)
    source = ChunkSource(real, ((topic, 0), (topic, 1)), "earliest")
    dealt = dict(_Deal(source, ["a", "b"]).process(b""))
    readers = {key: ReadByTimer(source, 4, 0.0, lambda _: None) for key in dealt}
    states = {key: (Held(mark), Held()) for key, mark in dealt.items()}
    for read in readers.values():
        read.setup()

    def values() -> list[bytes]:
        return [
            value
            for key, read in readers.items()
            for chunk in fire(read, *states[key])
            for value in chunk.values
        ]

    values()
    grow(real, topic, 5)
    for number in range(5):
        send(real, topic, [b"in %d" % number], partition=number)
    line.exchange()
    found: list[bytes] = []
    deadline = time.monotonic() + 15
    while len(found) < 5 and time.monotonic() < deadline:
        found += values()

    assert sorted(found) == [b"in %d" % number for number in range(5)]
    kept: list[Mark] = [state.value for state, _ in states.values()]
    assert sorted(each.at[1] for mark in kept for each in mark.positions) == [0, 1, 2, 3, 4]


def grow(settings: KafkaSettings, topic: str, partitions: int) -> None:
    shell(settings, "partitions", "create", "-p", f"{topic}:{partitions}")
    with closing(open_admin(settings)) as admin:
        while admin.describe([topic])[topic].partitions != partitions:
            time.sleep(0.1)
    close_producers()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(
    settings: KafkaSettings, codec: str, new_topic: Topics, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    producer = ck.Producer(
        {"bootstrap.servers": settings.brokers, "compression.type": codec, "linger.ms": 50}
    )
    for number in range(200):
        producer.produce(topic, b"%d and some more to compress" % number, partition=0)
    producer.flush(10)

    read = [value for chunk in drain(consumer(topic), 200) for value in chunk.values]

    assert read == [b"%d and some more to compress" % number for number in range(200)]


def test_two_jobs_of_one_group_both_read_everything(
    settings: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(settings)
    readers = [source_of(settings, topic).create_reader(None, None) for _ in range(2)]
    send(settings, topic, [b"%d" % number for number in range(20)])

    assert [read_on(reader, 20) for reader in readers] == [[b"%d" % number for number in range(20)]] * 2


@java
def test_a_group_that_retention_passed_is_refused_with_the_command_that_moves_it(
    real: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    topic = new_topic(real)
    send(real, topic, [b"x"] * 20)
    with closing(open_admin(real)) as admin:
        admin.commit(real.group, {(topic, 0): 5})
    with closing(KafkaAdminClient(bootstrap_servers=real.brokers)) as raw:
        raw.delete_records({TopicPartition(topic, 0): 12})

    with pytest.raises(OffsetOutOfRangeError, match="@5 but the broker holds 12 to 20; move it"):
        ReadChunks(real, topic)


def test_a_leader_that_is_still_being_chosen_is_asked_again(
    local: KafkaSettings, new_topic: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, refusals = new_topic(local), iter([6, 5])
    with closing(open_admin(local)) as admin:
        assert isinstance(admin, confluent_admin.Admin)
        asked = admin._client.list_offsets

        def choosing(*args: object, **kwargs: object) -> object:
            if (code := next(refusals, None)) is not None:
                raise ck.KafkaException(ck.KafkaError(code))
            return asked(*args, **kwargs)

        class Client:
            list_offsets = staticmethod(choosing)
            poll = staticmethod(lambda _: 0)

        monkeypatch.setattr(admin, "_client", Client())
        assert admin.beginning_offsets([(topic, 0)]) == {(topic, 0): 0}
    assert next(refusals, None) is None


@java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_log_that_lost_its_end_as_in_an_unclean_election_stops_its_readers_aloud(
    client: str, tmp_path: Path, new_topic: Topics, send: Send
) -> None:
    """As if a replica that lacked the last messages led now: the only log is cut while its broker is down."""
    port = free_port()
    with ApacheKafka(port, tmp_path) as broker:
        settings = KafkaSettings(broker.address, client=client)
        topic = new_topic(settings)
        for number in range(50):
            send(settings, topic, [b"%d" % number])
        reader = source_of(settings, topic).create_reader(None, None)
        assert len(read_on(reader, 50)) == 50
        process.close_connections()
    (segment,) = (tmp_path / "data" / f"{topic}-0").glob("*.log")
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    for index in segment.parent.glob("*.*index"):
        index.unlink()
    (tmp_path / "data" / ".kafka_cleanshutdown").unlink(missing_ok=True)

    with ApacheKafka(port, tmp_path):
        reader = ChunkReader(source_of(settings, topic), reader.position)
        with pytest.raises(BrokerError, match=r"no longer holds offset 50|truncat"):
            read_on(reader, 1, seconds=30)
        process.close_connections()
