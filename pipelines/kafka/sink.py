"""Beam into Kafka: no bundle is committed before the broker has confirmed every record of it.

A retried bundle sends its records again; their ids are derived from their cause, so receivers can tell.
"""

from typing import NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.metrics import Metrics

from pipelines.kafka.port import KafkaSettings, Producer, open_producer


class OutRecord(NamedTuple):
    """One record to send.

    Attributes:
        topic: where to.
        key: decides the partition.
        value: payload; `b""` is sent as a null value (tombstone).
        headers: names and values.
        timestamp_us: event time, microseconds UTC; Kafka keeps milliseconds.

    """

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp_us: int


class OutRecordCoder(coders.Coder):  # type: ignore[misc]
    """OutRecord as the tuple of its fields."""

    def __init__(self) -> None:
        header = coders.TupleCoder((coders.StrUtf8Coder(), coders.BytesCoder()))
        fields = (coders.StrUtf8Coder(), coders.BytesCoder(), coders.BytesCoder())
        self._fields = coders.TupleCoder((*fields, coders.IterableCoder(header), coders.VarIntCoder()))

    def encode(self, value: OutRecord) -> bytes:
        """Return the bytes of `value`."""
        encoded: bytes = self._fields.encode(tuple(value))
        return encoded

    def decode(self, encoded: bytes) -> OutRecord:
        """Return the record of `encoded`."""
        topic, key, value, headers, timestamp_us = self._fields.decode(encoded)
        return OutRecord(topic, key, value, tuple(headers), timestamp_us)

    def is_deterministic(self) -> bool:
        """Equal records have equal bytes."""
        return True

    def to_type_hint(self) -> type[OutRecord]:
        """Return the type this coder is registered for."""
        return OutRecord


coders.registry.register_coder(OutRecord, OutRecordCoder)


class WriteRecords(beam.PTransform):  # type: ignore[misc]
    """Send each `OutRecord`; a bundle with an unconfirmed record fails with `SinkError` and is retried.

    At-least-once. Apply it to each branch rather than to a Flatten of them: the embedded runner runs
    nothing behind a Flatten of unbounded inputs, and all applications share one connection anyway.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, records: "beam.PCollection[OutRecord]") -> "beam.PCollection[None]":
        """Send `records`; the result is empty."""
        return records | beam.ParDo(WriteFn(self._settings)).with_output_types(type(None))


class WriteFn(beam.DoFn):  # type: ignore[misc]
    """Queues each record and settles the account when the bundle ends."""

    _written = Metrics.counter("stopline.kafka", "records_written")

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._sent = 0

    def start_bundle(self) -> None:
        """Open a fresh account over the process's connection."""
        self._producer = open_producer(self._settings)
        self._sent = 0

    def process(self, record: OutRecord) -> None:
        """Queue one record."""
        assert self._producer is not None
        self._producer.send(
            record.topic, record.key, record.value or None, record.headers, record.timestamp_us
        )
        self._sent += 1

    def finish_bundle(self) -> None:
        """Wait until all are confirmed.

        Raises:
            SinkError: one was not.

        """
        assert self._producer is not None
        self._producer.flush()
        self._written.inc(self._sent)
