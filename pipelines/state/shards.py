"""Blocks of rows between stages: every element is (shard, rows as bytes), so a bundle stays columnar.

A block holds rows of one or several kinds (`bound`), so that facts of one bundle stay together.

Rows are chosen with `take` and written with `put`, which copy each as a whole; indexing, assignment and
`concatenate` copy structured rows field by field and take five times as long.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue, create
from numpy.typing import NDArray

from schemas.rows import Rows

Words = NDArray[np.uint64]
Shards = NDArray[np.uint16]
Block = tuple[int, bytes]

_HEAD = 8

#: Made once, as a window asks Protobuf for its end.
_EVERYWHERE = (GlobalWindow(),)


def pack(*parts: Rows) -> bytes:
    """Return contiguous rows, one part after the other, as bytes that only `unpack` of their type accepts."""
    return b"".join((_mark(parts[0].dtype), *(part.data for part in parts)))


def bound(*kinds: Sequence[Rows]) -> bytes:
    """Return rows of several kinds, of each some parts, as bytes that `unbound` takes apart again."""
    pieces: list[Any] = []
    for parts in kinds:
        size = _HEAD + sum(part.nbytes for part in parts)
        pieces += (size.to_bytes(_HEAD, "little"), _mark(parts[0].dtype))
        pieces += (part.data for part in parts)
        pieces.append(bytes(-size % _HEAD))
    return b"".join(pieces)


def unbound(block: bytes | memoryview) -> Iterator[memoryview]:
    """Yield each kind of rows of `block` as bytes that `unpack` of its type accepts."""
    view = memoryview(block)
    start = 0
    while start < len(view):
        size = int.from_bytes(view[start : start + _HEAD], "little")
        start += _HEAD
        yield view[start : start + size]
        start += size + -size % _HEAD


def holds(block: bytes | memoryview, row: np.dtype[np.void]) -> bool:
    """Tell whether `block` holds rows of this type."""
    return mark_of(block) == _mark(row)


def unpack(block: bytes | memoryview, row: np.dtype[np.void]) -> Rows:
    """Return the rows of `block`, read-only.

    Raises:
        ValueError: the bytes hold other rows; both ends of a stage run the same release.

    """
    if not holds(block, row):
        raise ValueError(
            f"a block holds other rows than {', '.join(row.names or ())[:60]}; restart the workers, they run "
            "another release"
        )
    return np.frombuffer(block, row, offset=_HEAD)


def concatenated(parts: Sequence[Rows], row: np.dtype[np.void]) -> Rows:
    """Return contiguous rows, one part after the other; read-only unless it is the only part itself."""
    return parts[0] if len(parts) == 1 else np.frombuffer(b"".join(part.data for part in parts), row)


def mark_of(block: bytes | memoryview) -> bytes:
    """Return what blocks of one type of rows have in common."""
    return bytes(block[:_HEAD])


def shard_of(tokens: Words, shards: int) -> Shards:
    """Return the shard of each token, uint64[n, 2] -> uint16[n], a type that is sorted in one pass."""
    return ((tokens[:, 0] >> np.uint64(40)) % np.uint64(shards)).astype(np.uint16)


def by_shard(rows: Rows, shard: Shards) -> Iterator[tuple[int, Rows]]:
    """Split `rows` by shard; rows of one shard keep their order."""
    order = np.argsort(shard, kind="stable")
    ends = np.cumsum(np.bincount(shard)).tolist()
    for number, (start, end) in enumerate(pairwise([0, *ends])):
        if end > start:
            yield number, rows.take(order[start:end])


def put(rows: Rows, column: str, values: Rows) -> None:
    """Write structured `values` into a column of `rows`, each as a whole; both must be contiguous."""
    at = rows.dtype.fields[column][1]  # type: ignore[index]
    octets = values.view(np.uint8).reshape(len(values), values.itemsize)
    rows.view(np.uint8).reshape(len(rows), rows.itemsize)[:, at : at + values.itemsize] = octets


def event_order(transfers: Rows | Mapping[str, NDArray[Any]], *minor: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of TRANSFER[n], or of their columns, by event time; ties by the log, then `minor`.

    Ties are few, so only they are put in order by every key.
    """
    at_us = np.ascontiguousarray(transfers["at_us"])
    order = np.argsort(at_us, kind="stable")
    ordered_us = at_us[order]
    same = np.concatenate(([False], ordered_us[1:] == ordered_us[:-1], [False]))
    tied = np.flatnonzero(same[1:] | same[:-1])
    if len(tied):
        among = order[tied]
        keys = *minor, transfers["offset"], transfers["partition"], at_us
        order[tied] = among[np.lexsort([key[among] for key in keys])]
    return order


def windowed(element: Any, received_us: int) -> WindowedValue:
    """Return an element that a `finish_bundle` may emit.

    Beam's time is the Kafka timestamp, as in the source's watermark; decisions use the rows' event time.
    """
    return create(element, received_us, _EVERYWHERE)


@cache  # of the few types of rows there are
def _mark(row: np.dtype[np.void]) -> bytes:
    return zlib.crc32(repr(row.descr).encode()).to_bytes(_HEAD, "little")
