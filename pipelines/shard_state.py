"""Log-structured state of a shard: what is stored is what changed, what is used is a live table.

Beam state holds `version` (how far the log goes, in the shard's `Head`) and `log` (a snapshot of the table,
then the facts added since). The live table stays in the process and is used only while its version equals
the stored one; a failed bundle, a restore or a move to another worker makes them differ, and the table is
rebuilt from the log. The log is replaced by a snapshot once the facts weigh as much as the table, so a fact
is written about twice over its life. Works on every runner that has value and bag state.
"""

import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from models.table import Table
from pipelines.shards import Rows, holds, pack, unpack

#: Logs shorter than this are not worth replacing.
COMPACT_BYTES = 1 << 20

_VERSION = struct.Struct("<q8sqq")
_ENTRY = struct.Struct("<q?7x")


class Version(NamedTuple):
    """How far a shard's log goes.

    `token` is unique to the write, so two tables of the same sequence are never taken for each other.
    """

    sequence: int
    token: bytes
    facts_bytes: int
    table_bytes: int


class Head:
    """Small values of a shard stored as one: read when a bundle first brings the shard, written at its end.

    On Flink a worker waits for every value it reads.
    """

    def __init__(self, state: Any) -> None:
        stored = state.read()
        self._state = state
        self._values = msgspec.msgpack.decode(stored, type=dict[str, bytes]) if stored else {}
        self._saved = dict(self._values)

    def value(self, name: str) -> "HeadValue":
        """Return one of the values, with the methods of a value state."""
        return HeadValue(self._values, name)

    def save(self) -> None:
        """Write the values if they changed."""
        if self._values != self._saved:
            self._state.write(msgspec.msgpack.encode(self._values))
            self._saved = dict(self._values)


class HeadValue(NamedTuple):
    """A value within a `Head`."""

    values: dict[str, bytes]
    name: str

    def read(self) -> bytes | None:
        """Return the value, None if it was never written."""
        return self.values.get(self.name)

    def write(self, value: bytes) -> None:
        """Replace the value."""
        self.values[self.name] = value


@dataclass(frozen=True)
class Kind:
    """A ledger: its name, the type of its rows, and for every type of facts the fold that adds them."""

    name: str
    row: np.dtype[np.void]
    folds: Mapping[np.dtype[np.void], Callable[[Table, Rows], Rows]]

    def replay(self, table: Table, entry: bytes) -> None:
        """Add the facts of a log entry."""
        for fact, fold in self.folds.items():
            if holds(entry, fact):
                fold(table, unpack(entry, fact))
                return
        unpack(entry, self.row)


_live: dict[tuple[str, int], tuple[bytes, Table]] = {}


def observe(kind: Kind, shard: int, facts: Rows, version: Any, log: Any) -> Rows:
    """Add `facts`, in order of event time, to a shard's ledger; return what was known before each.

    `version` and `log` are the shard's states: a value of bytes and a bag of bytes.
    """
    held, table = _current(kind, shard, version, log)
    del _live[kind.name, shard]
    views = kind.folds[facts.dtype](table, facts)
    entry = pack(facts)
    written = Version(held.sequence + 1, os.urandom(8), held.facts_bytes + len(entry), held.table_bytes)
    compact = written.facts_bytes >= max(COMPACT_BYTES, held.table_bytes)
    if compact:
        log.clear()
        entry = pack(table.filled)
        written = written._replace(facts_bytes=0, table_bytes=len(entry))
    log.add(_ENTRY.pack(written.sequence, compact) + entry)
    version.write(_VERSION.pack(*written))
    _live[kind.name, shard] = (written.token, table)
    return views


def known(kind: Kind, shard: int, version: Any, log: Any) -> Table:
    """Return a shard's ledger, to be read only; an empty one if nothing was ever added."""
    return _current(kind, shard, version, log)[1]


def _current(kind: Kind, shard: int, version: Any, log: Any) -> tuple[Version, Table]:
    stored = version.read()
    held = Version(*_VERSION.unpack(stored)) if stored else Version(0, b"", 0, 0)
    token, table = _live.get((kind.name, shard), (None, None))
    if table is None or token != held.token:
        table = rebuilt(kind, log.read(), held.sequence) if stored else Table.empty(kind.row)
        _live[kind.name, shard] = (held.token, table)
    return held, table


def rebuilt(kind: Kind, log: Iterable[bytes], sequence: int) -> Table:
    """Return the table that `log` describes up to `sequence`.

    Raises:
        ValueError: an entry is missing.

    """
    entries = sorted((*_ENTRY.unpack_from(entry), entry) for entry in log)
    table, expected = Table.empty(kind.row), 1
    for number, is_snapshot, entry in entries:
        body = entry[_ENTRY.size :]
        if is_snapshot:
            table = Table.of(unpack(body, kind.row))
        elif number == expected:
            kind.replay(table, body)
        else:
            raise ValueError(f"the {kind.name} log lacks entry {expected}; restore an earlier checkpoint")
        expected = number + 1
    if expected != sequence + 1:
        raise ValueError(f"the {kind.name} log ends before entry {sequence}; restore an earlier checkpoint")
    return table
