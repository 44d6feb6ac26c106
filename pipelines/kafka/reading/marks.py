"""Where reading stands: the position of each partition, and the checkpoint that carries them."""

import struct
from typing import NamedTuple

from apache_beam import coders
from apache_beam.io.unbounded_source import CheckpointMark

from pipelines.kafka.port import KafkaSettings, Partition
from pipelines.kafka.reading.process import broker_line
from schemas.errors import StateError

#: How far a message's timestamp may lag behind the newest one before it.
OUT_OF_ORDERNESS_US = 2_000_000

MARK_VERSION = 2
_HEAD = struct.Struct("<BHIHH")
_POSITION = struct.Struct("<Hiqq22s")


class Position(NamedTuple):
    """Where one partition's reading stands: next offset, newest timestamp seen (µs, -1 if none), topic id.

    A topic that is deleted and created anew keeps its name and has another id (`""`: not known yet).
    """

    at: Partition
    next_offset: int
    newest_us: int = -1
    topic_id: str = ""


class Mark(CheckpointMark):  # type: ignore[misc]
    """Positions to resume from; finalizing tells the consumer group of `settings`, if there is one.

    `skip` chunks of those that follow the positions were already handed out (`bounded.py`). `share` is which
    reader of how many they belong to (`keyed_source.py`), so that partitions added later find theirs.
    """

    def __init__(
        self,
        positions: tuple[Position, ...],
        settings: KafkaSettings | None = None,
        skip: int = 0,
        share: tuple[int, int] = (0, 0),
    ) -> None:
        self.positions = positions
        self.skip = skip
        self.share = share
        self._settings = settings

    def finalize_checkpoint(self) -> None:
        """Hand the positions to the process's line to the broker; absolute, so repeating is harmless."""
        if self._settings is not None:
            for position in self.positions:
                broker_line(self._settings).commit(position.at, position.next_offset, position.topic_id)


class MarkCoder(coders.Coder):  # type: ignore[misc]
    """Mark as version, skip, count, share, then each position; explicit, no pickle."""

    def __init__(self, settings: KafkaSettings | None = None) -> None:
        self._settings = settings

    def encode(self, value: Mark) -> bytes:
        """Return the bytes of `value`'s positions."""
        parts = [_HEAD.pack(MARK_VERSION, value.skip, len(value.positions), *value.share)]
        for (topic, partition), next_offset, newest_us, topic_id in value.positions:
            name = topic.encode()
            parts += [_POSITION.pack(len(name), partition, next_offset, newest_us, topic_id.encode()), name]
        return b"".join(parts)

    def decode(self, encoded: bytes) -> Mark:
        """Return the mark of `encoded`, bound to this coder's group.

        Raises:
            StateError: the checkpoint was written by another version.

        """
        version, skip, count, *share = _HEAD.unpack_from(encoded)
        if version != MARK_VERSION:
            raise StateError(
                f"the checkpoint holds positions of version {version}, this release reads {MARK_VERSION}; "
                "run the release that wrote it, or begin without state: --fresh"
            )
        positions, start = [], _HEAD.size
        for _ in range(count):
            size, partition, next_offset, newest_us, topic_id = _POSITION.unpack_from(encoded, start)
            start += _POSITION.size + size
            at = encoded[start - size : start].decode(), partition
            positions.append(Position(at, next_offset, newest_us, topic_id.rstrip(b"\0").decode()))
        return Mark(tuple(positions), self._settings, skip, (share[0], share[1]))

    def is_deterministic(self) -> bool:
        """Equal marks have equal bytes."""
        return True
