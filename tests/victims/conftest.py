"""A broker for the victims job and its channels."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from schemas import topics
from tests.victims.far_sides import Centre, Far


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address, group="victims")
        names = dict.fromkeys((*topics.VICTIMS_READ, *topics.VICTIMS_WRITTEN))
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, 2) for name in names])
        yield settings
        process.close_connections()


def send(kafka: KafkaSettings, topic: str, party: str, *values: Any, at_us: int) -> None:
    """Send records, a millisecond apart."""
    producer = open_producer(kafka)
    for number, value in enumerate(values):
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        producer.send(topic, party.encode(), body, (), at_us + number * 1000)
    producer.flush()


def read(kafka: KafkaSettings, topic: str, kind: Any) -> list[Any]:
    """Read all that a topic holds, by partition and offset."""
    bounds = captured_bounds(kafka, (topic,))
    values = [value for chunk in chunks_within(kafka, bounds) for value in chunk.values]
    return [msgspec.json.decode(value, type=kind) for value in values]


@pytest.fixture
def far() -> Iterator[Far]:
    with closing(Far()) as found:
        yield found


@pytest.fixture
def centre() -> Iterator[Centre]:
    with closing(Centre()) as found:
        yield found
