"""Blocks of rows between stages: every element is (shard, rows as bytes), so a bundle stays columnar."""

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


def pack(rows: Rows) -> bytes:
    """Return `rows` as bytes that only `unpack` with the same row type accepts."""
    return _mark(rows.dtype) + rows.tobytes()


def unpack(block: bytes, row: np.dtype[np.void]) -> Rows:
    """Return the rows of `block`, read-only.

    Raises:
        ValueError: the bytes hold rows of another release; state written before an upgrade needs a drain.

    """
    if block[:_HEAD] != _mark(row):
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
        yield int(number), rows[order[start:end]]


def windowed(block: Block, received_us: int) -> WindowedValue:
    """Return an element that a `finish_bundle` may emit.

    Beam's time is the Kafka timestamp, as in the source's watermark; decisions use the rows' event time.
    """
    return WindowedValue(block, Timestamp(micros=received_us), [GlobalWindow()])


def _mark(row: np.dtype[np.void]) -> bytes:
    return zlib.crc32(repr(row.descr).encode()).to_bytes(_HEAD, "little")
