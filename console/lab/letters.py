"""Dead letters of a broker: chosen, found, sent again."""

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from operator import attrgetter

import msgspec

from console.lab.brokers import topic_records
from pipelines.kafka.port import KafkaSettings, OffsetOutOfRangeError, open_consumer, open_producer
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.errors import ConfigError

#: How long a message that should stand at its place is waited for.
WAIT_S = 10.0

_decode = msgspec.json.Decoder(DeadLetter).decode


def chosen(settings: KafkaSettings, *, code: str = "", topic: str = "") -> list[DeadLetter]:
    """Return the letters of a reason and of a topic, each once, in order of their messages' Kafka times.

    Raises:
        BrokerError: the broker or topic `dead_letters` is not there.

    """
    found: dict[str, DeadLetter] = {}
    for letter in topic_records(settings, topics.DEAD_LETTERS, _decode):
        if code in {"", letter.error_code} and topic in {"", letter.topic}:
            found[letter.dead_letter_id] = letter
    return sorted(found.values(), key=attrgetter("timestamp_us", "topic", "partition", "offset"))


def one(settings: KafkaSettings, name: str) -> DeadLetter:
    """Return the letter of an id, or of a place as topic/partition@offset.

    Raises:
        ConfigError: there is none.

    """
    for letter in chosen(settings):
        if name in {letter.dead_letter_id, place_of(letter)}:
            return letter
    raise ConfigError(f"no dead letter {name!r}; see those there are with: stopline dead-letters list")


def place_of(letter: DeadLetter) -> str:
    """Return where the refused message stands, topic/partition@offset."""
    return f"{letter.topic}/{letter.partition}@{letter.offset}"


def send_again(settings: KafkaSettings, letters: Sequence[DeadLetter]) -> int:
    """Send the messages of letters again, as of now; returns how many.

    To the partition they were in, so that an account's messages stay in one.

    Raises:
        ConfigError: a letter holds only the beginning of its message, and that is gone from its place.

    """
    wholes = [(letter, whole_value(settings, letter)) for letter in letters]
    producer = open_producer(settings)
    for letter, value in wholes:
        now_us = time.time_ns() // 1000
        producer.send(letter.topic, None, value or None, (), now_us, partition=letter.partition)
    producer.flush()
    return len(wholes)


def whole_value(settings: KafkaSettings, letter: DeadLetter) -> bytes:
    """Return the whole message of a letter, read at its place where the letter was cut to fit."""
    if len(letter.value) == letter.value_bytes:
        return letter.value
    at = letter.topic, letter.partition, letter.offset
    with suppress(OffsetOutOfRangeError), closing(open_consumer(settings, *at)) as consumer:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            chunk = consumer.poll(1)
            if chunk is not None and int(chunk.offsets[0]) != letter.offset:
                break
            if chunk is not None:
                return chunk.values[0]
            time.sleep(0.01)
    raise ConfigError(
        f"{place_of(letter)} is no longer in its topic and its letter holds {len(letter.value):,} of "
        f"{letter.value_bytes:,} bytes; have its producer send it again"
    )
