"""The hot client: librdkafka behind the port, through confluent-kafka where columns do not matter.

`librdkafka.py` reads messages by columns; `confluent_admin.py` asks and creates.
"""

import logging
import re
import threading
import time
from collections import Counter
from typing import Any, ClassVar

import confluent_kafka as ck
import numpy as np
from confluent_kafka import Message

from pipelines.kafka import port
from pipelines.kafka.clients import librdkafka
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    LINGER_MS,
    REPEAT_S,
    Chunk,
    Headers,
    KafkaSettings,
    OffsetOutOfRangeError,
    lost_text,
)
from schemas.errors import BrokerError, SinkError


class Sparing(logging.Filter):
    """Drops what was said a moment ago; in an outage every consumer complains several times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a message through unless one that differs only in its numbers was, within `REPEAT_S`."""
        kind = re.sub(r"\d+", "", record.getMessage())
        if record.created - self._said.get(kind, -REPEAT_S) < REPEAT_S:
            return False
        self._said[kind] = record.created
        return True


_LOGGER = logging.getLogger(__name__)
_LOGGER.addFilter(Sparing())

#: Prefetch per partition: enough for 600k messages/s here, small enough for dozens of partitions.
PREFETCH_KB = 16_384

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
    }
)
OUT_OF_RANGE = frozenset({ck.KafkaError.OFFSET_OUT_OF_RANGE, ck.KafkaError._AUTO_OFFSET_RESET})


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return the part of librdkafka's configuration that every client shares."""
    return {
        "bootstrap.servers": settings.brokers,
        "reconnect.backoff.ms": 500,  # its default, 100 ms, means 20 attempts a second of each client
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
        "logger": _LOGGER,
        **settings.security,
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
        self._topic, self._partition = topic, partition
        self._failure: BrokerError | None = None
        self._consumer = librdkafka.Consumer(
            {
                **consumer_config(settings),
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "fetch.queue.backoff.ms": 5,  # its default, 1 s, stalls readers that empty the queue
                "fetch.error.backoff.ms": 50,
                "queued.min.messages": 50_000,
                "queued.max.messages.kbytes": PREFETCH_KB,
            }
        )
        self.seek(offset)

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
            return None
        self._position = int(read.offsets[-1]) + 1
        partitions = np.full(count, self._partition, np.int32)
        return Chunk(self._topic, read.values, partitions, read.offsets, read.timestamps_ms * 1000)

    def _heard(self, event: librdkafka.Event) -> BrokerError | None:
        """Note the end of the log, wait out outages, return the rest as an error."""
        code, text, offset = event
        if code == ck.KafkaError._PARTITION_EOF:
            self._position = max(self._position, offset)
        elif code in OUT_OF_RANGE:
            return OffsetOutOfRangeError(
                f"{self._topic}[{self._partition}] no longer holds offset {self._position}: {text}"
            )
        elif code not in TRANSIENT:
            return BrokerError(f"reading {self._topic}[{self._partition}]@{self._position} failed: {text}")
        return None

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
    """`Producer` over the process's one librdkafka producer for these settings."""

    _shared: ClassVar[dict[KafkaSettings, ck.Producer]] = {}
    _shared_lock = threading.Lock()

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client = self._connect(settings)
        self._lock = threading.Lock()
        self._sent = self._pending = 0
        self._lost: Counter[str] = Counter()
        self._reason = ""

    @classmethod
    def _connect(cls, settings: KafkaSettings) -> ck.Producer:
        with cls._shared_lock:
            if settings not in cls._shared:
                cls._shared[settings] = ck.Producer(
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
                    }
                )
            return cls._shared[settings]

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
        with self._lock:
            self._pending += 1
        where = -1 if partition is None else partition
        while True:
            try:
                self._client.produce(
                    topic,
                    value,
                    key,
                    where,
                    on_delivery=self._on_delivery,
                    timestamp=timestamp_us // 1000,
                    headers=list(headers) or None,
                )
                break
            except BufferError:
                self._client.poll(0.1)
            except ck.KafkaException as refused:
                self._settle(topic, refused.args[0])
                break
        self._sent += 1
        if self._sent % POLL_RECORDS == 0:
            self._client.poll(0)

    def _on_delivery(self, error: Any, message: Message) -> None:
        self._settle(message.topic(), error)

    def _settle(self, topic: str, error: Any) -> None:
        with self._lock:
            self._pending -= 1
            if error is not None:
                self._lost[topic] += 1
                self._reason = error.str()

    def flush(self) -> None:
        """See `Producer.flush`."""
        deadline = time.monotonic() + self._settings.delivery_timeout_s + port.REQUEST_TIMEOUT_S
        while self._pending and time.monotonic() < deadline:
            self._client.flush(0.01)
        with self._lock:
            lost, reason, unknown = dict(self._lost), self._reason, self._pending
            self._lost.clear()
        if lost or unknown:
            raise SinkError(lost_text(lost, unknown, reason))

    def close(self) -> None:
        """See `Producer.close`."""
        with self._shared_lock:
            self._shared.pop(self._settings, None)
