"""Waiting for messages in a job that has none: until a client tells of some, or two seconds have passed.

Every pass of the in-process runner over its partitions costs the processor about a millisecond for each of
them, data or no data.
"""

import os
import time
from contextlib import suppress
from weakref import WeakKeyDictionary

from pipelines.kafka.port import ChunkConsumer, KafkaSettings
from pipelines.process import PROCESS
from pipelines.readable import readable

#: Nobody waits before nothing has come for so long: what the last messages led to is on its way till then.
QUIET_S = 2.0

#: The longest wait; watermarks, commits and a topic that grew are looked at no less often.
WAIT_S = 2.0


class Arrivals:
    """Tells the readers of a job's partitions that one of them has messages.

    A reader may wait once every reader has looked since the last wait ended: none is kept from messages that
    are there.
    """

    def __init__(self) -> None:
        self._hears, self._told = os.pipe()
        for end in (self._hears, self._told):
            os.set_blocking(end, False)
        self._round = 0
        self._looked: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._silent = False
        self._came_s = time.monotonic()

    def listen(self, consumer: ChunkConsumer) -> None:
        """Have a consumer tell of its messages; if it cannot, nobody waits."""
        self._silent |= not consumer.tell(self._told)

    def came(self) -> None:
        """Note that a reader was given messages."""
        self._came_s = time.monotonic()

    def looked(self, reader: object) -> None:
        """Note that a reader has looked for messages."""
        self._looked[reader] = self._round

    def wait(self, reader: object) -> None:
        """Wait if nothing came for a while and all have looked, until messages come or for `WAIT_S`."""
        if self._silent or time.monotonic() < self._came_s + QUIET_S:
            return
        if self._looked.get(reader) != self._round or any(n != self._round for n in self._looked.values()):
            return
        readable(self._hears, WAIT_S)
        self._round += 1
        with suppress(BlockingIOError):
            os.read(self._hears, 1 << 16)

    def close(self) -> None:
        """Give up the pipe; no consumer may tell any more."""
        os.close(self._hears)
        os.close(self._told)


def arrivals_of(settings: KafkaSettings) -> Arrivals:
    """Return what tells readers of this group of messages, in this process."""
    return PROCESS.shared("arrivals", settings, Arrivals)
