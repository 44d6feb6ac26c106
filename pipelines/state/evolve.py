"""Rows in state outlive a release: each kind has a name and a number, and older ones become today's.

`schemas.json` beside this module records the columns of every number that was ever stored; it only grows.
**To change the columns of rows that are stored** change the dtype and add the next number to the record; the
error without it says what to add. A column that an older number lacks gets the value
that the new number names under `added`, else 0, and a time (`…_us`) `NEVER`; one that is gone is dropped; one
whose numbers became wider is widened. Whatever else a change means cannot be told from columns: give the rows
another name.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from models.ledgers.table import NEVER
from schemas.errors import StateError
from schemas.rows import Rows

RowType = np.dtype[np.void]

FILE = Path(__file__).with_name("schemas.json")

#: Before rows: their name, number and size in bytes; what follows is filled up to whole words.
_HEAD = struct.Struct("<20sIQ")
_WORD = 8


class Schema(NamedTuple):
    """One number of rows of a name.

    Attributes:
        name: of the rows.
        number: from 1.
        row: their columns.
        added: values of columns that the number before lacks, where it is not 0 or `NEVER`.

    """

    name: str
    number: int
    row: RowType
    added: Mapping[str, Any]


@cache
def recorded() -> dict[str, dict[int, Schema]]:
    """Return the record: name -> number -> schema."""
    found: dict[str, dict[int, Schema]] = {}
    for name, numbers in json.loads(FILE.read_text()).items():
        found[name] = {
            int(number): Schema(name, int(number), row_of(entry["columns"]), entry.get("added", {}))
            for number, entry in numbers.items()
        }
    return found


def newest() -> dict[str, int]:
    """Return the newest number of each name."""
    return {name: max(numbers) for name, numbers in recorded().items()}


def row_of(columns: Any) -> RowType:
    """Return the type of rows whose columns are recorded."""
    descr: Any = [tuple(tuple(part) if isinstance(part, list) else part for part in each) for each in columns]
    row: RowType = npy.descr_to_dtype(descr)
    return row


def columns_of(row: RowType) -> Any:
    """Return columns as they are recorded."""
    return json.loads(json.dumps(npy.dtype_to_descr(row)))


@cache
def schema_of(row: RowType) -> Schema:
    """Return the schema that rows of this type are stored with.

    Raises:
        StateError: the newest number of no name has these columns.

    """
    for numbers in recorded().values():
        newest = numbers[max(numbers)]
        if newest.row == row:
            return newest
    raise StateError(
        f"{FILE.name} has no name whose newest number has these columns; add them under the next number of "
        f"theirs: {json.dumps({'columns': columns_of(row)})}"
    )


def pack(*parts: Rows) -> bytes:
    """Return contiguous rows, a part of each type, as bytes for state."""
    pieces: list[Any] = []
    for rows in parts:
        name, number, _, _ = schema_of(rows.dtype)
        pieces += (_HEAD.pack(name.encode(), number, rows.nbytes), rows.data, bytes(-rows.nbytes % _WORD))
    return b"".join(pieces)


def unpack(stored: bytes, *types: RowType) -> Iterator[Rows]:
    """Yield the rows of each part as one of `types`, read-only or new.

    Raises:
        StateError: the bytes are none of these, or a newer release wrote them.

    """
    wanted = {schema_of(row).name: row for row in types}
    start = 0
    while start < len(stored):
        if len(stored) - start < _HEAD.size:
            raise StateError("state ends within a row's header; restore an earlier checkpoint")
        word, number, size = _HEAD.unpack_from(stored, start)
        start += _HEAD.size
        name = word.rstrip(b"\0").decode("ascii", "replace")
        if name not in wanted:
            raise StateError(
                f"state holds rows {name!r} where {' or '.join(wanted)} belong; another release wrote it, "
                "continue with that release or start without state (--fresh)"
            )
        row, then = wanted[name], recorded()[name].get(number)
        if then is None:
            raise StateError(
                f"state holds rows {name!r} of number {number}, this release knows {schema_of(row).number}; "
                "run the newer release that wrote it, or start without state (--fresh)"
            )
        if then.number == schema_of(row).number:
            yield np.frombuffer(stored, row, size // row.itemsize, start)
        else:
            yield evolved(np.frombuffer(stored, then.row, size // then.row.itemsize, start), then, row)
        start += size + -size % _WORD


def evolved(rows: Rows, then: Schema, row: RowType) -> Rows:
    """Return rows of an older number as rows of today's type.

    Raises:
        StateError: a column of the same name cannot hold what the older one held.

    """
    now, added = schema_of(row), dict[str, Any]()
    for number in range(then.number + 1, now.number + 1):
        added |= recorded()[now.name][number].added
    found = np.zeros(len(rows), row)
    for name in row.names or ():
        new = row[name]
        if name not in (then.row.names or ()):
            found[name] = added.get(name, NEVER if name.endswith("_us") else np.zeros((), new.base))
            continue
        old = then.row[name]
        if old.shape != new.shape or not np.can_cast(old.base, new.base, "safe"):
            raise StateError(
                f"column {name} of rows {now.name!r} changed from {old} in number {then.number} to {new} in "
                f"{now.number}; give the rows another name"
            )
        found[name] = rows[name]
    return found
