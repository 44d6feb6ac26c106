"""Waiting for messages in a job that has none: until a client tells of some, or two seconds have passed."""

import os
import time
from contextlib import suppress

from pipelines.kafka.port import ChunkConsumer, KafkaSettings
from pipelines.process import PROCESS
from pipelines.readable import readable

#: Nobody waits before nothing has come for so long: what the last messages led to is on its way till then.
QUIET_S = 2.0

#: The longest wait; watermarks, commits and a topic that grew are looked at no less often.
WAIT_S = 2.0


class Arrivals:
    """Tells the reader of a job's partitions that one of them has messages.

    It may wait once it has looked at all of them since the last wait ended.
    """

    def __init__(self) -> None:
        self._hears, self._told = os.pipe()
        for end in (self._hears, self._told):
            os.set_blocking(end, False)
        self._silent = False
        self._came_s = time.monotonic()

    def listen(self, consumer: ChunkConsumer) -> None:
        """Have a consumer tell of its messages; if it cannot, nobody waits."""
        self._silent |= not consumer.tell(self._told)

    def came(self) -> None:
        """Note that the reader was given messages."""
        self._came_s = time.monotonic()

    def wait(self) -> None:
        """Wait if nothing came for a while, until messages come or for `WAIT_S`."""
        if self._silent or time.monotonic() < self._came_s + QUIET_S:
            return
        readable(self._hears, WAIT_S)
        with suppress(BlockingIOError):
            os.read(self._hears, 1 << 16)

    def close(self) -> None:
        """Give up the pipe; no consumer may tell any more."""
        os.close(self._hears)
        os.close(self._told)


def arrivals_of(settings: KafkaSettings) -> Arrivals:
    """Return what tells a reader of this group of messages, in this process."""
    return PROCESS.shared("arrivals", settings, Arrivals)
