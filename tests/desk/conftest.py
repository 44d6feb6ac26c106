"""One embedded broker a module."""

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
        process.close_connections()
