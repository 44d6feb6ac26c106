"""How chunks travel between workers: explicit, versioned, no pickle."""

import struct
from itertools import accumulate, pairwise

import numpy as np
from apache_beam import coders

from pipelines.kafka.port import Chunk

VERSION = 1
_HEAD = struct.Struct("<BHI")


class ChunkCoder(coders.Coder):  # type: ignore[misc]
    """Chunk as version, topic, row count, then each column as little-endian bytes, then the values."""

    def encode(self, value: Chunk) -> bytes:
        """Return the bytes of `value`."""
        topic = value.topic.encode()
        rows = len(value.values)
        lengths = np.fromiter(map(len, value.values), "<u4", rows)
        columns = (
            lengths,
            value.partitions.astype("<i4", copy=False),
            value.offsets.astype("<i8", copy=False),
            value.timestamps.astype("<i8", copy=False),
        )
        head = _HEAD.pack(VERSION, len(topic), rows)
        return b"".join((head, topic, *(column.tobytes() for column in columns), *value.values))

    def decode(self, encoded: bytes) -> Chunk:
        """Return the chunk of `encoded`; its columns are read-only views.

        Raises:
            ValueError: the bytes were written by another version.

        """
        version, topic_size, rows = _HEAD.unpack_from(encoded)
        if version != VERSION:
            raise ValueError(f"chunk version {version} is not {VERSION}; drain the pipeline before upgrading")
        at = _HEAD.size + topic_size
        topic = encoded[_HEAD.size : at].decode()
        lengths = np.frombuffer(encoded, "<u4", rows, at)
        partitions = np.frombuffer(encoded, "<i4", rows, at + 4 * rows)
        offsets = np.frombuffer(encoded, "<i8", rows, at + 8 * rows)
        timestamps = np.frombuffer(encoded, "<i8", rows, at + 16 * rows)
        ends = accumulate(lengths.tolist(), initial=at + 24 * rows)
        values = [encoded[start:end] for start, end in pairwise(ends)]
        return Chunk(topic, values, partitions, offsets, timestamps)

    def estimate_size(self, value: Chunk) -> int:
        """Return the encoded size if all values were as long as the first; Beam asks for every chunk."""
        first_size = len(value.values[0]) if value.values else 0
        return _HEAD.size + len(value.topic) + (24 + first_size) * len(value.values)

    def is_deterministic(self) -> bool:
        """Equal chunks have equal bytes."""
        return True

    def to_type_hint(self) -> type[Chunk]:
        """Return the type this coder is registered for."""
        return Chunk


coders.registry.register_coder(Chunk, ChunkCoder)
