"""Journals of before there was a job key: their entries once more, sealed."""

from contextlib import closing

import msgspec

from pipelines.hot.records import trace_record
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.kafka.seal import JOURNALS, read_seal
from pipelines.kafka.sink import OutRecord
from pipelines.lifecycle.journal import journal_entry
from pipelines.lifecycle.records import journal_record
from schemas import topics
from schemas.contract import UNREADABLE
from schemas.errors import ConfigError
from schemas.trace import Trace

_TRACE = msgspec.json.Decoder(Trace)


def seal_past(settings: KafkaSettings) -> int:
    """Send what the journals hold without a seal once more, sealed, each under its time; returns how many.

    Readers take entries by id and version, so that an entry which is there twice counts once.

    Raises:
        ConfigError: no key is named, or it cannot be used.

    """
    if (seal := read_seal(settings.seal_key)) is None:
        raise ConfigError(
            "no key to seal with; make one with `stopline tokens keygen`, name it by --seal_key"
        )
    there: set[bytes] = set()
    bare: dict[bytes, tuple[OutRecord, int]] = {}
    with closing(open_admin(settings)) as admin:
        written = [topic for topic in JOURNALS if topic in admin.describe(JOURNALS)]
    for chunk in chunks_within(settings, captured_bounds(settings, written)):
        for value, at_us in zip(chunk.values, chunk.timestamps.tolist(), strict=True):
            if seal.holds(chunk.topic, value):
                there.add(value)
            elif (record := _record(chunk.topic, value)) is not None:
                bare[seal.sealed(chunk.topic, value)] = (record, at_us)
    missing = {value: found for value, found in bare.items() if value not in there}
    producer = open_producer(settings)
    for value, (record, at_us) in missing.items():
        producer.send(record.topic, record.key, value, record.headers, at_us)
    producer.flush()
    return len(missing)


def _record(topic: str, value: bytes) -> OutRecord | None:
    """Return an entry without a seal as it was sent; None if it is none."""
    if topic == topics.MEASURES:
        entry = journal_entry(value)
        return journal_record(entry, value) if entry is not None and not entry.seal else None
    try:
        trace = _TRACE.decode(value)
    except UNREADABLE:
        return None
    return trace_record(trace)._replace(value=value) if not trace.seal else None
