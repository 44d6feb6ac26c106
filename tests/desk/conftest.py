"""One embedded broker a test, and desks that end with it."""

from collections.abc import Iterator

import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from tests.desk import kit


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """A broker with the desk's topics, gone after the test."""
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        kit.create_topics(settings)
        yield settings
        kit.close_all()
        process.close_connections()
