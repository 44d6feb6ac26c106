"""What one worker process shares: the consumers of a partition, and one quiet line to the broker.

Readers come and go with bundles, checkpoints and retries; connections must not. `SharedConsumer`
serves any number of readers of its partition, each naming the offset it wants next: one connection
for one reader, however often it is rebuilt, and a few if several really read side by side.
`BrokerLine` commits positions and looks up log ends once a second on one thread, off the hot path.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipelines.kafka.clients.ahead import Ahead
from pipelines.kafka.port import (
    REPEAT_S,
    Admin,
    Chunk,
    ChunkConsumer,
    KafkaSettings,
    Partition,
    TopicState,
    close_producers,
    open_admin,
    open_consumer,
)
from pipelines.kafka.reading.arrivals import Arrivals, arrivals_of
from pipelines.kafka.reading.start import absent
from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY
from schemas.errors import BrokerError, StoplineError

_LOGGER = logging.getLogger(__name__)

#: A consumer nobody polled for this long is closed; a reader that comes back later opens a new one.
CONSUMER_IDLE_S = 120.0

#: A consumer polled this recently belongs to a reader that is alive; another reader opens its own.
CONSUMER_BUSY_S = 1.0

#: Most consumers of one partition; beyond, readers take each other's and only get slower.
CONSUMERS_MAX = 4

#: How often the broker is told positions and asked for log ends.
EXCHANGE_S = 1.0

#: A log end nobody asked about for this long is no longer looked up.
WATCH_S = 10.0


class Polled(NamedTuple):
    """What a poll gave: a chunk if any, the offset to ask for next, and the log's end if known."""

    chunk: Chunk | None
    next_offset: int
    end_offset: int | None


@dataclass
class _Connection:
    consumer: Ahead
    used_at: float


class SharedConsumer:
    """The process's consumers of one partition, for all readers of it, whatever thread they run on."""

    def __init__(self, open_at: Callable[[int], ChunkConsumer], arrivals: Arrivals) -> None:
        self._open_at = open_at
        self._arrivals = arrivals
        self._connections: list[_Connection] = []
        self._lock = threading.Lock()

    def poll_from(self, offset: int, max_rows: int) -> Polled:
        """Return what is buffered from `offset` on. Never blocks on data."""
        with self._lock:
            consumer = self._positioned_at(offset)
            chunk = consumer.poll(max_rows)
            TELEMETRY.beat()
            return Polled(chunk, consumer.position(), consumer.end_offset())

    def look_ahead(self, offset: int, max_rows: int, chunks: int, begin: Callable[[Chunk], Chunk]) -> None:
        """Take what is buffered from `offset` on, while whole chunks wait, and keep it for `poll_from`."""
        with self._lock:
            found = (each.consumer for each in self._connections if each.consumer.position() == offset)
            if (consumer := next(found, None)) is not None:
                consumer.look_ahead(max_rows, chunks, begin)

    def close_unused(self, seconds: float) -> None:
        """Close the connections nobody polled for `seconds`."""
        with self._lock:
            since = time.monotonic() - seconds
            for connection in self._connections:
                if connection.used_at <= since:
                    connection.consumer.close()
            self._connections = [each for each in self._connections if each.used_at > since]

    def _positioned_at(self, offset: int) -> Ahead:
        now = time.monotonic()
        connection = next((each for each in self._connections if each.consumer.position() == offset), None)
        if connection is None and self._connections:
            oldest = min(self._connections, key=lambda each: each.used_at)
            if oldest.used_at < now - CONSUMER_BUSY_S or len(self._connections) >= CONSUMERS_MAX:
                connection = oldest
                connection.consumer.seek(offset)
        if connection is None:
            connection = _Connection(Ahead(self._open_at(offset)), now)
            self._connections.append(connection)
            self._arrivals.listen(connection.consumer)
        connection.used_at = now
        return connection.consumer


class LogEnd(NamedTuple):
    """Everything appended before `as_of_us` (wall clock, microseconds UTC) lies below `offset`."""

    offset: int
    as_of_us: int


