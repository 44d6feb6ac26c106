"""Beam into Kafka: no bundle is committed before the broker has confirmed every record of it.

A retried bundle sends its records again; their ids are derived from their cause, so receivers can tell.
"""

import logging
import time
from typing import NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.metrics import Metrics

from pipelines.kafka.limits import BATCH_HEAD_BYTES, RECORD_HEAD_BYTES, forget_limits, message_bytes_max
from pipelines.kafka.parked import park
from pipelines.kafka.port import KafkaSettings, Producer, open_producer
from pipelines.kafka.refusals import Refused
from pipelines.kafka.seal import SEALED, Seal, read_seal
from pipelines.kafka.settling import KeptOutError
from pipelines.metrics import STATUS_COUNTERS
from schemas.dead_letter import shortened
from schemas.errors import SinkError
from schemas.topics import CASEWORK_STATES, CONTACTS, DEAD_LETTERS, MEASURES

_LOGGER = logging.getLogger(__name__)

#: State that is read back by version: nothing of it is put aside.
KEPT_WHOLE = (MEASURES, CONTACTS, *CASEWORK_STATES)


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

    At-least-once. What a broker will never take does not come back for ever: a dead letter is cut to fit, a
    refused batch is sent record by record, and a record that is refused alone is parked (`parked.py`), except
    on topics of `KEPT_WHOLE`. Apply this to each branch rather than to a Flatten of them: the embedded
    runner runs nothing behind a Flatten of unbounded inputs, and all share one connection anyway.
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
    _parked = Metrics.counter("stopline.kafka", "records_parked")

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._sent: list[OutRecord] = []
        self._seal: Seal | None = None

    def start_bundle(self) -> None:
        """Open a fresh account over the process's connection."""
        self._producer = open_producer(self._settings)
        self._seal = read_seal(self._settings.seal_key)
        self._sent = []

    def process(self, record: OutRecord) -> None:
        """Queue one record, stamped at most now; what is read back as ours, with our seal."""
        if self._seal and record.topic in SEALED:
            record = record._replace(value=self._seal.sealed(record.topic, record.value))
        if (fitting := self._fitting(record)) is not None:
            self._send(fitting)
            self._sent.append(fitting)

    def finish_bundle(self) -> None:
        """Wait until all are confirmed.

        Raises:
            SinkError: one was not.

        """
        try:
            refused = self._settled()
        except KeptOutError as kept_out:
            refused = self._again(kept_out)
        if refused:
            forget_limits(self._settings)
        parked = 0
        for each in refused:
            parked += not self._sent_alone(self._sent[each.number], each)
        self._written.inc(len(self._sent) - parked)
        self._sent = []
        STATUS_COUNTERS.add()

    def _send(self, record: OutRecord) -> None:
        assert self._producer is not None
        at_us = min(record.timestamp_us, time.time_ns() // 1000)
        self._producer.send(record.topic, record.key, record.value or None, record.headers, max(at_us, 0))

    def _settled(self) -> list[Refused]:
        assert self._producer is not None
        try:
            return self._producer.settle()
        except SinkError:
            forget_limits(self._settings)  # kafka-python cannot tell that a limit was lowered
            raise

    def _again(self, kept_out: KeptOutError) -> list[Refused]:
        """Send a bundle's records once more over new connections, which read their secrets anew.

        So a password that was changed under a running job counts; what had arrived arrives twice.
        """
        assert self._producer is not None
        _LOGGER.warning("%s; trying again with the secrets as they are now", kept_out)
        self._producer.close()
        self._producer = open_producer(self._settings)
        for record in self._sent:
            self._send(record)
        return self._settled()

    def _fitting(self, record: OutRecord) -> OutRecord | None:
        """Return a record as its topic takes it; None if it was parked instead."""
        bytes_max = message_bytes_max(self._settings, record.topic)
        if (over := _size(record) - bytes_max) <= 0:
            return record
        if record.topic == DEAD_LETTERS and (cut := shortened(record.value, over)) is not None:
            return record._replace(value=cut)
        too_large = Refused(0, record.topic, "TOO_LARGE", f"{_size(record)} bytes, it takes {bytes_max}")
        self._park(record, too_large)
        return None

    def _sent_alone(self, record: OutRecord, refused: Refused) -> bool:
        """Send a record by itself, as of now if its time was refused; return whether it was taken."""
        fitting = self._fitting(record)
        while fitting is not None:
            if refused.why == "TIME":
                fitting = fitting._replace(timestamp_us=time.time_ns() // 1000)
            self._send(fitting)
            if not (again := self._settled()):
                return True
            if again[0].why != "TIME":
                self._park(fitting, again[0])
                return False
            if refused.why == "TIME":
                raise SinkError(
                    f"topic {record.topic} refuses records of this moment ({again[0].reason}); "
                    "compare the broker's clock with this machine's"
                )
            refused = again[0]
        return False

    def _park(self, record: OutRecord, refused: Refused) -> None:
        if record.topic in KEPT_WHOLE:
            raise SinkError(
                f"a record of topic {record.topic} is refused for good ({refused.reason}), and that topic "
                "must lack none; raise its max.message.bytes"
            )
        park(self._settings.parked, record._asdict(), refused.reason)
        self._parked.inc()


def _size(record: OutRecord) -> int:
    """Return the most that a record takes alone in a batch, bytes."""
    headers = sum(len(name) + len(value) + 10 for name, value in record.headers)
    return BATCH_HEAD_BYTES + RECORD_HEAD_BYTES + len(record.key) + len(record.value) + headers
