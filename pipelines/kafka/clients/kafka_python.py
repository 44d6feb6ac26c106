"""The pure-Python client: kafka-python 3 behind the port; `kafka_python_admin.py` asks and creates."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorError,
)
from kafka.errors import OffsetOutOfRangeError as BrokerOffsetOutOfRange

from pipelines.kafka import port
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    LINGER_MS,
    SECURITY_KEYS,
    Chunk,
    CoordinatorMovingError,
    Headers,
    KafkaSettings,
    OffsetOutOfRangeError,
    lost_text,
)
from schemas.errors import BrokerError, SinkError
from schemas.rows.values import Values

COORDINATOR_MOVING = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Translate the settings, librdkafka security keys included, into kafka-python's words.

    >>> client_config(KafkaSettings("b:9092", security={"security.protocol": "ssl"}))["security_protocol"]
    'SSL'
    """
    security: dict[str, Any] = {SECURITY_KEYS[key]: value for key, value in settings.security.items()}
    if "security_protocol" in security:
        security["security_protocol"] = security["security_protocol"].upper()
    if "ssl_check_hostname" in security:
        security["ssl_check_hostname"] = security["ssl_check_hostname"] == "https"
    return {
        "bootstrap_servers": settings.brokers.split(","),
        "bootstrap_timeout_ms": int(port.REQUEST_TIMEOUT_S * 1000),
        "request_timeout_ms": int(port.REQUEST_TIMEOUT_S * 1000),
        "reconnect_backoff_max_ms": 1000,
        **security,
    }


@contextmanager
def asking(settings: KafkaSettings, doing: str) -> Iterator[None]:
    """Turn the client's errors into one sentence about the broker."""
    try:
        yield
    except KafkaError as refused:
        kind = CoordinatorMovingError if isinstance(refused, COORDINATOR_MOVING) else BrokerError
        raise kind(f"{doing} at {settings.brokers} failed: {refused}") from refused


def consumer(settings: KafkaSettings, **config: Any) -> KafkaConsumer:
    """Open a consumer that is assigned, never subscribed, and that neither commits nor moves by itself."""
    with asking(settings, "connecting"):
        return KafkaConsumer(
            **client_config(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",  # librdkafka's default
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **config,
        )


class Consumer(port.ChunkConsumer):
    """`ChunkConsumer` over kafka-python."""

    def __init__(self, settings: KafkaSettings, topic: str, partition: int, offset: int) -> None:
        self._at = TopicPartition(topic, partition)
        self._position = offset
        self._consumer = consumer(settings, fetch_max_wait_ms=FETCH_WAIT_MS)
        self._consumer.assign([self._at])
        self._consumer.seek(self._at, offset)

    def poll(self, max_rows: int) -> Chunk | None:
        """See `ChunkConsumer.poll`."""
        topic, partition = self._at
        try:
            records = self._consumer.poll(0, max_rows).get(self._at)
        except BrokerOffsetOutOfRange as gone:
            raise OffsetOutOfRangeError(
                f"{topic}[{partition}] no longer holds offset {self._position}"
            ) from gone
        except KafkaError as refused:
            if refused.retriable:
                return None
            raise BrokerError(f"reading {topic}[{partition}]@{self._position} failed: {refused}") from refused
        self._position = max(self._position, self._consumer.position(self._at, timeout_ms=0) or 0)
        if not records:
            return None
        count = len(records)
        return Chunk(
            topic,
            Values.of([record.value or b"" for record in records]),
            np.full(count, partition, np.int32),
            np.fromiter((record.offset for record in records), np.int64, count),
            np.fromiter((max(record.timestamp, 0) * 1000 for record in records), np.int64, count),
        )

    def position(self) -> int:
        """See `ChunkConsumer.position`."""
        return self._position

    def end_offset(self) -> int | None:
        """See `ChunkConsumer.end_offset`."""
        end: int | None = self._consumer.highwater(self._at)
        return end

    def seek(self, offset: int) -> None:
        """See `ChunkConsumer.seek`."""
        self._consumer.seek(self._at, offset)
        self._position = offset

    def close(self) -> None:
        """See `ChunkConsumer.close`."""
        self._consumer.close(autocommit=False)


class Producer(port.Producer):
    """`Producer` over the process's one kafka-python producer for these settings."""

    _shared: ClassVar[dict[KafkaSettings, KafkaProducer]] = {}
    _shared_lock = threading.Lock()

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client = self._connect(settings)
        self._sent: list[tuple[str, Any]] = []
        self._lost: Counter[str] = Counter()
        self._reason = ""

    @classmethod
    def _connect(cls, settings: KafkaSettings) -> KafkaProducer:
        with cls._shared_lock, asking(settings, "connecting"):
            if settings not in cls._shared:
                timeout_ms = int(settings.delivery_timeout_s * 1000)
                cls._shared[settings] = KafkaProducer(
                    **{
                        **client_config(settings),
                        "enable_idempotence": True,
                        "acks": "all",
                        "linger_ms": LINGER_MS,
                        "batch_size": 131_072,
                        "delivery_timeout_ms": timeout_ms,
                        "request_timeout_ms": min(timeout_ms // 2, int(port.REQUEST_TIMEOUT_S * 1000)),
                        "max_block_ms": timeout_ms,
                        "allow_auto_create_topics": False,
                        "metrics_enabled": False,
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
        """See `Producer.send`."""
        try:
            future = self._client.send(topic, value, key, list(headers), partition, timestamp_us // 1000)
        except KafkaError as refused:
            self._lose(topic, refused)
        else:
            self._sent.append((topic, future))

    def flush(self) -> None:
        """See `Producer.flush`; `KafkaProducer.flush` alone does not report losses, the futures do."""
        with suppress(KafkaError):
            self._client.flush(self._settings.delivery_timeout_s + port.REQUEST_TIMEOUT_S)
        for topic, future in self._sent:
            if not future.succeeded():
                self._lose(topic, future.exception)
        lost, reason = dict(self._lost), self._reason
        self._sent, self._lost = [], Counter()
        if lost:
            raise SinkError(lost_text(lost, 0, reason))

    def _lose(self, topic: str, error: Exception | None) -> None:
        self._lost[topic] += 1
        self._reason = str(error or "no answer")

    def close(self) -> None:
        """See `Producer.close`."""
        with self._shared_lock:
            shared = self._shared.pop(self._settings, None)
        if shared is not None:
            shared.close(timeout=0)
