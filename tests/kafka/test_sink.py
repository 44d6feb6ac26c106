"""The sink: what is written arrives, and what is lost fails the bundle."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing

import apache_beam as beam
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import (
    Chunk,
    KafkaSettings,
    NewTopic,
    open_admin,
    open_consumer,
    open_producer,
)
from pipelines.kafka.sink import OutRecord, OutRecordCoder, WriteRecords
from schemas.errors import SinkError
from tests.kafka.conftest import CLIENTS

T0_US = 1_700_000_000_000_000

Topics = Callable[..., str]

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


def test_one_lost_delivery_fails_the_bundle(settings: KafkaSettings, new_topic: Topics) -> None:
    topic = new_topic(settings)
    fine = OutRecord(topic, b"a", b"alert", (), T0_US)
    running = pipeline()
    running | beam.Create([fine, fine._replace(value=b"x" * 3_000_000), fine]) | WriteRecords(settings)

    with pytest.raises(SinkError, match=f"unconfirmed records: 1 to {topic}"):
        running.run().wait_until_finish()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_producer_rests_while_a_slow_broker_owes_it_answers_and_keeps_the_order(
    client: str, drain: Callable[..., list[Chunk]]
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
    os.kill(pid, signal.SIGSTOP)
    for value in sent[10:]:
        producer.send("alerts", b"a", value, (), T0_US)
        time.sleep(0.01)
    before_s = time.process_time()
    time.sleep(1.0)
    used_s = time.process_time() - before_s
    os.kill(pid, signal.SIGCONT)
    producer.flush()

    with closing(open_consumer(settings, "alerts", 0, 0)) as consumer:
        assert [value for chunk in drain(consumer, 40) for value in chunk.values] == sent
    assert used_s < 0.5
    broker.stop()
