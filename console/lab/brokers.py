"""What brokers hold now, asked of those that somebody names."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_listener
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.kafka.stated import stated
from schemas.contract import UNREADABLE
from schemas.dead_letter import unreadable_as

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


def brokers_at(address: str, security: Sequence[str]) -> KafkaSettings:
    """Return the settings of brokers given as on a command line.

    Raises:
        ConfigError: an option cannot be used.
        BrokerError: nobody listens there.

    """
    settings = stated(address, security)
    require_listener(settings)
    return settings


def topic_values(settings: KafkaSettings, topic: str) -> list[bytes]:
    """Return the values that a topic holds now, partition by partition.

    Raises:
        BrokerError: nobody listens there, or there is no such topic.

    """
    require_listener(settings)
    bounds = captured_bounds(settings, [topic])
    return [value for chunk in chunks_within(settings, bounds) for value in chunk.values]


def topic_records(settings: KafkaSettings, topic: str, read: Callable[[bytes], T]) -> list[T]:
    """Return the records that a topic holds now, partition by partition.

    What `read` cannot make one of is passed over, which is said once.

    Raises:
        BrokerError: nobody listens there, or there is no such topic.

    """
    found: list[T] = []
    wrong: list[str] = []
    for value in topic_values(settings, topic):
        try:
            found.append(read(value))
        except UNREADABLE as error:
            wrong.append(unreadable_as(error)[1])
    if wrong:
        _LOGGER.warning(
            "%d messages of topic %s are none of its records and are passed over; the first: %s",
            len(wrong), topic, wrong[0],
        )  # fmt: skip
    return found