class BrokerLine:
    """Commits and log ends of this process, exchanged with the broker by one thread.

    Errors are logged, while they last once in `REPEAT_S`, and tried again at the next exchange; they never
    reach a reader. A topic that is gone is named: its readers wait for it.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        open_: Callable[[KafkaSettings], Admin] = open_admin,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._open = open_
        self._clock = clock
        self._admin: Admin | None = None
        self._lock = threading.Lock()
        self._exchanging = threading.Lock()
        self._positions: dict[tuple[Partition, str], int] = {}
        self._committed: dict[tuple[Partition, str], int] = {}
        self._watched: dict[Partition, float] = {}
        self._topics: dict[str, TopicState] = {}
        self._ends: dict[Partition, LogEnd] = {}
        self._said_at: float | None = None
        self._closed = threading.Event()

    def commit(self, at: Partition, offset: int, topic_id: str = "") -> None:
        """Note that all below `offset` of the topic of this id is processed; older news is ignored."""
        with self._lock:
            self._positions[at, topic_id] = max(offset, self._positions.get((at, topic_id), 0))

    def topic(self, at: Partition) -> TopicState | None:
        """Return what the topic of a partition was a moment ago; asking keeps it looked up."""
        with self._lock:
            self._watched[at] = self._clock()
            return self._topics.get(at[0])

    def log_end(self, at: Partition) -> LogEnd | None:
        """Latest known end of the log; asking keeps it looked up. `None` until the broker has answered."""
        with self._lock:
            self._watched[at] = self._clock()
            return self._ends.get(at)

    def exchange(self) -> None:
        """Send the positions that moved and look up the log ends that were asked for."""
        with self._exchanging:
            now = self._clock()
            with self._lock:
                self._watched = {at: asked for at, asked in self._watched.items() if asked > now - WATCH_S}
                self._ends = {at: end for at, end in self._ends.items() if at in self._watched}
                watched = list(self._watched)
                moved = {of: to for of, to in self._positions.items() if self._committed.get(of) != to}
            if not (watched or moved):
                return
            try:
                self._admin = self._admin or self._open(self._settings)
                as_of_us = time.time_ns() // 1000
                states = self._admin.describe({at[0] for at in watched} | {at[0] for at, _ in moved})
                with self._lock:
                    self._topics |= states
                if moved:
                    self._commit(self._admin, moved, states)
                if watched:
                    ends = self._admin.end_offsets([at for at in watched if _is_there(at, states)])
                    with self._lock:
                        self._ends |= {at: LogEnd(end, as_of_us) for at, end in ends.items()}
                    for missing in sorted({topic for topic, _ in watched} - set(states)):
                        raise BrokerError(f"topic {missing!r} does not exist")
                self._said_at = None
            except StoplineError as error:
                if self._said_at is None or now >= self._said_at + REPEAT_S:
                    self._said_at = now
                    self._say(error, sorted({topic for topic, _ in watched}))
                self._reopen()

    def _commit(
        self, admin: Admin, moved: dict[tuple[Partition, str], int], states: dict[str, TopicState]
    ) -> None:
        """Commit what is of the topics that are there now; positions of a deleted one are worth nothing."""
        current = {
            at: to
            for (at, topic_id), to in moved.items()
            if _is_there(at, states) and topic_id in ("", states[at[0]].topic_id)
        }
        if current:
            ids = {topic: state.topic_id for topic, state in states.items()}
            admin.commit(self._settings.group, current, ids)
        self._committed |= moved

    def _say(self, error: StoplineError, topics: list[str]) -> None:
        gone: list[str] = []
        if self._admin is not None:
            with suppress(StoplineError):
                gone = absent(self._admin.partition_counts(), self._settings, topics)
        for missing in gone:
            _LOGGER.warning("nothing is read: %s", missing)
        if not gone:
            _LOGGER.warning("kafka housekeeping failed and will be tried again: %s", error)

    def _reopen(self) -> None:
        """Have the next exchange open a line of its own, with secrets as they are then."""
        if self._admin is not None:
            with suppress(StoplineError):
                self._admin.close()
        self._admin = None

    def run(self) -> None:
        """Exchange until closed; the body of the daemon thread."""
        while not self._closed.wait(EXCHANGE_S):
            self.exchange()

    def close(self) -> None:
        """Send the positions that moved a last time; looks up nothing, so it is quick when none did."""
        self._closed.set()
        with self._lock:
            self._watched.clear()
        self.exchange()


def _is_there(at: Partition, states: dict[str, TopicState]) -> bool:
    return at[0] in states and at[1] < states[at[0]].partitions


def shared_consumer(settings: KafkaSettings, at: Partition) -> SharedConsumer:
    """Return the process's consumers of this partition; also closes those long unused."""
    for consumer in PROCESS.all("consumers"):
        consumer.close_unused(CONSUMER_IDLE_S)
    return PROCESS.shared(
        "consumers",
        (settings, at),
        lambda: SharedConsumer(partial(open_consumer, settings, *at), arrivals_of(settings)),
        _close_all,
    )


def broker_line(settings: KafkaSettings) -> BrokerLine:
    """Return the process's line to these brokers for this group; starts its thread on first use."""
    return PROCESS.running("broker line", settings, lambda: BrokerLine(settings), BrokerLine.close)


def close_connections() -> None:
    """Commit what is left and close every connection, at exit or before a broker of ours is stopped."""
    for connected in ("registry", "rings", "broker line", "consumers"):
        PROCESS.end(connected)
    close_producers()


def _close_all(consumer: SharedConsumer) -> None:
    consumer.close_unused(0)


atexit.register(close_connections)
