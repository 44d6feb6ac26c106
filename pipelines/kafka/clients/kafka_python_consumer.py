"""Reading through kafka-python: partitions over one connection."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.errors import OffsetOutOfRangeError as BrokerOffsetOutOfRange

from pipelines.kafka import port
from pipelines.kafka.admission import Admission
from pipelines.kafka.clients.events import EVENTS, in_structured_mode, is_event
from pipelines.kafka.clients.kafka_python import consumer
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    LATEST_US,
    Chunk,
    Headers,
    KafkaSettings,
    OffsetOutOfRangeError,
    Partition,
)
from schemas.errors import BrokerError
from schemas.rows.values import Values
from schemas.traceparent import HEADER, column


def time_us(timestamp_ms: int) -> int:
    """Return a record's timestamp in microseconds, within what a chunk may hold.

    >>> time_us(-1), time_us(1_700_000_000_000), time_us(2**63 - 1) == LATEST_US
    (0, 1700000000000000, True)
    """
    return min(max(timestamp_ms, 0), LATEST_US // 1000) * 1000


def _traceparent(headers: Headers) -> bytes:
    return (
        next((value or b"" for name, value in reversed(headers) if name == HEADER), b"") if headers else b""
    )


class Reader(port.ChunkReader):
    """`ChunkReader` over kafka-python."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._positions: dict[Partition, int] = {}
        self._admission = Admission(settings)
        self._consumer = self._opened()

    def _opened(self) -> Any:
        return consumer(self._settings, fetch_max_wait_ms=FETCH_WAIT_MS)

    def assign(self, places: Mapping[Partition, int]) -> None:
        """See `ChunkReader.assign`."""
        self._consumer.assign([TopicPartition(*at) for at in places])
        for at, offset in places.items():
            self._consumer.seek(TopicPartition(*at), offset)
        self._positions = dict(places)

    def poll(self, max_rows: int) -> list[Chunk]:
        """See `ChunkReader.poll`."""
        try:
            found = self._consumer.poll(0, max_rows)
        except BrokerOffsetOutOfRange as gone:
            raise OffsetOutOfRangeError(self._gone(gone)) from gone
        except KafkaError as refused:
            if refused.retriable:
                return []
            raise BrokerError(f"reading {self._named(self._positions)} failed: {refused}") from refused
        for at, stood in self._positions.items():
            stands = self._consumer.position(TopicPartition(*at), timeout_ms=0) or 0
            self._positions[at] = max(stood, stands)
        chunks = [_chunk(at, records) for at, records in found.items() if records]
        if chunks:
            self._admission.granted()
        elif self._admission.renew():
            self.close()
            self._consumer = self._opened()
            self.assign(self._positions)
        return chunks

    def _gone(self, error: BrokerOffsetOutOfRange) -> str:
        """Say which place a broker no longer holds: the client tells it, or it is one of all."""
        told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        gone = {(at.topic, at.partition): offset for at, offset in told.items()} or self._positions
        return "; ".join(
            f"{topic}[{number}] no longer holds offset {offset}" for (topic, number), offset in gone.items()
        )

    @staticmethod
    def _named(places: Mapping[Partition, int]) -> str:
        return ", ".join(f"{topic}[{number}]@{offset}" for (topic, number), offset in places.items())

    def positions(self) -> Mapping[Partition, int]:
        """See `ChunkReader.positions`."""
        return self._positions

    def end_offset(self, at: Partition) -> int | None:
        """See `ChunkReader.end_offset`."""
        end: int | None = self._consumer.highwater(TopicPartition(*at))
        return end

    def close(self) -> None:
        """See `ChunkReader.close`."""
        self._consumer.close(autocommit=False)


def _chunk(at: TopicPartition, records: Sequence[Any]) -> Chunk:
    count, headers = len(records), [record.headers for record in records]
    events = (
        {place: said for place, said in enumerate(headers) if is_event(said)} if at.topic in EVENTS else {}
    )
    return Chunk(
        at.topic,
        in_structured_mode(at.topic, Values.of([record.value or b"" for record in records]), events),
        np.full(count, at.partition, np.int32),
        np.fromiter((record.offset for record in records), np.int64, count),
        np.fromiter((time_us(record.timestamp) for record in records), np.int64, count),
        traces=None if at.topic in EVENTS else column(list(map(_traceparent, headers))),
    )
