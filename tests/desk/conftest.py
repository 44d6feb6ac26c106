"""One embedded broker a test, or a module of tests, and desks that end with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from tests.desk import kit


@contextmanager
def desk_broker() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        kit.create_topics(settings)
        yield settings
        kit.close_all()
        process.close_connections()


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """A broker with the desk's topics, gone after the test."""
    with desk_broker() as settings:
        yield settings


@pytest.fixture(scope="module")
def shared_kafka() -> Iterator[KafkaSettings]:
    """A broker with the desk's topics, gone after the module."""
    with desk_broker() as settings:
        yield settings
