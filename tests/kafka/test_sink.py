"""The sink: what is written arrives, and what is lost fails the bundle."""

import base64
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import msgspec
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from pipelines.hot.records import refused_record
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker, LocalBroker
from pipelines.kafka.port import (
    Chunk,
    KafkaSettings,
    NewTopic,
    close_producers,
    open_admin,
    open_consumer,
    open_producer,
)
from pipelines.kafka.sink import OutRecord, OutRecordCoder, WriteRecords
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import SinkError
from schemas.topics import DEAD_LETTERS
from tests.kafka.conftest import CLIENTS

T0_US = 1_700_000_000_000_000

Topics = Callable[..., str]
Drain = Callable[..., list[Chunk]]

records = st.builds(
    OutRecord,
    st.text(max_size=20),
    st.binary(max_size=20),
    st.binary(max_size=50),
    st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=10)), max_size=3).map(tuple),
    st.integers(0, 2**60),
)


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))


@given(records)
def test_a_record_survives_its_coder(record: OutRecord) -> None:
    coder = beam.coders.registry.get_coder(OutRecord)

    assert type(coder) is OutRecordCoder
    assert coder.decode(coder.encode(record)) == record


def test_records_arrive_as_given(settings: KafkaSettings, new_topic: Topics) -> None:
    topic = new_topic(settings)
    sent = [
        OutRecord(topic, b"a", b"alert", (("ce_id", b"1"),), T0_US),
        OutRecord(topic, b"a", b"", (), T0_US + 1000),
        OutRecord(topic, b"b", b"warning", (), T0_US + 2000),
    ]

    running = pipeline()
    running | beam.Create(sent) | WriteRecords(settings)
    result = running.run()
    result.wait_until_finish()

    with closing(KafkaConsumer(bootstrap_servers=settings.brokers, enable_auto_commit=False)) as raw:
        at = TopicPartition(topic, 0)
        raw.assign([at])
        raw.seek(at, 0)
        got = raw.poll(10_000)[at]
    assert [(r.key, r.value, tuple(r.headers), r.timestamp * 1000) for r in got] == [
        (record.key, record.value or None, record.headers, record.timestamp_us) for record in sent
    ]
    (written,) = result.metrics().query(MetricsFilter().with_name("records_written"))["counters"]
    assert written.committed == 3


def write(settings: KafkaSettings, *records: OutRecord) -> dict[str, int]:
    """Send one bundle and return what the sink counted."""
    running = pipeline()
    running | beam.Create(records) | WriteRecords(settings)
    result = running.run()
    result.wait_until_finish()
    counters = result.metrics().query(MetricsFilter().with_namespace("stopline.kafka"))["counters"]
    return {each.key.metric.name: each.committed for each in counters if each.committed}


def read(settings: KafkaSettings, topic: str, rows: int, drain: Drain) -> list[bytes]:
    with closing(open_consumer(settings, topic, 0, 0)) as consumer:
        return [value for chunk in drain(consumer, rows) for value in chunk.values]


@pytest.fixture
def parked(settings: KafkaSettings, tmp_path: Path) -> Iterator[KafkaSettings]:
    """The settings with a file of this test's own for parked records."""
    yield replace(settings, parked=str(tmp_path / "aside" / "parked.jsonl"))
    close_producers()


def test_a_delivery_that_a_dead_broker_owes_fails_the_bundle(new_topic: Topics) -> None:
    with EmbeddedBroker() as doomed:
        settings = KafkaSettings(doomed.address, client="confluent", delivery_timeout_s=1)
        topic = new_topic(settings)
        write(settings, OutRecord(topic, b"a", b"fine", (), T0_US))
        doomed.kill()

        with pytest.raises(SinkError, match=f"unconfirmed records: 1 to {topic}"):
            write(settings, OutRecord(topic, b"a", b"lost", (), T0_US))


def test_a_record_its_topic_never_takes_is_parked_and_the_others_arrive(
    parked: KafkaSettings, new_topic: Topics, drain: Drain
) -> None:
    topic = new_topic(parked, 1, {"max.message.bytes": "65536"})
    sent = [OutRecord(topic, b"a", value, (("ce_id", b"7"),), T0_US) for value in (b"1", b"x" * 70_000, b"2")]

    counts = write(parked, *sent)

    assert counts == {"records_written": 2, "records_parked": 1}
    assert read(parked, topic, 2, drain) == [b"1", b"2"]
    file = Path(parked.parked)
    (line,) = file.read_text().splitlines()
    aside = json.loads(line)
    assert (aside["topic"], base64.b64decode(aside["value"])) == (topic, b"x" * 70_000)
    assert base64.b64decode(aside["headers"][0][1]) == b"7"
    assert aside["reason"] == "70118 bytes, it takes 65536"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_dead_letter_its_topic_does_not_take_arrives_with_less_of_the_message(
    parked: KafkaSettings, drain: Drain
) -> None:
    with closing(open_admin(parked)) as admin:
        admin.create_topics([NewTopic(DEAD_LETTERS, 1, config={"max.message.bytes": "262144"})])
        start = admin.end_offsets([(DEAD_LETTERS, 0)])[DEAD_LETTERS, 0]
    value = bytes(range(256)) * 1200
    letter = dead_letter(
        "payments", 0, 7, timestamp_us=T0_US, stage="decode", error_code="INVALID", message="no", value=value
    )

    assert write(parked, refused_record(letter, "cn")) == {"records_written": 1}

    with closing(open_consumer(parked, DEAD_LETTERS, 0, start)) as consumer:
        (chunk,) = drain(consumer, 1)
    (encoded,) = chunk.values
    arrived = msgspec.json.decode(encoded, type=DeadLetter)
    assert 190_000 < len(arrived.value) < len(value) == arrived.value_bytes
    assert value.startswith(arrived.value)
    assert arrived.value_sha256 == hashlib.sha256(value).hexdigest()
    assert arrived.dead_letter_id == letter.dead_letter_id


