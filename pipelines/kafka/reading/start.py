"""Where reading begins: each partition's first offset."""

import logging
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Literal, NamedTuple

from pipelines.kafka.port import (
    Admin,
    KafkaSettings,
    OffsetOutOfRangeError,
    Partition,
    admin_command,
    open_admin,
)
from schemas.errors import BrokerError

_LOGGER = logging.getLogger(__name__)


class Since(NamedTuple):
    """Begin at a time (microseconds UTC), or at the committed offset if that lies earlier."""

    since_us: int


First = Literal["committed", "earliest", "latest"] | int | Since


class ByTopic(NamedTuple):
    """Begin each topic in its own way."""

    starts: tuple[tuple[str, First], ...]


Start = First | ByTopic


def absent(counts: Mapping[str, int], settings: KafkaSettings, topics: Collection[str]) -> list[str]:
    """Return a sentence for each of `topics` the broker does not count partitions of, with the next step."""
    return [
        f"topic {topic!r} does not exist at {settings.brokers}; create it with: "
        f"{admin_command(settings)} topics create -t {topic} --num-partitions 8"
        for topic in topics
        if topic not in counts
    ]


def partitions_of(admin: Admin, settings: KafkaSettings, topics: Collection[str]) -> tuple[Partition, ...]:
    """Return every partition of `topics`, in their order.

    Raises:
        BrokerError: a topic is missing.

    """
    counts = admin.partition_counts()
    for missing in absent(counts, settings, topics):
        raise BrokerError(missing)
    return tuple((topic, number) for topic in topics for number in range(counts[topic]))


def _committed(
    admin: Admin, settings: KafkaSettings, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """Return the group's offsets, those of a topic that was deleted and created anew since left out aloud."""
    committed = admin.committed(settings.group, partitions)
    if not committed:
        return {}
    states = admin.describe({topic for topic, _ in committed})
    for at, topic_id in admin.committed_ids(settings.group, list(committed)).items():
        if (now := states[at[0]].topic_id) and now != topic_id:
            _LOGGER.warning("%s", anew_text(at, committed.pop(at), topic_id, now))
    return committed


def anew_text(at: Partition, offset: int, before: str, now: str) -> str:
    """Say that a topic is another one than the position is of."""
    return (
        f"topic {at[0]!r} was deleted and created anew (id {before}, now {now}): offset {offset} of "
        f"partition {at[1]} is of the old one, reading begins at the first message of the new one"
    )


def checked_partitions(
    settings: KafkaSettings, topics: Collection[str], start: Start
) -> tuple[Partition, ...]:
    """Return every partition of `topics` after a check that reading can start there.

    Raises:
        BrokerError: a topic is missing, or a start offset is outside what the broker holds.

    """
    with closing(open_admin(settings)) as admin:
        partitions = partitions_of(admin, settings, topics)
        start_offsets(admin, settings, partitions, start)
        return partitions


def start_offsets(
    admin: Admin, settings: KafkaSettings, partitions: Collection[Partition], start: Start
) -> dict[Partition, int]:
    """Resolve `start` to one offset per partition.

    Raises:
        OffsetOutOfRangeError: the group's committed offset is not (or no longer) in the log.

    """
    if isinstance(start, ByTopic):
        found: dict[Partition, int] = {}
        for topic, first_of in start.starts:
            found |= start_offsets(admin, settings, [at for at in partitions if at[0] == topic], first_of)
        return found
    if isinstance(start, Since):
        recent = admin.offsets_for_times(partitions, start.since_us)
        committed = start_offsets(admin, settings, partitions, "committed")
        return {at: min(offset, recent[at]) for at, offset in committed.items()}
    if isinstance(start, int):
        return admin.offsets_for_times(partitions, start)
    if start == "latest":
        return admin.end_offsets(partitions)
    first = admin.beginning_offsets(partitions)
    if start == "earliest":
        return first
    committed = _committed(admin, settings, partitions)
    ends = admin.end_offsets(list(committed))
    for (topic, partition), offset in committed.items():
        low, high = first[topic, partition], ends[topic, partition]
        if not low <= offset <= high:
            raise OffsetOutOfRangeError(
                f"group {settings.group!r} stands at {topic}[{partition}]@{offset} but the broker holds "
                f"{low} to {high}; move it with: {admin_command(settings)} groups alter-offsets "
                f"-g {settings.group} -o {topic}:{partition}:{low}"
            )
    return first | committed
