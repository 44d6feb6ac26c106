"""How chunks travel between workers: explicit, versioned, no pickle."""

import struct

import numpy as np
from apache_beam import coders

from pipelines.kafka.port import Chunk
from schemas.errors import StateError
from schemas.rows.values import AFTER, Values
from schemas.traceparent import WORDS

VERSION = 3
_HEAD = struct.Struct("<BHIB")


class ChunkCoder(coders.Coder):  # type: ignore[misc]
    """Chunk as version, topic, row count, if traced, then each column as little-endian bytes, text last."""

    def encode(self, value: Chunk) -> bytes:
        """Return the bytes of `value`."""
        topic, values = value.topic.encode(), value.values
        first, last = values.starts[0], values.starts[-1]
        head = _HEAD.pack(VERSION, len(topic), len(values), value.traces is not None)
        columns = (
            (values.starts - first).astype("<i8", copy=False),
            value.partitions.astype("<i4", copy=False),
            value.offsets.astype("<i8", copy=False),
            value.timestamps.astype("<i8", copy=False),
            *(() if value.traces is None else (value.traces.astype("<u8", copy=False),)),
            values.text[first:last],
        )
        return b"".join((head, topic, *(column.tobytes() for column in columns), bytes(AFTER)))

    def decode(self, encoded: bytes) -> Chunk:
        """Return the chunk of `encoded`; its columns are read-only views.

        Raises:
            StateError: the bytes were written by another version.

        """
        version = encoded[0]
        if version != VERSION:
            raise StateError(
                f"a chunk is of version {version}, this release reads {VERSION}; restart the workers, they "
                "run another release"
            )
        _, topic_size, rows, traced = _HEAD.unpack_from(encoded)
        at = _HEAD.size + topic_size
        topic = encoded[_HEAD.size : at].decode()
        starts = np.frombuffer(encoded, "<i8", rows + 1, at).copy()
        at += starts.nbytes
        partitions = np.frombuffer(encoded, "<i4", rows, at)
        offsets = np.frombuffer(encoded, "<i8", rows, at + 4 * rows)
        timestamps = np.frombuffer(encoded, "<i8", rows, at + 12 * rows)
        at += 20 * rows
        traces = np.frombuffer(encoded, "<u8", WORDS * rows, at).reshape(rows, WORDS) if traced else None
        at += traces.nbytes if traces is not None else 0
        values = Values(np.frombuffer(encoded, np.uint8, offset=at), starts)
        return Chunk(topic, values, partitions, offsets, timestamps, traces=traces)

    def estimate_size(self, value: Chunk) -> int:
        """Return the encoded size."""
        starts, traced = value.values.starts, value.traces.nbytes if value.traces is not None else 0
        fixed = _HEAD.size + len(value.topic) + 8 + 28 * len(value.values) + traced
        return fixed + int(starts[-1] - starts[0]) + AFTER

    def is_deterministic(self) -> bool:
        """Equal chunks have equal bytes."""
        return True

    def to_type_hint(self) -> type[Chunk]:
        """Return the type this coder is registered for."""
        return Chunk


coders.registry.register_coder(Chunk, ChunkCoder)
