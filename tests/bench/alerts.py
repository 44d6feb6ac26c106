"""How long after a payment its alert is in the hands of whoever reads topic `alerts`."""

import time
from typing import Self

import msgspec

from pipelines.kafka.port import KafkaSettings, open_consumer
from schemas import topics
from schemas.alert import Alert
from tests.bench.load import PARTITIONS


class AlertClock:
    """Reads topic `alerts` and notes the delay of each since `restart`, milliseconds."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._consumers = [open_consumer(settings, topics.ALERTS, number, 0) for number in range(PARTITIONS)]
        self._since_us = 0
        self.delays_ms: list[float] = []

    def restart(self) -> None:
        """Count only the alerts about payments sent from now on."""
        self._since_us = time.time_ns() // 1000
        self.delays_ms.clear()

    def poll(self) -> Self:
        """Take what has arrived."""
        for consumer in self._consumers:
            if (chunk := consumer.poll(1_000)) is not None:
                now_us = time.time_ns() // 1000
                received = [msgspec.json.decode(value, type=Alert).received_us for value in chunk.values]
                self.delays_ms += [(now_us - each) / 1000 for each in received if each >= self._since_us]
        return self

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._consumers:
            consumer.close()
