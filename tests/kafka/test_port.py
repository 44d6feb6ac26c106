"""What the port promises, asked of both clients on both brokers."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaTopicPartition

from pipelines.kafka.clients import kafka_python
from pipelines.kafka.clients.confluent import Sparing
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker, LocalBroker, free_port
from pipelines.kafka.port import (
    LATEST_US,
    Admin,
    Chunk,
    ChunkConsumer,
    ChunkReader,
    KafkaSettings,
    NewTopic,
    OffsetOutOfRangeError,
    Producer,
    close_producers,
    open_admin,
    open_consumer,
    open_producer,
    open_reader,
)
from pipelines.kafka.security import SECURITY_KEYS
from schemas.errors import BrokerError, ConfigError, SinkError
from tests.kafka.secured import SecuredKafka

T0_US = 1_700_000_000_000_000

Send = Callable[..., None]
Drain = Callable[..., list[Chunk]]
Open = Callable[..., ChunkConsumer]
Topics = Callable[..., str]


def values_of(chunks: list[Chunk]) -> list[bytes]:
    return [value for chunk in chunks for value in chunk.values]


def test_messages_come_back_in_the_order_they_were_sent(
    settings: KafkaSettings, new_topic: Topics, send: Send, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    values = [b"value-%d" % number for number in range(5000)]
    send(settings, topic, values, first_us=T0_US + 7, step_us=1000)

    chunks = drain(consumer(topic), 5000, max_rows=700)

    assert values_of(chunks) == values
    assert max(len(chunk.values) for chunk in chunks) <= 700
    offsets = np.concatenate([chunk.offsets for chunk in chunks])
    timestamps = np.concatenate([chunk.timestamps for chunk in chunks])
    assert offsets.tolist() == list(range(5000))
    assert timestamps.tolist() == [T0_US + 1000 * number for number in range(5000)]
    assert {chunk.topic for chunk in chunks} == {topic}
    assert {(str(c.partitions.dtype), str(c.offsets.dtype), str(c.timestamps.dtype)) for c in chunks} == {
        ("int32", "int64", "int64")
    }


def test_a_partition_is_read_alone(
    settings: KafkaSettings, new_topic: Topics, send: Send, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings, 3)
    for partition in range(3):
        send(settings, topic, [b"in-%d" % partition] * 4, partition=partition)

    chunks = drain(consumer(topic, partition=1), 4)

    assert values_of(chunks) == [b"in-1"] * 4
    assert {int(p) for chunk in chunks for p in chunk.partitions} == {1}


def test_a_null_value_reads_as_empty_bytes(
    settings: KafkaSettings, new_topic: Topics, producer: Producer, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    for value in (b"entry", None, b"", b"again"):
        producer.send(topic, b"key", value, (), T0_US)
    producer.flush()

    assert values_of(drain(consumer(topic), 4)) == [b"entry", b"", b"", b"again"]


def test_keys_headers_and_nulls_arrive_as_sent(
    settings: KafkaSettings, new_topic: Topics, producer: Producer
) -> None:
    topic = new_topic(settings)
    producer.send(topic, b"key", None, (("ce_id", b"1"), ("ce_type", b"x")), T0_US + 999)
    producer.flush()

    with closing(KafkaConsumer(bootstrap_servers=settings.brokers, enable_auto_commit=False)) as raw:
        at = KafkaTopicPartition(topic, 0)
        raw.assign([at])
        raw.seek(at, 0)
        (record,) = raw.poll(10_000)[at]

    assert (record.key, record.value, record.headers) == (b"key", None, [("ce_id", b"1"), ("ce_type", b"x")])
    assert record.timestamp == T0_US // 1000


def test_a_key_goes_to_the_same_partition_whichever_client_sends_it(
    broker: LocalBroker, new_topic: Topics, drain: Drain
) -> None:
    by_client = []
    for client in ("confluent", "kafka-python"):
        settings = KafkaSettings(broker.address, client=client)
        topic = new_topic(settings, 4)
        producer = open_producer(settings)
        for number in range(40):
            producer.send(topic, b"account-%d" % number, b"%d" % number, (), T0_US)
        producer.flush()
        found: dict[bytes, int] = {}
        with closing(open_admin(settings)) as admin:
            ends = admin.end_offsets([(topic, partition) for partition in range(4)])
        for (_, partition), end in ends.items():
            with closing(open_consumer(settings, topic, partition, 0)) as reader:
                found |= dict.fromkeys(values_of(drain(reader, end)), partition)
        by_client.append(found)

    assert len(by_client[0]) == 40
    assert by_client[0] == by_client[1]


def test_after_a_seek_nothing_buffered_before_it_is_returned(
    settings: KafkaSettings, new_topic: Topics, send: Send, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    send(settings, topic, [b"%d" % number for number in range(1000)])
    reader = consumer(topic)
    drain(reader, 100, max_rows=100)

    for offset in (10, 990, 0, 500):
        reader.seek(offset)
        assert reader.position() == offset
        (chunk,) = drain(reader, 1, max_rows=5)
        assert chunk.offsets.tolist() == list(range(offset, offset + len(chunk.values)))
        assert reader.position() == offset + len(chunk.values)


def test_the_end_is_known_once_something_was_fetched(
    settings: KafkaSettings, new_topic: Topics, send: Send, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    send(settings, topic, [b"x"] * 30)
    reader = consumer(topic)
    assert reader.end_offset() is None

    drain(reader, 30)

    assert (reader.position(), reader.end_offset()) == (30, 30)
    assert reader.poll(10) is None


def test_messages_sent_later_are_found_by_a_waiting_reader(
    settings: KafkaSettings, new_topic: Topics, send: Send, drain: Drain, consumer: Open
) -> None:
    topic = new_topic(settings)
    reader = consumer(topic)
    assert reader.poll(10) is None

    send(settings, topic, [b"first"])
    assert values_of(drain(reader, 1)) == [b"first"]
    send(settings, topic, [b"second"])
    assert values_of(drain(reader, 1)) == [b"second"]


def test_end_offsets_count_every_message_of_the_last_batch(
    settings: KafkaSettings, new_topic: Topics, send: Send, admin: Admin
) -> None:
    topic = new_topic(settings, 2)
    partitions = [(topic, 0), (topic, 1)]
    assert admin.end_offsets(partitions) == {(topic, 0): 0, (topic, 1): 0}

    send(settings, topic, [b"x"] * 500)

    assert admin.end_offsets(partitions) == {(topic, 0): 500, (topic, 1): 0}
    assert admin.beginning_offsets(partitions) == {(topic, 0): 0, (topic, 1): 0}


def test_a_committed_offset_is_read_back_and_may_move_both_ways(
    settings: KafkaSettings, new_topic: Topics, send: Send, admin: Admin
) -> None:
    topic = new_topic(settings, 2)
    partitions = [(topic, 0), (topic, 1)]
    send(settings, topic, [b"x"] * 9)
    assert admin.committed(settings.group, partitions) == {}

    admin.commit(settings.group, {(topic, 0): 7})
    assert admin.committed(settings.group, partitions) == {(topic, 0): 7}
    admin.commit(settings.group, {(topic, 0): 3, (topic, 1): 0})
    assert admin.committed(settings.group, partitions) == {(topic, 0): 3, (topic, 1): 0}
    assert admin.committed(settings.group + "-other", partitions) == {}


def test_a_time_finds_the_first_message_at_or_after_it(
    settings: KafkaSettings, broker: LocalBroker, new_topic: Topics, send: Send, admin: Admin
) -> None:
    topic = new_topic(settings)
    send(settings, topic, [b"x"] * 10, first_us=T0_US, step_us=1_000_000)

    def found(seconds: float) -> int:
        return admin.offsets_for_times([(topic, 0)], T0_US + int(seconds * 1e6))[topic, 0]

    if isinstance(broker, ApacheKafka):
        assert [found(s) for s in (-5, 0, 0.5, 3, 9, 9.5)] == [0, 0, 1, 3, 9, 10]
    else:
        assert all(found(s) <= s for s in range(10))
    far_future_us = int((time.time() + 3600) * 1e6)
    assert admin.offsets_for_times([(topic, 0)], far_future_us) == {(topic, 0): 10}


def test_creating_a_topic_again_changes_nothing(
    settings: KafkaSettings, new_topic: Topics, send: Send, admin: Admin
) -> None:
    topic = new_topic(settings, 3)
    send(settings, topic, [b"kept"])

    admin.create_topics([NewTopic(topic, 5)])

    assert admin.partition_counts()[topic] == 3
    assert admin.end_offsets([(topic, 0)]) == {(topic, 0): 1}


def test_a_topic_keeps_its_settings(broker: LocalBroker, settings: KafkaSettings, admin: Admin) -> None:
    topic = f"compacted_{settings.client.replace('-', '_')}"
    admin.create_topics([NewTopic(topic, 2, config={"cleanup.policy": "compact"})])

    assert admin.partition_counts()[topic] == 2


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_gaps_left_by_transactions_are_passed(
    apache: ApacheKafka, client: str, new_topic: Topics, drain: Drain
) -> None:
    settings = KafkaSettings(apache.address, client=client)
    topic = new_topic(settings)
    with closing(KafkaProducer(bootstrap_servers=apache.address, transactional_id=f"tx-{client}")) as raw:
        raw.init_transactions()
        for number in range(3):
            raw.begin_transaction()
            raw.send(topic, b"%d" % number, b"key")
            raw.commit_transaction()

    with closing(open_consumer(settings, topic, 0, 0)) as reader:
        chunks = drain(reader, 3)
        deadline = time.monotonic() + 10
        while reader.position() < 6 and time.monotonic() < deadline:
            assert reader.poll(10) is None

        assert np.concatenate([chunk.offsets for chunk in chunks]).tolist() == [0, 2, 4]
        assert (reader.position(), reader.end_offset()) == (6, 6)


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_messages_of_an_aborted_transaction_are_not_read(
    apache: ApacheKafka, client: str, new_topic: Topics, drain: Drain
) -> None:
    settings = KafkaSettings(apache.address, client=client)
    topic = new_topic(settings)
    with closing(KafkaProducer(bootstrap_servers=apache.address, transactional_id=f"ab-{client}")) as raw:
        raw.init_transactions()
        for value, settle in ((b"undone", raw.abort_transaction), (b"done", raw.commit_transaction)):
            raw.begin_transaction()
            raw.send(topic, value, b"key")
            raw.flush()
            settle()

    with closing(open_consumer(settings, topic, 0, 0)) as reader:
        assert values_of(drain(reader, 1)) == [b"done"]


def read_by(reader: ChunkReader, count: int) -> list[Chunk]:
    """Return chunks of so many messages."""
    found: list[Chunk] = []
    deadline = time.monotonic() + 20
    while sum(len(each.values) for each in found) < count:
        assert time.monotonic() < deadline, found
        found += reader.poll(100)
        time.sleep(0.005)
    return found


def test_one_reader_reads_many_partitions_and_knows_where_each_stands(
    settings: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    first, second = new_topic(settings, 2), new_topic(settings)
    for partition in range(2):
        send(settings, first, [b"a%d" % partition, b"b%d" % partition], partition=partition)
    send(settings, second, [b"c", b"d", b"e"])
    with closing(open_reader(settings)) as reader:
        reader.assign({(first, 0): 0, (first, 1): 1, (second, 0): 2})

        found = read_by(reader, 4)

        values: dict[tuple[str, int], list[bytes]] = {}
        for chunk in found:
            assert len(set(chunk.partitions.tolist())) == 1
            values.setdefault((chunk.topic, int(chunk.partitions[0])), []).extend(chunk.values)
        assert values == {(first, 0): [b"a0", b"b0"], (first, 1): [b"b1"], (second, 0): [b"e"]}
        assert reader.positions() == {(first, 0): 2, (first, 1): 2, (second, 0): 3}


def test_a_reader_that_is_given_more_to_read_goes_on_with_the_rest(
    settings: KafkaSettings, new_topic: Topics, send: Send
) -> None:
    first, second = new_topic(settings), new_topic(settings)
    send(settings, first, [b"a", b"b"])
    send(settings, second, [b"c"])
    with closing(open_reader(settings)) as reader:
        reader.assign({(first, 0): 0})
        read_by(reader, 2)
        send(settings, first, [b"later"])

        reader.assign({**reader.positions(), (second, 0): 0})

        values = sorted(value for chunk in read_by(reader, 2) for value in chunk.values)
        assert values == [b"c", b"later"]


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_a_reader_names_the_place_that_the_broker_does_not_hold(
    apache: ApacheKafka, client: str, new_topic: Topics
) -> None:
    settings = KafkaSettings(apache.address, client=client)
    topic = new_topic(settings, 2)
    deadline = time.monotonic() + 20
    with closing(open_reader(settings)) as reader:
        reader.assign({(topic, 0): 0, (topic, 1): 1000})
        with pytest.raises(OffsetOutOfRangeError, match=rf"{topic}\[1\] no longer holds offset 1000"):
            while time.monotonic() < deadline:
                reader.poll(10)


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_an_offset_the_broker_does_not_hold_is_an_error(
    apache: ApacheKafka, client: str, new_topic: Topics
) -> None:
    """Apache Kafka only: the embedded broker answers a fetch beyond its end with nothing."""
    settings = KafkaSettings(apache.address, client=client)
    topic = new_topic(settings)
    deadline = time.monotonic() + 20
    with (
        closing(open_consumer(settings, topic, 0, 1000)) as reader,
        pytest.raises(OffsetOutOfRangeError, match=rf"{topic}\[0\] no longer holds offset 1000"),
    ):
        while time.monotonic() < deadline:
            reader.poll(10)


@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
@pytest.mark.parametrize(
    "kind", [EmbeddedBroker, pytest.param(ApacheKafka, marks=[pytest.mark.java, pytest.mark.slow])]
)
def test_a_broker_killed_before_the_flush_loses_no_record_silently(
    kind: type[LocalBroker], client: str, new_topic: Topics, request: pytest.FixtureRequest
) -> None:
    if kind is ApacheKafka:
        request.getfixturevalue("java")
    with kind() as doomed:
        settings = KafkaSettings(doomed.address, client=client, delivery_timeout_s=2)
        topic = new_topic(settings)
        producer = open_producer(settings)
        producer.send(topic, b"key", b"delivered", (), T0_US)
        producer.flush()
        doomed.kill()
        for _ in range(3):
            producer.send(topic, b"key", b"lost", (), T0_US)

        with pytest.raises(SinkError, match=f"unconfirmed records: 3 to {topic}"):
            producer.flush()
        producer.close()


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_an_outage_is_waited_out_and_reading_goes_on_where_it_stopped(
    client: str, tmp_path: Path, new_topic: Topics, send: Send, drain: Drain
) -> None:
    port = free_port()
    with ApacheKafka(port, tmp_path) as broker:
        settings = KafkaSettings(broker.address, client=client)
        topic = new_topic(settings)
        send(settings, topic, [b"before"])
        reader = open_consumer(settings, topic, 0, 0)
        assert values_of(drain(reader, 1)) == [b"before"]
    for _ in range(30):
        assert reader.poll(10) is None
        time.sleep(0.1)

    with ApacheKafka(port, tmp_path), closing(reader):
        send(settings, topic, [b"after"])
        assert values_of(drain(reader, 1)) == [b"after"]


def test_each_producer_answers_for_its_own_records_only(settings: KafkaSettings, new_topic: Topics) -> None:
    topic = new_topic(settings)
    careful, careless = open_producer(settings), open_producer(settings)
    careful.send(topic, b"key", b"fine", (), T0_US)
    careless.send(topic, b"key", b"x" * 3_000_000, (), T0_US)

    careful.flush()
    with pytest.raises(SinkError, match=f"refused for good: 1 to {topic}"):
        careless.flush()
    careless.flush()


def test_a_record_time_in_another_unit_reads_as_the_latest_there_is(
    settings: KafkaSettings, broker: LocalBroker, new_topic: Topics, drain: Drain, consumer: Open
) -> None:
    """Nanoseconds and Long.MAX for milliseconds; the broker takes any time if its topic says so."""
    topic = new_topic(settings, 1, {"message.timestamp.after.max.ms": str(2**63 - 1)})
    with closing(KafkaProducer(bootstrap_servers=broker.address)) as raw:
        for time_ms in (T0_US * 1000, 2**63 - 1, T0_US // 1000):
            raw.send(topic, b"value", timestamp_ms=time_ms)
        raw.flush()

    times = [int(at) for chunk in drain(consumer(topic), 3) for at in chunk.timestamps]

    assert times == [LATEST_US, LATEST_US, T0_US]


@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_a_broker_that_is_not_there_is_one_clear_sentence(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.kafka.port.REQUEST_TIMEOUT_S", 1.0)
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(BrokerError, match=f"at {address} failed"):
        open_admin(KafkaSettings(address, client=client)).partition_counts()


def test_an_outage_is_logged_once_a_minute_not_at_every_attempt() -> None:
    sparing = Sparing()

    def passes(text: str, at_s: float) -> bool:
        record = logging.LogRecord("kafka", logging.ERROR, "", 0, "%s", (text,), None)
        record.created = at_s
        return sparing.filter(record)

    assert passes("FAIL [rdkafka#consumer-4] refused after 0ms", 1000.0)
    assert not passes("FAIL [rdkafka#consumer-17] refused after 12ms", 1001.0)
    assert passes("FAIL [rdkafka#consumer-4] authentication failed", 1001.0)
    assert passes("FAIL [rdkafka#consumer-4] refused after 0ms", 1060.0)


def test_security_keys_are_translated_for_kafka_python() -> None:
    settings = KafkaSettings(
        "b1:9092,b2:9092",
        security={
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "u",
            "sasl.password": "p",
            "ssl.ca.location": "/ca.pem",
            "ssl.endpoint.identification.algorithm": "none",
        },
    )

    config = kafka_python.client_config(settings)

    expected = {
        "bootstrap_servers": ["b1:9092", "b2:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
        "ssl_cafile": "/ca.pem",
        "ssl_check_hostname": False,
    }
    assert expected == {key: config[key] for key in expected}


def test_every_security_key_is_known_to_both_libraries() -> None:
    import confluent_kafka
    from kafka import KafkaAdminClient

    examples = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "ssl.endpoint.identification.algorithm": "https",
    }
    files = {key for key in SECURITY_KEYS if key.endswith(".location")}
    confluent_kafka.Consumer(
        {"group.id": "g"} | {key: examples.get(key, "x") for key in SECURITY_KEYS if key not in files}
    ).close()

    assert set(SECURITY_KEYS.values()) <= set(KafkaAdminClient.DEFAULT_CONFIG)


def test_an_unknown_security_key_is_refused_and_the_password_is_never_shown() -> None:
    with pytest.raises(ConfigError, match=r"'ssl.keystore' is not supported; use one of sasl.kerberos"):
        KafkaSettings("b:9092", security={"ssl.keystore": "x"})
    with pytest.raises(ConfigError, match="set --kafka_brokers"):
        KafkaSettings("")
    assert "geheim" not in repr(KafkaSettings("b:9092", security={"sasl.password": "geheim"}))


def test_what_librdkafka_refuses_is_one_clear_sentence() -> None:
    security = {"security.protocol": "ssl", "ssl.ca.location": "/nowhere.pem"}

    with pytest.raises(BrokerError, match=r"kafka client refused: .*ssl\.ca\.location"):
        open_consumer(KafkaSettings("b:9092", client="confluent", security=security), "t", 0, 0)
    with pytest.raises(BrokerError, match=r"kafka setting refused: .*security\.protocol"):
        open_consumer(
            KafkaSettings("b:9092", client="confluent", security={"security.protocol": "x"}), "t", 0, 0
        )


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_a_listener_with_passwords_lets_the_right_one_in(
    apache: SecuredKafka, client: str, drain: Drain
) -> None:
    security = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "stopline",
        "sasl.password": "not-a-secret",
    }
    settings = KafkaSettings(apache.sasl_address, client=client, security=security)
    topic = f"sasl_{client.replace('-', '_')}"
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic(topic, 1)])
    producer = open_producer(settings)
    producer.send(topic, b"key", b"value", (), T0_US)
    producer.flush()
    with closing(open_consumer(settings, topic, 0, 0)) as reader:
        assert values_of(drain(reader, 1)) == [b"value"]


def test_a_closed_producer_leaves_no_thread_behind(settings: KafkaSettings, new_topic: Topics) -> None:
    topic, before = new_topic(settings), set(threading.enumerate())
    producer = open_producer(settings)
    producer.send(topic, b"key", b"value", (), T0_US)
    producer.flush()

    close_producers()

    started = set(threading.enumerate()) - before
    for thread in started:
        thread.join(10)
    assert not [thread.name for thread in started if thread.is_alive()]
