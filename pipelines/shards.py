"""Blocks of rows between stages: every element is (shard, rows as bytes), so a bundle stays columnar.

Rows are chosen with `take`, which copies each as a whole; indexing and `concatenate` copy structured rows
field by field and take five times as long.
"""

import zlib
from collections.abc import Iterator

import numpy as np
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

Rows = NDArray[np.void]
Words = NDArray[np.uint64]
Block = tuple[int, bytes]

_HEAD = 8


def pack(*parts: Rows) -> bytes:
    """Return contiguous rows, one part after the other, as bytes that only `unpack` of their type accepts."""
    return b"".join((_mark(parts[0].dtype), *(part.data for part in parts)))


def holds(block: bytes, row: np.dtype[np.void]) -> bool:
    """Tell whether `block` holds rows of this type."""
    return block[:_HEAD] == _mark(row)


def unpack(block: bytes, row: np.dtype[np.void]) -> Rows:
    """Return the rows of `block`, read-only.

    Raises:
        ValueError: the bytes hold rows of another release; state written before an upgrade needs a drain.

    """
    if not holds(block, row):
        raise ValueError("rows were written by another release of Stopline; drain the job before upgrading")
    return np.frombuffer(block, row, offset=_HEAD)


def shard_of(tokens: Words, shards: int) -> NDArray[np.int64]:
    """Return the shard of each token, uint64[n, 2] -> int64[n]."""
    return (tokens[:, 0] >> np.uint64(40)).astype(np.int64) % shards


def by_shard(rows: Rows, shard: NDArray[np.int64]) -> Iterator[tuple[int, Rows]]:
    """Split `rows` by shard; rows of one shard keep their order."""
    order = np.argsort(shard, kind="stable")
    numbers, counts = np.unique(shard[order], return_counts=True)
    ends = np.cumsum(counts)
    for number, start, end in zip(numbers, ends - counts, ends, strict=True):
        yield int(number), rows.take(order[start:end])


def event_order(transfers: Rows, *minor: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of TRANSFER[n] in order of event time; ties in order of the log, then of `minor`."""
    return np.lexsort((*minor, transfers["offset"], transfers["partition"], transfers["at_us"]))


def windowed(block: Block, received_us: int) -> WindowedValue:
    """Return an element that a `finish_bundle` may emit.

    Beam's time is the Kafka timestamp, as in the source's watermark; decisions use the rows' event time.
    """
    return WindowedValue(block, Timestamp(micros=received_us), [GlobalWindow()])


def _mark(row: np.dtype[np.void]) -> bytes:
    return zlib.crc32(repr(row.descr).encode()).to_bytes(_HEAD, "little")
