"""Real brokers for the Kafka tests, started once; every test gets topics of its own."""

import itertools
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker, LocalBroker
from pipelines.kafka.port import (
    Admin,
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    NewTopic,
    Producer,
    close_producers,
    open_admin,
    open_consumer,
    open_producer,
)
from pipelines.kafka.reading import process
from tests.kafka.secured import SecuredKafka

CLIENTS = ("confluent", "kafka-python")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def java() -> None:
    """Skip a test that starts Apache Kafka itself where it cannot run."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"Apache Kafka needs {' and '.join(missing)} on the PATH")


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker
        process.close_connections()


@pytest.fixture(scope="session")
def apache(java: None) -> Iterator[SecuredKafka]:
    with SecuredKafka() as broker:
        yield broker
        process.close_connections()


@pytest.fixture(scope="session", params=["embedded", pytest.param("apache", marks=pytest.mark.java)])
def broker(request: pytest.FixtureRequest) -> LocalBroker:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=CLIENTS)
def settings(broker: LocalBroker, request: pytest.FixtureRequest) -> KafkaSettings:
    return KafkaSettings(broker.address, group=new_name(request, "group"), client=request.param)


@pytest.fixture
def local(embedded: EmbeddedBroker, request: pytest.FixtureRequest) -> KafkaSettings:
    """The hot client on the embedded broker, for tests in which neither is the point."""
    return KafkaSettings(embedded.address, group=new_name(request, "group"), client="confluent")


def new_name(request: pytest.FixtureRequest, kind: str) -> str:
    stem = re.sub(r"[^a-z_]", "_", request.node.originalname or request.node.name)
    return f"{kind}_{next(_numbers)}_{stem[:40]}"


@pytest.fixture
def new_topic(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Create a topic of this test's own: `new_topic(settings, partitions=1, config={})`."""

    def create(settings: KafkaSettings, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = new_name(request, "topic")
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, partitions, config=config or {})])
        return name

    return create


@pytest.fixture
def admin(settings: KafkaSettings) -> Iterator[Admin]:
    with closing(open_admin(settings)) as admin:
        yield admin


@pytest.fixture(autouse=True)
def producers_end_with_their_test() -> Iterator[None]:
    yield
    close_producers()


@pytest.fixture
def producer(settings: KafkaSettings) -> Producer:
    return open_producer(settings)


@pytest.fixture
def consumer(settings: KafkaSettings) -> Iterator[Callable[..., ChunkConsumer]]:
    """Open consumers that are closed with the test: `consumer(topic, partition=0, offset=0)`."""
    opened: list[ChunkConsumer] = []

    def open_(topic: str, partition: int = 0, offset: int = 0) -> ChunkConsumer:
        opened.append(open_consumer(settings, topic, partition, offset))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def send() -> Callable[..., None]:
    """Send values and wait for them: `send(settings, topic, values, first_us, step_us, partition)`."""

    def send_(
        settings: KafkaSettings,
        topic: str,
        values: list[bytes],
        *,
        first_us: int = 1_700_000_000_000_000,
        step_us: int = 1000,
        partition: int = 0,
    ) -> None:
        producer = open_producer(settings)
        for index, value in enumerate(values):
            producer.send(topic, b"key", value, (), first_us + index * step_us, partition=partition)
        producer.flush()

    return send_


@pytest.fixture
def drain() -> Callable[..., list[Chunk]]:
    """Poll until `rows` messages came or ten seconds passed: `drain(consumer, rows)`."""

    def drain_(consumer: ChunkConsumer, rows: int, max_rows: int = 2000) -> list[Chunk]:
        chunks: list[Chunk] = []
        deadline = time.monotonic() + 10
        while sum(len(chunk.values) for chunk in chunks) < rows and time.monotonic() < deadline:
            if (chunk := consumer.poll(max_rows)) is not None:
                chunks.append(chunk)
            else:
                time.sleep(0.002)
        return chunks

    return drain_
