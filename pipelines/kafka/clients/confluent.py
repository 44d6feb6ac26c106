"""The hot client: librdkafka behind the port, through confluent-kafka where columns do not matter.

`librdkafka.py` reads messages by columns; `confluent_admin.py` asks and creates.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import confluent_kafka as ck
import numpy as np
from confluent_kafka import Message

from pipelines.kafka import port
from pipelines.kafka.admission import OVERHEARD, Admission
from pipelines.kafka.clients import librdkafka
from pipelines.kafka.limits import batch_bytes, message_bytes_max
from pipelines.kafka.port import (
    LATEST_US,
    LINGER_MS,
    REPEAT_S,
    Chunk,
    Headers,
    KafkaSettings,
    OffsetOutOfRangeError,
    close_producers,
)
from pipelines.kafka.refusals import Refused
from pipelines.kafka.settling import Settling
from pipelines.kafka.waiting import fetch_wait_ms
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

#: Prefetch per partition: enough for 600k messages/s here, small enough for dozens of partitions.
PREFETCH_KB = 16_384

#: The least that librdkafka takes for `message.max.bytes`.
LEAST_BYTES = 1000

#: Confirmations are heard once in so many records sent; each time another thread may take the interpreter.
POLL_RECORDS = 200

#: Outages and elections; librdkafka reconnects by itself and the reader just waits.
TRANSIENT = frozenset(
    {
        ck.KafkaError._TRANSPORT,
        ck.KafkaError._ALL_BROKERS_DOWN,
        ck.KafkaError._RESOLVE,
        ck.KafkaError._TIMED_OUT,
        ck.KafkaError.REQUEST_TIMED_OUT,
        ck.KafkaError.NOT_LEADER_FOR_PARTITION,
        ck.KafkaError.LEADER_NOT_AVAILABLE,
        ck.KafkaError.NETWORK_EXCEPTION,
        ck.KafkaError._AUTHENTICATION,  # final after some tries: `Admission`
        ck.KafkaError._SSL,
    }
)
OUT_OF_RANGE = frozenset({ck.KafkaError.OFFSET_OUT_OF_RANGE, ck.KafkaError._AUTO_OFFSET_RESET})


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


class Consumer(port.ChunkConsumer):
    """`ChunkConsumer` over librdkafka."""

    def __init__(self, settings: KafkaSettings, topic: str, partition: int, offset: int) -> None:
        self._topic, self._partition, self._position = topic, partition, offset
        self._failure: BrokerError | None = None
        self._settings = settings
        self._admission = Admission(settings)
        self._consumer = self._opened()
        self.seek(offset)

    def _opened(self) -> librdkafka.Consumer:
        return librdkafka.Consumer(
            {
                **consumer_config(self._settings),
                "fetch.wait.max.ms": fetch_wait_ms(self._settings),
                "fetch.queue.backoff.ms": 5,  # its default, 1 s, stalls readers that empty the queue
                "fetch.error.backoff.ms": 50,
                "queued.min.messages": 50_000,
                "queued.max.messages.kbytes": PREFETCH_KB,
            }
        )

    def poll(self, max_rows: int) -> Chunk | None:
        """See `ChunkConsumer.poll`."""
        if self._failure is not None:
            raise self._failure
        read = self._consumer.poll(max_rows)
        for event in read.events:
            self._failure = self._failure or self._heard(event)
        count = len(read.values)
        if not count:
            if self._failure is not None:
                raise self._failure
            if self._admission.renew():
                self._consumer.close()
                self._consumer = self._opened()
                self.seek(self._position)
            return None
        self._admission.granted()
        self._position = int(read.offsets[-1]) + 1
        partitions = np.full(count, self._partition, np.int32)
        times = np.minimum(read.timestamps_ms, LATEST_US // 1000) * 1000
        return Chunk(self._topic, read.values, partitions, read.offsets, times, traces=read.traces)

    def _heard(self, event: librdkafka.Event) -> BrokerError | None:
        """Note the end of the log, wait out outages, return the rest as an error."""
        code, text, offset = event
        if code == ck.KafkaError._PARTITION_EOF:
            self._admission.granted()
            self._position = max(self._position, offset)
        elif code in OUT_OF_RANGE:
            return OffsetOutOfRangeError(
                f"{self._topic}[{self._partition}] no longer holds offset {self._position}: {text}"
            )
        elif code not in TRANSIENT:
            return BrokerError(f"reading {self._topic}[{self._partition}]@{self._position} failed: {text}")
        return None

    def tell(self, pipe: int) -> bool:
        """See `ChunkConsumer.tell`."""
        self._consumer.tell(pipe)
        return True

    def position(self) -> int:
        """See `ChunkConsumer.position`."""
        return self._position

    def end_offset(self) -> int | None:
        """See `ChunkConsumer.end_offset`."""
        return self._consumer.end_offset(self._topic, self._partition)

    def seek(self, offset: int) -> None:
        """See `ChunkConsumer.seek`; a fresh assignment also drops what is buffered."""
        self._consumer.assign(self._topic, self._partition, offset)
        self._position = offset
        self._failure = None

    def close(self) -> None:
        """See `ChunkConsumer.close`."""
        self._consumer.close()


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
