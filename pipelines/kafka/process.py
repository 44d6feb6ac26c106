"""What one worker process shares: a consumer per partition, and one quiet line to the broker.

Readers come and go with bundles, checkpoints and retries; connections must not. `SharedConsumer`
serves any number of readers of its partition, each naming the offset it wants next. `BrokerLine`
commits positions and looks up log ends once a second on one thread, off the hot path.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

from pipelines.kafka.port import (
    Admin,
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    Partition,
    open_admin,
    open_consumer,
)
from schemas.errors import StoplineError

_LOGGER = logging.getLogger(__name__)

#: A consumer nobody polled for this long is closed; a reader that comes back later opens a new one.
CONSUMER_IDLE_S = 120.0

#: How often the broker is told positions and asked for log ends.
EXCHANGE_S = 1.0

#: A log end nobody asked about for this long is no longer looked up.
WATCH_S = 10.0


class SharedConsumer:
    """The process's consumer of one partition, for all readers of it, whatever thread they run on."""

    def __init__(self, open_at: Callable[[int], ChunkConsumer]) -> None:
        self._open_at = open_at
        self._consumer: ChunkConsumer | None = None
        self._lock = threading.Lock()
        self.used_at = time.monotonic()

    def poll_from(self, offset: int, max_rows: int) -> tuple[Chunk | None, int]:
        """Return what is buffered from `offset` on, and the offset to ask for next. Never blocks on data."""
        with self._lock:
            self.used_at = time.monotonic()
            if self._consumer is None:
                self._consumer = self._open_at(offset)
            elif self._consumer.position() != offset:
                self._consumer.seek(offset)
            return self._consumer.poll(max_rows), self._consumer.position()

    def end_offset(self) -> int | None:
        """End of the log as of the last fetch."""
        with self._lock:
            return self._consumer.end_offset() if self._consumer is not None else None

    def close(self) -> None:
        """Close the connection; the next `poll_from` opens another."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
            self._consumer = None


class LogEnd(NamedTuple):
    """Everything appended before `as_of_us` (wall clock, microseconds UTC) lies below `offset`."""

    offset: int
    as_of_us: int


class BrokerLine:
    """Commits and log ends of this process, exchanged with the broker by one thread.

    Errors are logged and tried again at the next exchange; they never reach a reader.
    """

    def __init__(
        self, settings: KafkaSettings, *, open_: Callable[[KafkaSettings], Admin] = open_admin
    ) -> None:
        self._settings = settings
        self._open = open_
        self._admin: Admin | None = None
        self._lock = threading.Lock()
        self._exchanging = threading.Lock()
        self._positions: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}
        self._watched: dict[Partition, float] = {}
        self._ends: dict[Partition, LogEnd] = {}
        self._failing = False

    def commit(self, at: Partition, offset: int) -> None:
        """Note that everything below `offset` is durably processed; older news than known is ignored."""
        with self._lock:
            self._positions[at] = max(offset, self._positions.get(at, 0))

    def log_end(self, at: Partition) -> LogEnd | None:
        """Latest known end of the log; asking keeps it looked up. `None` until the broker has answered."""
        with self._lock:
            self._watched[at] = time.monotonic()
            return self._ends.get(at)

    def exchange(self) -> None:
        """Send the positions that moved and look up the log ends that were asked for."""
        with self._exchanging:
            now = time.monotonic()
            with self._lock:
                self._watched = {at: asked for at, asked in self._watched.items() if asked > now - WATCH_S}
                self._ends = {at: end for at, end in self._ends.items() if at in self._watched}
                watched = list(self._watched)
                moved = {at: to for at, to in self._positions.items() if self._committed.get(at) != to}
            if not (watched or moved):
                return
            try:
                self._admin = self._admin or self._open(self._settings)
                if moved:
                    self._admin.commit(self._settings.group, moved)
                    self._committed |= moved
                if watched:
                    as_of_us = time.time_ns() // 1000
                    ends = self._admin.end_offsets(watched)
                    with self._lock:
                        self._ends |= {at: LogEnd(end, as_of_us) for at, end in ends.items()}
                self._failing = False
            except StoplineError as error:
                if not self._failing:
                    _LOGGER.warning("kafka housekeeping failed and will be tried again: %s", error)
                self._failing = True

    def run(self) -> None:
        """Exchange for ever; the body of the daemon thread."""
        while True:
            time.sleep(EXCHANGE_S)
            self.exchange()


_lock = threading.Lock()
_consumers: dict[tuple[str, Partition], SharedConsumer] = {}
_lines: dict[Hashable, BrokerLine] = {}


def shared_consumer(settings: KafkaSettings, at: Partition) -> SharedConsumer:
    """Return the process's consumer of this partition; also closes those long unused."""
    key = (settings.brokers, at)
    with _lock:
        if key not in _consumers:
            _consumers[key] = SharedConsumer(partial(open_consumer, settings, *at))
        consumer = _consumers[key]
        consumer.used_at = time.monotonic()
        for other in _consumers.values():
            if other.used_at < time.monotonic() - CONSUMER_IDLE_S:
                other.close()
    return consumer


def broker_line(settings: KafkaSettings) -> BrokerLine:
    """Return the process's line to these brokers for this group; starts its thread on first use."""
    with _lock:
        if settings not in _lines:
            line = _lines[settings] = BrokerLine(settings)
            threading.Thread(target=line.run, name="kafka-housekeeping", daemon=True).start()
            atexit.register(line.exchange)
        return _lines[settings]


def close_consumers() -> None:
    """Close every shared consumer of this process, at exit or when a test has stopped its broker."""
    with _lock:
        for consumer in _consumers.values():
            consumer.close()
        _consumers.clear()


atexit.register(close_consumers)
