"""The one port to Kafka: settings, what the clients promise, and how to open one.

Everything above this module speaks `Chunk`, `ChunkConsumer`, `Producer` and `Admin`; only
`confluent.py`, `kafka_python.py` and their `_consumer` and `_admin` modules know a client library.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import wraps
from types import ModuleType
from typing import Any, Literal, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.refusals import Refused, refused_text
from pipelines.kafka.security import FILE, require_known, resolved
from pipelines.process import PROCESS
from schemas.errors import BrokerError, ConfigError, SinkError
from schemas.rows.values import Values

ClientName = Literal["auto", "confluent", "kafka-python"]
Partition = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]

P = ParamSpec("P")
T = TypeVar("T")

#: How long a blocking question to the broker may take.
REQUEST_TIMEOUT_S = 10.0

#: Trouble that lasts is logged once in this time.
REPEAT_S = 60.0

#: Apache Kafka answers a waiting fetch as soon as data arrive. The embedded broker answers when about
#: half the wait is over, so a long wait costs latency (100 ms: p50 24 ms, p99 53 ms), and it gives up a
#: fetch that takes longer than the wait to look up, which grows by 1 µs per batch in the partition, so a
#: short wait stalls on long logs (25 ms: beyond 20,000 batches; 100 ms: beyond 80,000).
FETCH_WAIT_MS = 100

#: No record is read as later than this, microseconds UTC (the end of the year 9999); what states more, as
#: nanoseconds do, reads as this.
LATEST_US = 253_402_300_799_999_000

#: How long a producer gathers a batch; `flush` does not wait for it. Fewer, larger batches also keep the
#: embedded broker's logs short.
LINGER_MS = 20


@dataclass(frozen=True)
class KafkaSettings:
    """Where the brokers are and how to speak to them.

    `security` holds librdkafka keys and `security_file` names a file of them, for both clients; a value
    `@FILE` is read by whoever opens one (`pipelines.kafka.security`).
    `seal_key` names the file of job keys (`pipelines.kafka.seal`), read where it is used likewise.
    `delivery_timeout_s` is how long a sent record may stay unconfirmed before its bundle fails.
    `parked` is the file for records that a topic will never take.
    """

    brokers: str
    group: str = "stopline"
    client: ClientName = "auto"
    security: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    security_file: str = ""
    seal_key: str = ""
    delivery_timeout_s: float = 30.0
    parked: str = "var/parked.jsonl"

    def __post_init__(self) -> None:
        if not self.brokers:
            raise ConfigError(
                "kafka brokers must be host:port[,host:port], got an empty value; set --kafka_brokers"
            )
        require_known(self.security.keys() - {FILE})

    def client_security(self) -> dict[str, str]:
        """Read what a client needs to prove who it is, secrets included: not to be kept, shown or sent.

        Raises:
            ConfigError: a file that is named cannot be read.

        """
        return resolved(self.security, self.security_file)


class Chunk(NamedTuple):
    """One poll's messages of one topic, column by column; all columns have the same length.

    Attributes:
        topic: the topic they came from.
        values: message values; a null value (tombstone) is `b""`.
        partitions: int32.
        offsets: int64.
        timestamps: Kafka record timestamps, int64 microseconds UTC up to `LATEST_US`; 0 where it has none.
        ahead: what the values are being decoded to ahead of time, if they are.
        traces: header `traceparent` of each message, uint64[n, 4] (`schemas.traceparent`); None where none of
            them has one.

    """

    topic: str
    values: Values
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    ahead: Future[Any] | None = None
    traces: NDArray[np.uint64] | None = None


class NewTopic(NamedTuple):
    """A topic to create; `config` holds broker-side topic settings such as `cleanup.policy`."""

    name: str
    partitions: int
    replication: int = 1
    config: Mapping[str, str] = {}


class TopicState(NamedTuple):
    """A topic as it is now: its partitions and its id, new with each creation (`""`: the broker has none)."""

    topic_id: str
    partitions: int


class OffsetOutOfRangeError(BrokerError):
    """The broker no longer (or not yet) holds the offset that was asked for."""


class ChoosingError(BrokerError):
    """A leader or a group's coordinator is being chosen; asking again soon helps."""


