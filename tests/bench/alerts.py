"""How long after a payment its alert, and its gravest warning, are in the hands of who reads the topics."""

import time
from collections.abc import Sequence
from typing import Self

import msgspec
import numpy as np

from pipelines.kafka.port import KafkaSettings, open_consumer
from schemas import topics
from schemas.alert import Alert
from schemas.warning import Warning
from tests.bench.load import PARTITIONS, Sent

#: A warning of this severity is to leave within a second.
GRAVEST = 4


class AlertClock:
    """Reads topics `alerts` and `warnings` and notes the delay of each since `restart`, milliseconds.

    When a payment that was warned about was to be sent its feeder tells, by its event time: many a warning,
    as those at the button, has no alert, and ids repeat from lap to lap of the load.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        places = [
            (topic, number) for topic in (topics.ALERTS, topics.WARNINGS) for number in range(PARTITIONS)
        ]
        self._consumers = [open_consumer(settings, topic, number, 0) for topic, number in places]
        self._since_us = 0
        self.delays_ms: list[float] = []
        self._warned: list[tuple[int, int]] = []

    def restart(self) -> None:
        """Count only the alerts about payments sent from now on."""
        self._since_us = time.time_ns() // 1000
        self.delays_ms.clear()

    def warned_ms(self, sent: Sent) -> list[float]:
        """Return the delays of warnings of the gravest severity about payments sent since `restart`."""
        return delays_ms(self._warned, sent, self._since_us)

    def poll(self) -> Self:
        """Take what has arrived."""
        for consumer in self._consumers:
            if (chunk := consumer.poll(1_000)) is None:
                continue
            now_us = time.time_ns() // 1000
            if chunk.topic == topics.WARNINGS:
                found = [msgspec.json.decode(value, type=Warning) for value in chunk.values]
                self._warned += [(each.issued_at_us, now_us) for each in found if each.severity == GRAVEST]
                continue
            alerts = [msgspec.json.decode(value, type=Alert) for value in chunk.values]
            fresh = [each for each in alerts if each.received_us >= self._since_us]
            self.delays_ms += [(now_us - each.received_us) / 1000 for each in fresh]
        return self

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._consumers:
            consumer.close()


def delays_ms(warned: Sequence[tuple[int, int]], sent: Sent, since_us: int) -> list[float]:
    """Return how long after payments that were due since a time their warnings were seen, milliseconds.

    Args:
        warned: event time of each payment warned about, and when its warning was seen.
        sent: what the feeder says of the payments.
        since_us: when those that count begin.

    """
    if not len(warned):
        return []
    issued_us, seen_us = np.array(warned, np.int64).T
    place = np.minimum(np.searchsorted(sent.events_us, issued_us), len(sent.events_us) - 1)
    mine = (sent.events_us[place] == issued_us) & (sent.due_us[place] >= since_us)
    found: list[float] = ((seen_us - sent.due_us[place])[mine] / 1000).tolist()
    return found
