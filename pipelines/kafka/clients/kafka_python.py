"""The pure-Python client: kafka-python 3 behind the port.

`kafka_python_consumer.py` reads; `kafka_python_admin.py` asks and creates.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from pipelines.kafka import port
from pipelines.kafka.admission import OVERHEARD, kept_out
from pipelines.kafka.limits import batch_bytes, message_bytes_max
from pipelines.kafka.port import (
    LINGER_MS,
    ChoosingError,
    Headers,
    KafkaSettings,
    close_producers,
)
from pipelines.kafka.refusals import CHOOSING, Refused, Why, of_connection
from pipelines.kafka.security import SECURITY_KEYS
from pipelines.kafka.settling import Settling
from pipelines.process import PROCESS
from schemas.errors import BrokerError

for _speaker in ("kafka.net.manager", "kafka.net.connection"):
    logging.getLogger(_speaker).addFilter(OVERHEARD)


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Translate the settings, librdkafka security keys included, into kafka-python's words.

    >>> client_config(KafkaSettings("b:9092", security={"security.protocol": "ssl"}))["security_protocol"]
    'SSL'
    """
    security: dict[str, Any] = {
        SECURITY_KEYS[key]: value for key, value in settings.client_security().items()
    }
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
        code = getattr(refused, "errno", None)
        if of_connection(code) and (reason := kept_out(settings)):
            raise BrokerError(f"{doing} at {settings.brokers} failed: {reason}") from refused
        kind = ChoosingError if code in CHOOSING else BrokerError
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


class Producer(port.Producer):
    """`Producer` over the process's kafka-python producers for these settings, one for each size of batch."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._clients: dict[str, KafkaProducer] = {}
        self._sent: list[tuple[str, Any]] = []
        self._settling = Settling(settings)

    def _connect(self, bytes_max: int) -> KafkaProducer:
        return PROCESS.shared(
            "producers", (self._settings, bytes_max), partial(_connected, self._settings, bytes_max), _close
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
        """See `Producer.send`."""
        if (client := self._clients.get(topic)) is None:
            client = self._connect(message_bytes_max(self._settings, topic))
            self._clients[topic] = client
        try:
            sent = client.send(topic, value, key, list(headers), partition, timestamp_us // 1000)
        except KafkaError as refused:
            sent = refused
        self._sent.append((topic, sent))

    def settle(self) -> list[Refused]:
        """See `Producer.settle`; `KafkaProducer.flush` alone does not report losses, the futures do."""
        for client in set(self._clients.values()):
            with suppress(KafkaError):
                client.flush(self._settings.delivery_timeout_s + port.REQUEST_TIMEOUT_S)
        for number, (topic, sent) in enumerate(self._sent):
            if not isinstance(sent, Exception) and sent.succeeded():
                continue
            error = sent if isinstance(sent, Exception) else sent.exception
            code = getattr(error, "errno", None) or 0
            # Records in the batch of one at fault get an error without a code, of no class of its own.
            why: Why | None = "RECORD" if type(error) is KafkaError else None
            self._settling.failed(number, topic, code, str(error or "no answer"), why)
        self._sent = []
        return self._settling.result()

    def close(self) -> None:
        """See `Producer.close`."""
        close_producers(self._settings)


def _connected(settings: KafkaSettings, bytes_max: int) -> KafkaProducer:
    timeout_ms = int(settings.delivery_timeout_s * 1000)
    with asking(settings, "connecting"):
        return KafkaProducer(
            **{
                **client_config(settings),
                # As in `confluent.py`; and after a refusal an idempotent one fails for good.
                "enable_idempotence": False,
                "max_in_flight_requests_per_connection": 1,
                "retries": 2**31 - 1,
                "acks": "all",
                "linger_ms": LINGER_MS,
                "batch_size": min(131_072, batch_bytes(bytes_max)),
                "max_request_size": bytes_max,
                "delivery_timeout_ms": timeout_ms,
                "request_timeout_ms": min(timeout_ms // 2, int(port.REQUEST_TIMEOUT_S * 1000)),
                "max_block_ms": timeout_ms,
                "allow_auto_create_topics": False,
                "metrics_enabled": False,
            }
        )


def _close(client: KafkaProducer) -> None:
    client.close(timeout=0)
