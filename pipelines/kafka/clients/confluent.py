"""The hot client: librdkafka behind the port, through confluent-kafka where columns do not matter.

`confluent_consumer.py` reads, by the columns of `librdkafka.py`; `confluent_admin.py` asks and creates.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import confluent_kafka as ck
from confluent_kafka import Message

from pipelines.kafka import port
from pipelines.kafka.admission import OVERHEARD
from pipelines.kafka.limits import batch_bytes, message_bytes_max
from pipelines.kafka.port import (
    LINGER_MS,
    REPEAT_S,
    Headers,
    KafkaSettings,
    close_producers,
)
from pipelines.kafka.refusals import Refused
from pipelines.kafka.settling import Settling
from pipelines.process import PROCESS
from schemas.errors import BrokerError


class Sparing(logging.Filter):
    """Drops notes, and what was said a moment ago: in an outage each consumer complains all the time."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a message through unless one that differs only in its numbers was, within `REPEAT_S`."""
        kind = re.sub(r"\d+", "", record.getMessage())
        if record.levelno < logging.WARNING or record.created - self._said.get(kind, -REPEAT_S) < REPEAT_S:
            return False
        self._said[kind] = record.created
        return True


T = TypeVar("T")

_LOGGER = logging.getLogger(__name__)
_LOGGER.setLevel(logging.INFO)  # for `OVERHEARD`; less than warnings are not shown
_LOGGER.addFilter(OVERHEARD)
_LOGGER.addFilter(Sparing())

#: The least that librdkafka takes for `message.max.bytes`.
LEAST_BYTES = 1000

#: Confirmations are heard once in so many records sent; each time another thread may take the interpreter.
POLL_RECORDS = 200


def made(kind: Callable[[Mapping[str, Any]], T], config: Mapping[str, Any]) -> T:
    """Make a client of librdkafka.

    Raises:
        BrokerError: it refuses a setting, or what a setting names.

    """
    try:
        return kind(config)
    except ck.KafkaException as refused:
        said = refused.args[0].str()
        what = "setting" if "configuration property" in said else "client"
        raise BrokerError(f"kafka {what} refused: {said}") from refused


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return the part of librdkafka's configuration that every client shares."""
    return {
        "bootstrap.servers": settings.brokers,
        "reconnect.backoff.ms": 500,  # its default, 100 ms, means 20 attempts a second of each client
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
        "logger": _LOGGER,
        **settings.client_security(),
    }


def consumer_config(settings: KafkaSettings) -> dict[str, Any]:
    """Configure a consumer that is assigned, never subscribed, and neither commits nor moves by itself."""
    return {
        **client_config(settings),
        "group.id": settings.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }


class Producer(port.Producer):
    """`Producer` over the process's librdkafka producers for these settings, one for each size of batch."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._clients: dict[str, ck.Producer] = {}
        self._lock = threading.Lock()
        self._pending = 0
        self._settling = Settling(settings)

    def _connect(self, bytes_max: int) -> ck.Producer:
        return PROCESS.shared(
            "producers", (self._settings, bytes_max), partial(_connected, self._settings, bytes_max)
        )

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_us: int,
        *,
        partition: int | None = None,
    ) -> None:
        """See `Producer.send`; waits while the queue is full."""
        if (client := self._clients.get(topic)) is None:
            client = self._connect(message_bytes_max(self._settings, topic))
            self._clients[topic] = client
        with self._lock:
            self._pending += 1
        where = -1 if partition is None else partition
        number = self._settling.number()
        settled = partial(self._settle, number, topic)
        while True:
            try:
                client.produce(
                    topic,
                    value,
                    key,
                    where,
                    on_delivery=settled,
                    timestamp=timestamp_us // 1000,
                    headers=list(headers) or None,
                )
                break
            except BufferError:
                client.poll(0.1)
            except ck.KafkaException as refused:
                settled(refused.args[0], None)
                break
        if (number + 1) % POLL_RECORDS == 0:
            client.poll(0)

    def _settle(self, number: int, topic: str, error: Any, _: Message | None) -> None:
        if error is not None:
            self._settling.failed(number, topic, error.code(), error.str())
        with self._lock:
            self._pending -= 1

    def settle(self) -> list[Refused]:
        """See `Producer.settle`."""
        deadline = time.monotonic() + self._settings.delivery_timeout_s + port.REQUEST_TIMEOUT_S
        while self._pending and time.monotonic() < deadline:
            for client in set(self._clients.values()):
                client.flush(0.01)
        return self._settling.result(self._pending)

    def close(self) -> None:
        """See `Producer.close`."""
        close_producers(self._settings)


def _connected(settings: KafkaSettings, bytes_max: int) -> ck.Producer:
    return made(
        ck.Producer,
        {
            **client_config(settings),
            # One request at a time keeps the order when it is repeated. librdkafka's idempotence
            # would, too, but takes a core while a slow broker owes it an answer.
            "max.in.flight": 1,
            "acks": "all",
            "linger.ms": LINGER_MS,
            "partitioner": "murmur2_random",  # as Java and kafka-python: one key, one partition
            "compression.type": "none",
            "delivery.timeout.ms": int(settings.delivery_timeout_s * 1000),
            "queue.buffering.max.messages": 500_000,
            "message.max.bytes": max(bytes_max, LEAST_BYTES),
            "batch.size": batch_bytes(bytes_max),
        },
    )
