"""How large a message a topic takes: asked once a process, before anything is sent."""

import logging
import threading
import time
from contextlib import closing

from pipelines.kafka.port import REPEAT_S, KafkaSettings, open_admin
from pipelines.process import PROCESS
from schemas.errors import BrokerError

_LOGGER = logging.getLogger(__name__)

#: Kafka's default of `max.message.bytes`.
DEFAULT_BYTES = 1_048_588

#: A batch's own header, and what a record takes beside key, value and headers, bytes (record format 2).
BATCH_HEAD_BYTES, RECORD_HEAD_BYTES = 61, 40


class Limits:
    """How large a message each topic of these brokers takes."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, float]] = {}

    def of(self, topic: str) -> int:
        """Return the largest batch of records that a topic takes, bytes."""
        with self._lock:
            size, until = self._known.get(topic, (0, 0.0))
            if time.monotonic() < until:
                return size
            try:
                with closing(open_admin(self._settings)) as admin:
                    size, until = int(admin.topic_config(topic)["max.message.bytes"]), float("inf")
            except (BrokerError, KeyError) as error:
                _LOGGER.debug("the size that topic %s takes is not known: %s", topic, error)
                size, until = DEFAULT_BYTES, time.monotonic() + REPEAT_S
            self._known[topic] = size, until
            return size


def message_bytes_max(settings: KafkaSettings, topic: str) -> int:
    """Return the largest batch of records that `topic` takes, bytes, batch header included.

    Kafka's default where the broker does not say; it is then asked again after `REPEAT_S`.
    """
    return PROCESS.shared("limits", settings, lambda: Limits(settings)).of(topic)


def forget_limits(settings: KafkaSettings) -> None:
    """Ask again from now on: a broker refused what should have fitted."""
    PROCESS.end("limits", lambda whose: whose == settings)


def batch_bytes(bytes_max: int) -> int:
    """Return how much a client may gather for a topic that takes `bytes_max`.

    librdkafka goes over by up to one small record's framing, hence the tenth that stays free.
    """
    return max(1, min(1_000_000, bytes_max - bytes_max // 10 - BATCH_HEAD_BYTES))