def patient(ask: Callable[P, T]) -> Callable[P, T]:
    """Ask again while a leader is being chosen, as just after a topic or the first group appears."""

    @wraps(ask)
    def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        while True:
            try:
                return ask(*args, **kwargs)
            except ChoosingError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    return asking


def await_leaders(admin: "Admin", topics: Collection[NewTopic]) -> None:
    """Return once all these topics are there to be used, or `REQUEST_TIMEOUT_S` has passed."""
    names, deadline = {topic.name for topic in topics}, time.monotonic() + REQUEST_TIMEOUT_S
    while not (names <= set(admin.describe(names)) and names <= set(admin.partition_counts())):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


class ChunkConsumer(Protocol):
    """Reads one assigned partition. Not thread-safe; never joins a group, never commits."""

    def poll(self, max_rows: int) -> Chunk | None:
        """Return what is buffered, at most `max_rows`, in offset order; `None` if nothing. Never blocks.

        Raises:
            OffsetOutOfRangeError: retention or a topic re-creation removed the position.
            BrokerError: the broker refuses this read for good; outages are waited out silently.

        """

    def tell(self, pipe: int) -> bool:
        """Write a byte into a pipe that does not block whenever messages come; False if that cannot be."""
        return False

    def position(self) -> int:
        """Offset of the next message; passes gaps left by compaction and transactions."""

    def end_offset(self) -> int | None:
        """End of the log (high watermark) as of the last fetch answer; `None` before the first. Never blocks.

        While a transaction is open that is more than can be read: lag counts what waits for its end, too.
        """

    def seek(self, offset: int) -> None:
        """Continue at `offset`; nothing buffered before the call is returned after it."""

    def close(self) -> None:
        """Release sockets and threads."""


