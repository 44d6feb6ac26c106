"""Files to a topic, and a topic to whoever listens, as they are."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from console.lab.imports.converting import payments_of
from fixtures.stream import messages
from pipelines.kafka.port import KafkaSettings, Partition, open_admin, open_consumer, open_producer
from schemas import strict_json
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes

_LOOK_S = 0.1

Message = tuple[bytes | None, bytes]


def sent(settings: KafkaSettings, topic: str, place: Path) -> int:
    """Send what a file or folder holds to a topic, as of now; returns how many messages that is.

    Raises:
        ConfigError: it holds none, or there is no such topic.

    """
    _partitions(settings, topic)
    producer, number = open_producer(settings), 0
    for key, value in _messages(place):
        producer.send(topic, key, value, (), time.time_ns() // 1000)
        number += 1
    producer.flush()
    if not number:
        raise ConfigError(f"{place} holds no message")
    return number


def _messages(place: Path) -> Iterator[Message]:
    """Yield the messages of an import, of a folder or file of XML, or of JSON Lines, each with its key."""
    if (place / "payments.parquet").exists():
        for block in messages(payments_of(place)):
            yield from zip(block.keys, block.values, strict=True)
    elif place.is_dir() or place.suffix == ".xml":
        for file in sorted(place.rglob("*.xml")) if place.is_dir() else [place]:
            yield None, read_bytes(file)
    else:
        for _, line in strict_json.lines(place):
            yield _key(line), line


def _key(value: bytes) -> bytes | None:
    try:
        fields = msgspec.json.decode(value)
    except ValueError:
        return None
    account = fields.get("debtor_account") if isinstance(fields, dict) else None
    return account.encode() if isinstance(account, str) else None


def heard(settings: KafkaSettings, topic: str, *, follow: bool) -> Iterator[bytes]:
    """Yield the values of a topic from its beginning, and with `follow` those that come, for ever.

    Raises:
        ConfigError: there is no such topic.

    """
    with closing(open_admin(settings)) as admin:
        ends = admin.end_offsets(_partitions(settings, topic))
    readers = {at: open_consumer(settings, *at, 0) for at in ends}
    while follow or any(reader.position() < ends[at] for at, reader in readers.items()):
        quiet = True
        for reader in readers.values():
            if chunk := reader.poll(1_000):
                quiet = False
                yield from chunk.values
        if quiet:
            time.sleep(_LOOK_S)


def _partitions(settings: KafkaSettings, topic: str) -> list[Partition]:
    with closing(open_admin(settings)) as admin:
        counts = admin.partition_counts()
    if topic not in counts:
        there = ", ".join(sorted(counts)) or "none"
        raise ConfigError(
            f"there is no topic {topic[:60]!r}, but {there}; `stopline run --create-topics` makes its own"
        )
    return [(topic, number) for number in range(counts[topic])]