def test_a_topic_that_takes_little_gets_small_batches(
    parked: KafkaSettings, new_topic: Topics, drain: Drain
) -> None:
    topic = new_topic(parked, 1, {"max.message.bytes": "65536"})
    values = [b"%04d" % number * 250 for number in range(500)]

    write(parked, *(OutRecord(topic, b"a", value, (), T0_US) for value in values))

    assert read(parked, topic, 500, drain) == values


def test_a_record_of_the_future_is_stamped_now(
    settings: KafkaSettings, new_topic: Topics, drain: Drain
) -> None:
    topic, before_us = new_topic(settings), time.time_ns() // 1000
    times = (before_us + 365 * 86_400_000_000, 2**62, T0_US)

    write(settings, *(OutRecord(topic, b"a", b"alert", (), at_us) for at_us in times))

    with closing(open_consumer(settings, topic, 0, 0)) as consumer:
        stamped = [int(at) for chunk in drain(consumer, 3) for at in chunk.timestamps]
    assert stamped[2] == T0_US
    assert all(before_us - 1000 <= at <= time.time_ns() // 1000 for at in stamped[:2])


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
def test_a_limit_lowered_under_the_job_parks_only_what_is_too_large(
    apache: ApacheKafka, client: str, new_topic: Topics, drain: Drain, tmp_path: Path
) -> None:
    """kafka-python splits refused batches for ever; its bundle fails, and its retry knows the new limit."""
    parked = str(tmp_path / "parked.jsonl")
    settings = KafkaSettings(apache.address, client=client, delivery_timeout_s=3, parked=parked)
    topic = new_topic(settings)
    write(settings, OutRecord(topic, b"a", b"first", (), T0_US))
    set_config(apache, topic, {"max.message.bytes": "20000"})
    values = [b"%d" % number * 900 for number in range(60)] + [b"x" * 30_000]
    records = [OutRecord(topic, b"a", value, (), T0_US) for value in values]

    try:
        counts = write(settings, *records)
    except SinkError:
        assert client == "kafka-python"
        counts = write(settings, *records)

    assert counts == {"records_written": 60, "records_parked": 1}
    assert sorted(set(read(settings, topic, 61, drain))) == sorted([b"first", *values[:-1]])


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
def test_a_time_that_the_topic_refuses_becomes_the_time_of_sending(
    apache: ApacheKafka, client: str, new_topic: Topics, drain: Drain
) -> None:
    settings = KafkaSettings(apache.address, client=client)
    topic, now_us = (
        new_topic(settings, 1, {"message.timestamp.before.max.ms": "3600000"}),
        time.time_ns() // 1000,
    )

    counts = write(settings, *(OutRecord(topic, b"a", b"%d" % at, (), at) for at in (now_us, T0_US)))

    assert counts == {"records_written": 2}
    assert set(read(settings, topic, 2, drain)) == {b"%d" % now_us, b"%d" % T0_US}


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
def test_a_record_that_a_compacted_topic_refuses_is_parked(
    apache: ApacheKafka, client: str, new_topic: Topics, tmp_path: Path
) -> None:
    settings = KafkaSettings(apache.address, client=client, parked=str(tmp_path / "parked.jsonl"))
    topic = new_topic(settings, 1, {"cleanup.policy": "compact"})
    producer = open_producer(settings)
    producer.send(topic, None, b"without a key", (), T0_US)

    (refused,) = producer.settle()

    assert (refused.number, refused.topic, refused.why) == (0, topic, "RECORD")


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
def test_a_topic_deleted_under_the_job_is_said_and_never_confirmed(
    apache: ApacheKafka, client: str, new_topic: Topics
) -> None:
    settings = KafkaSettings(apache.address, client=client, delivery_timeout_s=4)
    topic = new_topic(settings)
    write(settings, OutRecord(topic, b"a", b"first", (), T0_US))
    delete_topic(apache, topic)

    with pytest.raises(SinkError, match=f"unconfirmed records: 1 to {topic}"):
        write(settings, OutRecord(topic, b"a", b"second", (), T0_US))


def set_config(broker: LocalBroker, topic: str, config: dict[str, str]) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])


def delete_topic(broker: LocalBroker, topic: str) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.delete_topics([topic])


def spent_in_a_second() -> float:
    """Return the processor's seconds that the threads of this process take in one."""
    before_s = time.process_time()
    time.sleep(1.0)
    return time.process_time() - before_s


@pytest.mark.parametrize("client", CLIENTS)
def test_a_producer_rests_while_a_slow_broker_owes_it_answers_and_keeps_the_order(
    client: str, drain: Drain
) -> None:
    broker = EmbeddedBroker()
    pid = broker.start()
    settings = KafkaSettings(broker.address, client=client)
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic("alerts", 1)])
    producer = open_producer(settings)
    sent = [f"alert {number}".encode() for number in range(40)]

    for value in sent[:10]:
        producer.send("alerts", b"a", value, (), T0_US)
    producer.flush()
    others_s = spent_in_a_second()
    os.kill(pid, signal.SIGSTOP)
    for value in sent[10:]:
        producer.send("alerts", b"a", value, (), T0_US)
        time.sleep(0.01)
    used_s = spent_in_a_second()
    os.kill(pid, signal.SIGCONT)
    producer.flush()

    with closing(open_consumer(settings, "alerts", 0, 0)) as consumer:
        assert [value for chunk in drain(consumer, 40) for value in chunk.values] == sent
    assert used_s < others_s + 0.5
    close_producers(settings)
    broker.stop()