class ChunkReader(Protocol):
    """Reads many partitions over one connection: where few messages come on many topics.

    Not thread-safe; never joins a group, never commits. What is fetched ahead is shared by all partitions.
    """

    def assign(self, places: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on, and nothing else; drops what is buffered."""

    def poll(self, max_rows: int) -> list[Chunk]:
        """Return what is buffered, at most `max_rows` in all, a chunk a partition. Never blocks.

        Raises:
            OffsetOutOfRangeError: retention or a topic re-creation removed a position.
            BrokerError: the broker refuses a read for good; outages are waited out silently.

        """

    def tell(self, pipe: int) -> bool:
        """Write a byte into a pipe that does not block whenever messages come; False if that cannot be."""
        return False

    def positions(self) -> Mapping[Partition, int]:
        """Offset of the next message of each partition; passes gaps as `ChunkConsumer.position` does."""

    def end_offset(self, at: Partition) -> int | None:
        """End of a log as `ChunkConsumer.end_offset` tells it."""

    def close(self) -> None:
        """Release sockets and threads."""


class _OnePartition(ChunkConsumer):
    """A reader of one partition."""

    def __init__(self, reader: ChunkReader, at: Partition, offset: int) -> None:
        self._reader, self._at = reader, at
        self.seek(offset)

    def poll(self, max_rows: int) -> Chunk | None:
        chunks = self._reader.poll(max_rows)
        return chunks[0] if chunks else None

    def tell(self, pipe: int) -> bool:
        return self._reader.tell(pipe)

    def position(self) -> int:
        return self._reader.positions()[self._at]

    def end_offset(self) -> int | None:
        return self._reader.end_offset(self._at)

    def seek(self, offset: int) -> None:
        self._reader.assign({self._at: offset})

    def close(self) -> None:
        self._reader.close()


class Producer(Protocol):
    """Sends records and accounts for every one. Instances share one connection per process."""

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
        """Queue one record; `value=None` is a tombstone. Kafka keeps milliseconds of `timestamp_us`.

        Batches are no larger than the topic takes (`limits.message_bytes_max`).
        """

    def settle(self) -> list[Refused]:
        """Return once every record this instance sent is confirmed as by `flush`, or refused for good.

        Raises:
            SinkError: at least one is neither; names the topics and counts.

        """

    def flush(self) -> None:
        """Return once every record this instance sent is confirmed by all in-sync replicas.

        Raises:
            SinkError: at least one was not; names the topics and counts.

        """
        if refused := self.settle():
            raise SinkError(refused_text(refused))

    def close(self) -> None:
        """Forget the process's shared connection; the next `open_producer` connects anew."""


class Admin(Protocol):
    """Topics and offsets. All calls block; a broker that does not answer is a `BrokerError`."""

    def create_topics(self, topics: Collection[NewTopic]) -> None:
        """Create those that do not exist, and wait for their leaders; existing ones are left as they are."""

    def cluster_id(self) -> str:
        """Return the id the brokers give their cluster; the embedded broker's is always the same."""

    def describe(self, topics: Collection[str]) -> dict[str, TopicState]:
        """Return what the topics are now; those that do not exist are absent."""

    def partition_counts(self) -> dict[str, int]:
        """Partition count of every topic."""

    def topic_config(self, topic: str) -> dict[str, str]:
        """Broker-side settings of a topic with defaults; the embedded broker tells those it was given."""

    def beginning_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """First offset still held."""

    def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Offset below which all is settled: where reading ends now.

        That is the last stable offset, the end of the log unless a transaction is open: what lies behind
        the first message of an open transaction is not handed out before that ends.
        """

    def offsets_for_times(self, partitions: Collection[Partition], timestamp_us: int) -> dict[Partition, int]:
        """First offset whose timestamp is at or after `timestamp_us`, else the end.

        The embedded broker answers for whole batches by the time they were appended: where records are
        older than their append, its answer lies earlier, never later.
        """

    def committed(self, group: str, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the committed offsets of `group`; partitions without one are absent."""

    def committed_ids(self, group: str, partitions: Collection[Partition]) -> dict[Partition, str]:
        """Return for which topic id each was committed; absent where it is not known."""

    def commit(
        self, group: str, offsets: Mapping[Partition, int], topic_ids: Mapping[str, str] | None = None
    ) -> None:
        """Set the committed offsets of a group that has no live members, and which topics they are of.

        The embedded broker forgets the ids.
        """

    def close(self) -> None:
        """Release sockets and threads."""


def admin_command(settings: KafkaSettings) -> str:
    """Return the start of a shell command that administers these brokers, for error messages.

    >>> admin_command(KafkaSettings("b:9092", security={"security.protocol": "ssl"}))
    'python -m kafka.admin -b b:9092 -S SSL'
    """
    security = settings.client_security()
    words = ["python -m kafka.admin", *(f"-b {broker}" for broker in settings.brokers.split(","))]
    if "security.protocol" in security:
        words.append(f"-S {security['security.protocol'].upper()}")
    if "sasl.username" in security:
        words.append(
            f"-M {security.get('sasl.mechanism', 'PLAIN')} -U {security['sasl.username']} -P $PASSWORD"
        )
    return " ".join(words)


def open_consumer(settings: KafkaSettings, topic: str, partition: int, offset: int) -> ChunkConsumer:
    """Open a consumer assigned to `partition` of `topic`, positioned at `offset`."""
    return _OnePartition(open_reader(settings), (topic, partition), offset)


def open_reader(settings: KafkaSettings) -> ChunkReader:
    """Open a reader that is assigned nothing yet."""
    reader: ChunkReader = _adapter(settings, "_consumer").Reader(settings)
    return reader


def open_producer(settings: KafkaSettings) -> Producer:
    """Open a producer that accounts for its own records over the process's shared connection."""
    producer: Producer = _adapter(settings).Producer(settings)
    return producer


def close_producers(settings: KafkaSettings | None = None) -> None:
    """Close the process's shared connections of producers, or those of some settings.

    kafka-python's threads call a broker for ever.
    """
    PROCESS.end("producers", lambda whose: settings is None or whose[0] == settings)


def open_admin(settings: KafkaSettings) -> Admin:
    """Open an admin client; the caller closes it."""
    admin: Admin = _adapter(settings, "_admin").Admin(settings)
    return admin


def _adapter(settings: KafkaSettings, part: str = "") -> ModuleType:
    """Import the one client library that is going to be used."""
    found = importlib.util.find_spec("confluent_kafka") is not None
    confluent = settings.client == "confluent" or (settings.client == "auto" and found)
    return importlib.import_module(
        f"pipelines.kafka.clients.{'confluent' if confluent else 'kafka_python'}{part}"
    )
