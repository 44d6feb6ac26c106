"""Events of others in Kafka's binary mode, as CloudEvents' Kafka Protocol Binding 1.0.2 writes them."""

import base64
import json
import random
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

import confluent_kafka as ck
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import policy
from pipelines.kafka.clients.events import EVENTS
from pipelines.kafka.local.brokers import LocalBroker
from pipelines.kafka.port import Chunk, ChunkConsumer, KafkaSettings, open_consumer
from pipelines.streams.clock import window
from pipelines.streams.clues import CLUES_STREAM
from schemas import topics
from schemas.envelope import structured
from tests.desk import kit
from tests.kafka.test_traceparent import GOOD, texts

Topics, Open, Drain = Callable[..., str], Callable[..., ChunkConsumer], Callable[..., list[Chunk]]
Headers = list[tuple[str, bytes | None]]

PARTY = kit.token("payer")
TIME, AT_US = b"2025-09-01T10:11:12.345Z", 1_756_721_472_345_000
CAMARA = b'{"subscriptionId": "987654321", "phoneNumber": "+346661113334"}'
OURS = json.dumps({"clue_id": "c1", "kind": "CALL", "party": PARTY, "at_us": AT_US}).encode()
RULES = policy.load()

#: Header by header what the binding says of one event: 3.2.1 the content type, 3.2.3 the attributes.
SWAPPED: dict[str, bytes | None] = {
    "ce_specversion": b"1.0", "ce_type": b"org.camaraproject.sim-swap-subscriptions.v0.swapped",
    "ce_id": b"83a0d986-0866-4f38-b8c0-fc65bfcda452", "ce_source": b"https://operator.example/n12",
    "ce_time": TIME, "ce_party": PARTY.encode(), "content-type": b"application/json",
}  # fmt: skip


def changed(**headers: bytes | None) -> Headers:
    return [
        *(
            SWAPPED | {name.replace("content_type", "content-type"): of for name, of in headers.items()}
        ).items()
    ]


def send(
    broker: LocalBroker, topic: str, messages: list[tuple[bytes | None, Headers]], **config: Any
) -> None:
    """Send messages as a stranger's producer does."""
    producer = ck.Producer({"bootstrap.servers": broker.address, **config})
    for value, headers in messages:
        producer.produce(topic, value, PARTY.encode(), headers=headers, timestamp=AT_US // 1000)  # type: ignore[arg-type]
    assert producer.flush(10) == 0


@pytest.fixture
def topic(settings: KafkaSettings, new_topic: Topics, monkeypatch: pytest.MonkeyPatch) -> str:
    """A topic of events of others."""
    name = new_topic(settings)
    monkeypatch.setitem(EVENTS, name, EVENTS[topics.CLUES])
    return name


def test_an_event_in_binary_mode_is_read_as_the_same_in_structured_mode(
    broker: LocalBroker, topic: str, consumer: Open, drain: Drain
) -> None:
    messages = [
        (CAMARA, changed()),
        (CAMARA, changed(content_type=b"application/vnd.camara+json; charset=utf-8")),
        (None, changed()),
        (OURS, changed(ce_type=b"com.bank.call.observed")),
        (OURS, []),
        (b'{"specversion": "1.0"}', changed(content_type=b"application/cloudevents+json; charset=UTF-8")),
        (b"\x02\x04", changed(content_type=b"application/avro")),
        (b'{"half', changed()),
        (CAMARA, changed(ce_specversion=b"0.3")),
        (CAMARA, changed(ce_party=b"+346661113334")),
        (CAMARA, changed(ce_party=b"\xff")),
        (CAMARA, changed(ce_type=b"com.example.event")),
        (CAMARA, []),
        (OURS, changed(ce_type=b"stopline.clue.call.v1")),
        (OURS, changed(ce_type=b"stopline.clue.call.v2")),
    ]  # fmt: skip
    send(broker, topic, messages)

    chunks = drain(consumer(topic), len(messages))

    found = [CLUES_STREAM.decode(chunk, RULES, window(chunk, RULES.clock, None)) for chunk in chunks]
    facts = np.concatenate([each.facts[0] for each in found])
    letters = {letter.offset: letter for each in found for letter in each.letters}
    assert facts["kind"].tolist() == [6, 6, 6, 0, 0, 0]
    assert set(facts["at_us"].tolist()) == {AT_US}
    said = {
        offset: (each.error_code, each.message.rpartition(" - at ")[2].partition("; ")[0])
        for offset, each in letters.items()
    }
    assert said == {
        5: ("INVALID", "Object missing required field `id`"), 6: ("INVALID", "`$.data_base64`"),
        7: ("NOT_JSON", "Input data was truncated"), 8: ("INVALID", "`$.specversion`"),
        9: ("INVALID", "`$.party`"), 10: ("INVALID", "`$.party`"), 11: ("INVALID", "`$.type`"),
        12: ("INVALID", "`$`"), 14: ("INVALID", "`$.type`"),
    }  # fmt: skip
    kept = json.loads(letters[6].value)
    assert base64.b64decode(kept["data_base64"]) == b"\x02\x04"
    assert kept["datacontenttype"] == "application/avro"
    assert b'"data":{"half}' in letters[7].value
    assert letters[12].value == CAMARA


@given(
    st.dictionaries(st.from_regex("[a-z0-9]{1,20}", fullmatch=True), st.text(max_size=8), max_size=4),
    st.recursive(st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)),
)
def test_attributes_and_data_are_those_that_were_sent(attributes: dict[str, str], data: object) -> None:
    attributes = {name: of for name, of in attributes.items() if name not in {"data", "datacontenttype"}}
    attributes["specversion"] = "1.0"
    value = json.dumps(data).encode()

    made = structured([(f"ce_{name}", of.encode()) for name, of in attributes.items()], value)

    assert json.loads(made) == {**attributes, "data": data}
    assert made.endswith(b',"data":%b}' % value)
    assert structured([], value) == value


def test_only_messages_with_headers_are_asked_for_them_and_none_of_those_is_missed(
    broker: LocalBroker, new_topic: Topics, drain: Drain
) -> None:
    """One octet tells which messages have headers; were it ever another, reading would ask about all."""
    chance, zero = random.Random(7), b"\0"
    settings = KafkaSettings(broker.address, client="confluent")
    values, topic = [None, b"", zero, b"{}", zero * 40, bytes(range(256))], new_topic(settings)
    expected: list[str] = []
    for codec in ("none", "gzip", "lz4", "snappy", "zstd"):
        headed = [chance.random() < 0.5 for _ in range(100)]
        headers = [[("a", None), ("traceparent", GOOD)] if with_them else [] for with_them in headed]
        send(
            broker, topic, [(chance.choice(values), each) for each in headers], **{"compression.type": codec}
        )
        expected += [GOOD.decode() if with_them else "" for with_them in headed]

    with closing(open_consumer(settings, topic, 0, 0)) as reader:
        assert [each for chunk in drain(reader, 500) for each in texts(chunk)] == expected
        assert cast(Any, reader)._reader._client._octet_tells
