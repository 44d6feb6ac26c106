"""Files to a topic, and a topic to whoever listens, as they are."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from console.lab.imports.converting import payments_of
from console.lab.moving import moved
from fixtures.stream import messages
from pipelines.kafka.port import KafkaSettings, Partition, open_admin, open_consumer, open_producer
from pipelines.streams.clock import now_us
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes

_LOOK_S = 0.1

#: A job that has just been started makes its topics within so long.
TOPIC_S = 30.0

Message = tuple[bytes | None, bytes]

#: Topic -> the fields of its records that may be the key, the first that is there; elsewhere as of payments.
KEYS = {
    topics.PAYMENTS: ("debtor_account",),
    topics.ACCOUNTS: ("account_token",),
    topics.CLUES: ("party",),
    topics.FEEDBACK: ("case_family_id", "txn_id"),
}


def sent(settings: KafkaSettings, topic: str, place: Path, *, now: bool = False) -> int:
    """Send what a file or folder holds to a topic, as of now; returns how many messages that is.

    With `now` their times are moved so that the newest is now (`console.lab.moving`).

    Raises:
        ConfigError: it holds none, or there is no such topic and none comes.

    """
    _partitions(settings, topic, wait_s=TOPIC_S)
    producer, number = open_producer(settings), 0
    found = _messages(place, topic)
    for key, value in moved(list(found), now_us()) if now else found:
        producer.send(topic, key, value, (), time.time_ns() // 1000)
        number += 1
    producer.flush()
    if not number:
        raise ConfigError(f"{place} holds no message")
    return number


def _messages(place: Path, topic: str) -> Iterator[Message]:
    """Yield the messages of an import, of a folder or file of XML, or of JSON Lines, each with its key."""
    if (place / "payments.parquet").exists():
        for block in messages(payments_of(place)):
            yield from zip(block.keys, block.values, strict=True)
    elif place.is_dir() or place.suffix == ".xml":
        for file in sorted(place.rglob("*.xml")) if place.is_dir() else [place]:
            yield None, read_bytes(file)
    else:
        for _, line in strict_json.lines(place):
            yield _key(line, topic), line


def _key(value: bytes, topic: str) -> bytes | None:
    try:
        fields = msgspec.json.decode(value)
    except ValueError:
        return None
    names = KEYS.get(topic, KEYS[topics.PAYMENTS])
    found = (
        next((fields[name] for name in names if fields.get(name)), None) if isinstance(fields, dict) else None
    )
    return found.encode() if isinstance(found, str) else None


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


def coming(settings: KafkaSettings, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield topic and value of what comes to topics from now on; ("", b"") first, and while nothing does.

    Raises:
        ConfigError: there is no such topic.

    """
    with closing(open_admin(settings)) as admin:
        ends = admin.end_offsets([place for name in names for place in _partitions(settings, name)])
    readers = {at: open_consumer(settings, *at, end) for at, end in ends.items()}
    while True:
        yield "", b""
        time.sleep(_LOOK_S)
        for (topic, _), reader in readers.items():
            if chunk := reader.poll(1_000):
                yield from ((topic, value) for value in chunk.values)


def _partitions(settings: KafkaSettings, topic: str, wait_s: float = 0.0) -> list[Partition]:
    """Return the partitions of a topic, which a job that has just been started makes within `wait_s`."""
    deadline = time.monotonic() + wait_s
    with closing(open_admin(settings)) as admin:
        while topic not in (counts := admin.partition_counts()) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
    if topic not in counts:
        there = ", ".join(sorted(counts)) or "none"
        raise ConfigError(
            f"there is no topic {topic[:60]!r}, but {there}; `stopline run --create-topics` makes its own"
        )
    return [(topic, number) for number in range(counts[topic])]
