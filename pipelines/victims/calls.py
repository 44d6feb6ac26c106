"""The calls that are under way, as topic `contacts` tells them."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

from measures.victims.calling import Call, after, calling
from pipelines.kafka.port import ChunkReader, KafkaSettings, open_admin, open_reader
from pipelines.kafka.reading.start import partitions_of
from pipelines.kafka.seal import read_seal
from pipelines.telemetry import TELEMETRY
from pipelines.victims.journal import contact_entry
from schemas import topics
from schemas.errors import StoplineError
from schemas.units import DAY_US

_LOGGER = logging.getLogger(__name__)

#: No call is under way for longer than this before now.
SINCE_US = DAY_US

#: Between looks at the topic, and at how far it reaches, seconds.
LOOK_S, ENDS_S = 0.05, 2.0

#: So long after the end of the topic was last reached nothing is said any more.
STALE_S = 30.0


class Calls:
    """The calls of every party; asked by other threads than the one that follows."""

    def __init__(self, settings: KafkaSettings, now_us: Callable[[], int]) -> None:
        """Find the partitions.

        Raises:
            BrokerError: the topic is missing, or a broker refuses to be read.

        """
        self._settings, self._now_us, self._seal = settings, now_us, read_seal(settings.seal_key)
        self._of: dict[str, tuple[Call, ...]] = {}
        self._over = threading.Event()
        self._reached_s = float("-inf")
        with closing(open_admin(settings)) as admin:
            partitions = partitions_of(admin, settings, (topics.CONTACTS,))
            self._starts = admin.offsets_for_times(partitions, now_us() - SINCE_US)

    def run(self) -> None:
        """Follow the topic until `close`."""
        with closing(open_reader(self._settings)) as reader:
            reader.assign(self._starts)
            looked_s = float("-inf")
            while not self._over.wait(LOOK_S):
                TELEMETRY.beat()
                try:
                    came = self._read(reader)
                    if time.monotonic() - looked_s > ENDS_S:
                        self._look(reader)
                        looked_s = time.monotonic()
                except StoplineError as error:
                    _LOGGER.warning("calls are not followed at the moment: %s", error)
                    looked_s, came = time.monotonic(), False
                if not came:
                    self._forget()

    def close(self) -> None:
        """End following."""
        self._over.set()

    def current(self) -> bool:
        """Whether the end of the topic was reached a moment ago; if not, nothing is known."""
        return time.monotonic() - self._reached_s < STALE_S

    def of(self, party_token: str) -> Call | None:
        """Return the call that a party is to expect now."""
        return calling(self._of.get(party_token, ()), self._now_us())

    def _read(self, reader: ChunkReader) -> bool:
        came = False
        while chunks := reader.poll(2_000):
            came = True
            for chunk in chunks:
                TELEMETRY.read(chunk.topic, len(chunk.values))
                for value in chunk.values:
                    entry = contact_entry(value)
                    if entry is None or (self._seal and not self._seal.holds(topics.CONTACTS, value)):
                        TELEMETRY.count("calls_unreadable", 1)
                        continue
                    self._of[entry.party_token] = after(self._of.get(entry.party_token, ()), entry.events)
        return came

    def _look(self, reader: ChunkReader) -> None:
        """Note whether all that the topic holds now has been read."""
        with closing(open_admin(self._settings)) as admin:
            ends = admin.end_offsets(tuple(reader.positions()))
        if all(reader.positions()[at] >= end for at, end in ends.items()):
            self._reached_s = time.monotonic()

    def _forget(self) -> None:
        """Forget parties of whom no call is left."""
        now_us = self._now_us()
        over = [
            token for token, calls in self._of.items() if all(now_us >= each.until_us() for each in calls)
        ]
        for token in over:
            del self._of[token]
