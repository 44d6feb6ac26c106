"""How long after a payment its alert, and its gravest warning, are in the hands of who reads the topics."""

import time
from typing import Self

import msgspec

from pipelines.kafka.port import KafkaSettings, open_consumer
from schemas import topics
from schemas.alert import Alert
from schemas.warning import Warning
from tests.bench.load import PARTITIONS

#: A warning of this severity is to leave within a second.
GRAVEST = 4


class AlertClock:
    """Reads topics `alerts` and `warnings` and notes the delay of each since `restart`, milliseconds.

    When a payment that was warned about was received its alert tells, so a warning without one is not timed.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        places = [
            (topic, number) for topic in (topics.ALERTS, topics.WARNINGS) for number in range(PARTITIONS)
        ]
        self._consumers = [open_consumer(settings, topic, number, 0) for topic, number in places]
        self._since_us = 0
        self.delays_ms: list[float] = []
        self._received: dict[str, int] = {}
        self._warned: dict[str, int] = {}

    def restart(self) -> None:
        """Count only the alerts about payments sent from now on."""
        self._since_us = time.time_ns() // 1000
        self.delays_ms.clear()

    @property
    def warned_ms(self) -> list[float]:
        """The delays of warnings of the gravest severity."""
        both = self._warned.keys() & self._received.keys()
        return [(self._warned[txn_id] - self._received[txn_id]) / 1000 for txn_id in both]

    def poll(self) -> Self:
        """Take what has arrived."""
        for consumer in self._consumers:
            if (chunk := consumer.poll(1_000)) is None:
                continue
            now_us = time.time_ns() // 1000
            if chunk.topic == topics.WARNINGS:
                found = [msgspec.json.decode(value, type=Warning) for value in chunk.values]
                self._warned |= {each.txn_id: now_us for each in found if each.severity == GRAVEST}
                continue
            alerts = [msgspec.json.decode(value, type=Alert) for value in chunk.values]
            fresh = [each for each in alerts if each.received_us >= self._since_us]
            self.delays_ms += [(now_us - each.received_us) / 1000 for each in fresh]
            self._received |= {each.txn_id: each.received_us for each in fresh}
        return self

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._consumers:
            consumer.close()
