"""A job without messages waits in its client, and for no longer than until some come."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from pipelines.kafka import waiting
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    open_consumer,
    open_producer,
)
from pipelines.kafka.reading import arrivals
from pipelines.kafka.reading.arrivals import Arrivals
from pipelines.readable import readable
from schemas.errors import BrokerError


class Telling(ChunkConsumer):
    """Tells of messages by `come`, if it can."""

    def __init__(self, *, able: bool = True) -> None:
        self._able = able

    def tell(self, pipe: int) -> bool:
        self._pipe = pipe
        return self._able

    def come(self) -> None:
        os.write(self._pipe, b"1")

    def poll(self, max_rows: int) -> Chunk | None:
        return None


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Callable[[Arrivals], float]:
    monkeypatch.setattr(arrivals, "QUIET_S", 0.0)
    monkeypatch.setattr(arrivals, "WAIT_S", 0.2)

    def waited_(told: Arrivals) -> float:
        began = time.monotonic()
        told.wait()
        return time.monotonic() - began

    return waited_


def test_messages_end_a_wait_and_those_that_came_before_begin_none(
    waited: Callable[[Arrivals], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "WAIT_S", 60.0)
    told, consumer = Arrivals(), Telling()
    told.listen(consumer)

    consumer.come()
    assert waited(told) < 30
    threading.Timer(0.05, consumer.come).start()
    assert 0.04 < waited(told) < 30


def test_nobody_waits_for_a_client_that_cannot_tell_or_soon_after_messages(
    waited: Callable[[Arrivals], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "WAIT_S", 60.0)
    told = Arrivals()
    told.listen(Telling(able=False))
    assert waited(told) < 30

    monkeypatch.setattr(arrivals, "QUIET_S", 3600.0)
    told = Arrivals()
    told.came()
    assert waited(told) < 30


def test_the_hot_client_tells_of_a_message_that_comes_while_nobody_asks(
    local: KafkaSettings, new_topic: Callable[[KafkaSettings], str]
) -> None:
    topic, told = new_topic(local), Arrivals()
    with closing(open_consumer(local, topic, 0, 0)) as consumer:
        told.listen(consumer)
        while consumer.end_offset() is None:
            consumer.poll(10)
        producer = open_producer(local)
        producer.send(topic, None, b"1", (), 1_700_000_000_000_000)
        producer.flush()
        assert readable(told._hears, 30)

        deadline = time.monotonic() + 30
        while (chunk := consumer.poll(10)) is None and time.monotonic() < deadline:
            told.wait()
        assert chunk is not None and list(chunk.values) == [b"1"]


class Named:
    """An admin client of a cluster with this id, or of one that does not answer."""

    def __init__(self, cluster_id: str) -> None:
        self._id = cluster_id

    def cluster_id(self) -> str:
        if not self._id:
            raise BrokerError("away")
        return self._id

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("cluster_id", "wait_ms"),
    [(waiting.EMBEDDED, FETCH_WAIT_MS), ("Zm9v", waiting.PATIENT_MS), ("", FETCH_WAIT_MS)],
)
def test_only_a_broker_that_answers_as_soon_as_messages_come_is_given_long(
    cluster_id: str, wait_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "open_admin", lambda _: Named(cluster_id))

    assert waiting.fetch_wait_ms(KafkaSettings(f"{cluster_id or 'none'}:1")) == wait_ms


def test_the_embedded_broker_says_who_it_is(local: KafkaSettings) -> None:
    assert waiting.fetch_wait_ms(local) == FETCH_WAIT_MS
