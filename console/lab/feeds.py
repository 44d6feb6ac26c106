"""Payments into a broker, records out of it: worlds and scenarios as streams."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from fixtures.scenario import Scenario
from fixtures.stream import clues, feedback, messages
from fixtures.world import World
from pipelines.jobs import main
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_consumer, open_producer
from pipelines.kafka.reading import process
from schemas import topics

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

#: Partitions of each topic of a broker of our own.
PARTITIONS = 4


@contextmanager
def streamed(scenario: Scenario, currency: str = "CNY") -> Iterator[tuple[KafkaSettings, dict[int, int]]]:
    """Hold a scenario, paid in `currency`, on a broker of its own; name the offsets where history ends."""
    world = scenario.world().paid_in(currency)
    payments = world.payments
    began = pc.less(payments["accepted_at_us"], scenario.begins_us)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(main.wanted_topics(PARTITIONS))
            send(settings, payments.filter(began))
            places = [(topics.PAYMENTS, number) for number in range(PARTITIONS)]
            decided = {number: offset for (_, number), offset in admin.end_offsets(places).items()}
        send(settings, payments.filter(pc.invert(began)))
        send_feedback(settings, world)
        send_clues(settings, world)
        yield settings, decided
        process.close_connections()


def send(settings: KafkaSettings, payments: pa.Table) -> None:
    """Send payments under their own time."""
    producer = open_producer(settings)
    for block in messages(payments):
        for key, value, at_us in zip(*block, strict=True):
            producer.send(topics.PAYMENTS, key, value, (), at_us)
        producer.flush()


def send_feedback(settings: KafkaSettings, world: World) -> None:
    """Send what becomes known of a world's payments, each finding under the time it does."""
    producer = open_producer(settings)
    for each in feedback(world.truth, world.payments):
        key = (each.case_family_id or each.txn_id).encode()
        producer.send(topics.FEEDBACK, key, msgspec.json.encode(each), (), each.known_at_us)
    producer.flush()


def send_clues(settings: KafkaSettings, world: World) -> None:
    """Send a world's clues under their own time."""
    producer = open_producer(settings)
    for each in clues(world.clues):
        producer.send(topics.CLUES, each.party.encode(), msgspec.json.encode(each), (), each.at_us)
    producer.flush()


def send_at_rate(settings: KafkaSettings, payments: pa.Table, rate: int = 0) -> None:
    """Send payments, at `rate` a second if it is not 0; their Kafka time is now."""
    producer = open_producer(settings)
    began, sent = time.monotonic(), 0
    for block in messages(payments, block=500 if rate else 5_000):
        if rate and (ahead := sent / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        now_us = time.time_ns() // 1000
        for key, value in zip(block.keys, block.values, strict=True):
            producer.send(topics.PAYMENTS, key, value, (), now_us)
        producer.flush()
        sent += len(block.keys)


def commit_at_end(settings: KafkaSettings) -> None:
    """Let the job's group stand at the end of the topic, as if it had decided all that is there."""
    places = [(topics.PAYMENTS, number) for number in range(PARTITIONS)]
    with closing(open_admin(settings)) as admin:
        admin.commit(settings.group, admin.end_offsets(places))


class Listener:
    """Reads all partitions of a topic as records."""

    def __init__(self, settings: KafkaSettings, topic: str, record: Any) -> None:
        self._consumers = [open_consumer(settings, topic, number, 0) for number in range(PARTITIONS)]
        self._decode = msgspec.json.Decoder(record).decode

    def take(self) -> list[Any]:
        """Return what arrived since the last call."""
        chunks = [chunk for each in self._consumers if (chunk := each.poll(10_000)) is not None]
        return [self._decode(value) for chunk in chunks for value in chunk.values]
