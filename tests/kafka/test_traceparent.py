"""The trace context of a payment's message goes with what it leads to, whichever client reads it."""

from collections.abc import Callable

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines import policy
from pipelines.hot.records import alert_record, warning_record
from pipelines.kafka.coders import ChunkCoder
from pipelines.kafka.port import Chunk, ChunkConsumer, KafkaSettings, open_producer
from pipelines.kafka.reading.suspects import alone, without
from pipelines.streams.clock import window
from pipelines.streams.payments import decode
from schemas import topics, traceparent
from schemas.alert import Alert
from schemas.rows.transfers import paid
from schemas.rows.values import Values
from schemas.warning import Warning
from tests.desk import kit, story

GOOD = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LATER = b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-the-future-will-be-like"

Topics, Open, Drain = Callable[..., str], Callable[..., ChunkConsumer], Callable[..., list[Chunk]]

#: What looks like a trace context and is none (W3C Trace Context 3.2.2).
BAD = (
    b"", b"00", GOOD[:-1], GOOD + b"-x", GOOD.upper(), b"ff" + GOOD[2:], LATER[:55] + b".x",
    b"00-" + b"0" * 32 + GOOD[35:], GOOD[:36] + b"0" * 16 + b"-01", GOOD.replace(b"4bf", b"4bg"),
    "00-４bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01".encode(), b"\0" * 55, GOOD.replace(b"-", b"_"),
)  # fmt: skip


def texts(chunk: Chunk) -> list[str]:
    return [""] * len(chunk.values) if chunk.traces is None else traceparent.texts(chunk.traces)


def test_a_client_reads_the_header_whatever_it_holds(
    settings: KafkaSettings, new_topic: Topics, consumer: Open, drain: Drain
) -> None:
    topic, producer = new_topic(settings), open_producer(settings)
    for header in (GOOD, *BAD, LATER):
        producer.send(topic, b"k", b"v", (("a", b"b"), ("traceparent", header)), kit.T0, partition=0)
    producer.send(topic, b"k", b"v", (("traceparent", b"no"), ("traceparent", GOOD)), kit.T0, partition=0)
    producer.send(topic, b"k", b"v", (), kit.T0, partition=0)
    producer.flush()

    chunks = drain(consumer(topic), len(BAD) + 4)

    later = (b"00" + LATER[2:55]).decode()
    found = [each for chunk in chunks for each in texts(chunk)]
    assert found == [GOOD.decode(), *[""] * len(BAD), later, GOOD.decode(), ""]


@given(st.lists(st.sampled_from([b"", GOOD, LATER]), min_size=1, max_size=6), st.data())
def test_a_chunk_keeps_traces_with_their_messages(headers: list[bytes], data: st.DataObject) -> None:
    count = len(headers)
    zeros = np.zeros(count, np.int64)
    chunk = Chunk(
        "t", Values.of([b"%d" % n for n in range(count)]), zeros.astype(np.int32), zeros, zeros,
        traces=traceparent.column(headers),
    )  # fmt: skip
    place = data.draw(st.integers(0, count - 1))
    coder = ChunkCoder()

    assert texts(coder.decode(coder.encode(chunk))) == texts(chunk)
    assert len(coder.encode(chunk)) == coder.estimate_size(chunk)
    assert texts(alone(chunk, place)) == texts(chunk)[place : place + 1]
    left = texts(chunk)
    del left[place]
    assert texts(without(chunk, [place])[0]) == left


def test_a_payment_hands_its_trace_to_alert_and_warning() -> None:
    rules = policy.load()
    same = {"debtor": kit.token("a"), "debtor_account": kit.token("b"), "creditor_account": kit.token("c")}
    base = {"accepted_at_us": kit.T0, "amount_minor": 1, "currency": "CNY", **same}
    values = [msgspec.json.encode({"txn_id": f"t{n}", **base}) for n in range(3)]
    at = np.full(3, kit.T0)
    zeros = np.zeros(3, np.int32)
    chunk = Chunk(
        topics.PAYMENTS,
        Values.of(values),
        zeros,
        np.arange(3),
        at,
        traces=traceparent.column([b"", GOOD, b""]),
    )

    rows, letters, _ = decode(chunk, rules, window(chunk, rules.clock, None))
    told = [each.traceparent for each in paid(rows)]

    assert told == ["", GOOD.decode(), ""] and letters == []
    alert: Alert = kit.alert(1, traceparent=told[1])
    warning: Warning = msgspec.structs.replace(story.warning(), traceparent=told[1])
    for record in (alert_record(alert), warning_record(warning)):
        assert dict(record.headers)["traceparent"] == GOOD
        assert b'"traceparent":"' + GOOD in record.value
    assert "traceparent" not in dict(alert_record(kit.alert(1)).headers)
