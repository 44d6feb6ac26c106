"""Log-structured state of a shard: what is stored is what changed, what is used is a live table.

Beam state holds `version` (how far the log goes, in the shard's `Head`) and the log: a snapshot of the table
and the facts added since. The live table stays in the process and is used only while its version equals the
stored one; a failed bundle, a restore or a move to another worker makes them differ, and the table is
rebuilt from the log. Works on every runner that has value and bag state.

Once the facts weigh half as much as the table, which is what a snapshot weighs compressed, the next one is
written, a slice with every addition of facts: at once, that of 100,000 accounts stops a job for a second.
Until it is whole the log before is kept, so there are two bags; they take turns.
"""

import os
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from models.ledgers.ledger import Keep, Ledger
from models.ledgers.table import Table
from pipelines.state.evolve import pack, unpack
from pipelines.telemetry import TELEMETRY
from schemas.errors import StateError
from schemas.rows import Rows

#: Logs shorter than this are not worth replacing.
COMPACT_BYTES = 1 << 20

#: Least bytes of a snapshot, before compression, that are written with one addition of facts.
SLICE_BYTES = 1 << 20

#: Takes 2 ms a megabyte and leaves 0.43 of snapshots; of facts 0.82, so they are stored as they are.
_CODEC = pa.Codec("lz4_raw")

_VERSION = struct.Struct("<q8sqqqqq")

#: The sequence of an entry, the place of its first row in the snapshot (`_FACTS` if it adds facts), and its
#: bytes before compression. A checksum of all that follows it stands before.
_ENTRY = struct.Struct("<qqq")
_CHECKSUM = struct.Struct("<Q")
_FACTS = -1

#: The place of an entry that forgets rows; its bytes are the time before which they were seen last.
_FORGET = -2
_BEFORE = struct.Struct("<q")

#: The two bags a log is kept in.
Logs = tuple[Any, Any]


class Version(NamedTuple):
    """How far a shard's log goes.

    `token` is unique to the write, so two tables of the same sequence are never taken for each other.

    Attributes:
        sequence: additions of facts so far.
        token: random bytes.
        snapshots: whole ones so far; the log is in the bag of that number, odd or even.
        rows: rows of the last one.
        facts_bytes: facts since.
        next_rows: rows of the one being written to the other bag, 0 while there is none.
        next_written: those of them written.

    """

    sequence: int = 0
    token: bytes = b""
    snapshots: int = 0
    rows: int = 0
    facts_bytes: int = 0
    next_rows: int = 0
    next_written: int = 0


class Head:
    """Small values of a shard stored as one: read when a bundle first brings the shard, written at its end.

    On Flink a worker waits for every value it reads.
    """

    def __init__(self, state: Any) -> None:
        stored = state.read()
        self._state = state
        self._values = msgspec.msgpack.decode(checked(stored), type=dict[str, bytes]) if stored else {}
        self._saved = dict(self._values)

    def value(self, name: str) -> "HeadValue":
        """Return one of the values, with the methods of a value state."""
        return HeadValue(self._values, name)

    def save(self) -> None:
        """Write the values if they changed."""
        if self._values != self._saved:
            self._state.write(sealed(msgspec.msgpack.encode(self._values)))
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


class Tables:
    """The live tables of a job's shards in this process, each with the token of the version it is of."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, int], tuple[bytes, Table]] = {}
        self._verified: dict[tuple[str, int], bytes] = {}

    def observe(  # noqa: PLR0917 - a shard's states and what is added to them
        self,
        ledger: Ledger,
        shard: int,
        parts: Sequence[Rows],
        version: Any,
        logs: Logs,
        keep: Keep | None = None,
    ) -> Rows:
        """Add facts, each part of one kind and in order of event time, to a shard's ledger.

        Returns what was known before each of the ledger's main kind. `version` and `logs` are the shard's
        states: a value of bytes and two bags of bytes. Rows beyond what `keep` says are forgotten, those seen
        longest ago first; that is an entry of the log, so a rebuilt table has forgotten the same.
        """
        held, table = self._current(ledger, shard, version, logs)
        del self.live[ledger.name, shard]
        table.most = keep.rows if keep else 0
        views = added(ledger, table, parts)
        written = _logged(ledger, held, parts, table, logs, keep)
        version.write(_VERSION.pack(*written))
        self.live[ledger.name, shard] = (written.token, table)
        return views

    def known(self, ledger: Ledger, shard: int, version: Any, logs: Logs) -> Table:
        """Return a shard's ledger, to be read only; an empty one if nothing was ever added."""
        return self._current(ledger, shard, version, logs)[1]

    def verify(self, ledger: str, shard: int, version: Any, logs: Logs) -> None:
        """Look at every entry of a log that there is no table of and that was not looked at.

        So damage is found at the first bundle after a restore, also in a ledger that is seldom asked for, and
        no checkpoint of a job that has read messages holds it.

        Raises:
            StateError: an entry is damaged.

        """
        stored = version.read()
        if stored is None:
            return
        token = Version(*_VERSION.unpack(stored)).token
        if token in {self.live.get((ledger, shard), (b"",))[0], self._verified.get((ledger, shard))}:
            return
        for log in logs:
            for entry in log.read():
                checked(entry)
        self._verified[ledger, shard] = token

    def _current(self, ledger: Ledger, shard: int, version: Any, logs: Logs) -> tuple[Version, Table]:
        stored = version.read()
        held = Version(*_VERSION.unpack(stored)) if stored else Version()
        token, table = self.live.get((ledger.name, shard), (None, None))
        if table is None or token != held.token:
            table = rebuilt(ledger, logs, held) if stored else _unbegun(ledger, logs)
            self.live[ledger.name, shard] = (held.token, table)
        return held, table


def _logged(  # noqa: PLR0917 - what a ledger and its log are made of
    ledger: Ledger, held: Version, parts: Sequence[Rows], table: Table, logs: Logs, keep: Keep | None
) -> Version:
    """Add facts, which `table` holds, to the log, and a slice to the next snapshot if one is due."""
    log, other = (logs[(held.snapshots + turn) % 2] for turn in (0, 1))
    packed = pack(*parts)
    entry = sealed(_ENTRY.pack(held.sequence + 1, _FACTS, len(packed)), packed)
    log.add(entry)
    now = held._replace(
        sequence=held.sequence + 1, token=os.urandom(8), facts_bytes=held.facts_bytes + len(entry)
    )
    due = now.facts_bytes >= max(COMPACT_BYTES, held.rows * table.rows.itemsize // 2)
    if keep and not held.next_rows and (due or table.used > keep.rows):
        before_us = forgotten(ledger, table, keep)
        if before_us is not None:
            packed = _BEFORE.pack(before_us)
            log.add(sealed(_ENTRY.pack(now.sequence + 1, _FORGET, len(packed)), packed))
            now = now._replace(sequence=now.sequence + 1)
    if held.next_rows:
        other.add(entry)
    elif due:
        now = now._replace(next_rows=table.used, facts_bytes=0)
    else:
        return now
    part = max(SLICE_BYTES, 4 * len(entry)) // table.rows.itemsize
    end = min(now.next_written + max(part, 1), now.next_rows)
    packed = pack(table.rows[now.next_written : end])
    head = _ENTRY.pack(now.sequence, now.next_written, len(packed))
    other.add(sealed(head, _CODEC.compress(packed, asbytes=True)))
    if end < now.next_rows:
        return now._replace(next_written=end)
    log.clear()
    return now._replace(snapshots=now.snapshots + 1, rows=end, next_rows=0, next_written=0)


def added(ledger: Ledger, table: Table, parts: Sequence[Rows], *order: NDArray[np.int64]) -> Rows:
    """Add facts to a table and count those that came late; see `Ledger`."""
    late = table.late
    views: Rows = ledger.fold(table, parts, *order)
    if table.late > late:
        TELEMETRY.count("late", table.late - late)
    return views


def forgotten(ledger: Ledger, table: Table, keep: Keep) -> int | None:
    """Forget what a table is not to keep and count it; see `Ledger.forget`."""
    used = table.used
    before_us = ledger.forget(table, keep)
    if before_us is not None:
        TELEMETRY.count("forgotten", used - table.used)
    return before_us


def rebuilt(ledger: Ledger, logs: Logs, version: Version) -> Table:
    """Return the table that `logs` describe up to `version`, its rows in the order they had.

    A slice holds its rows as they were after the facts of its sequence. So all are put in place first, which
    gives the order; then facts are added, and what they make of rows whose slice is later is replaced by it.

    Raises:
        StateError: an entry is missing or damaged, or another release wrote it.

    """
    table = Table.empty(ledger.row)
    entries = sorted(map(_read, logs[version.snapshots % 2].read()))
    slices = [entry for entry in entries if entry.place >= 0]
    for entry in slices:
        if entry.place == table.used:
            table.put(*unpack(entry.packed, ledger.row))
    began = slices[0].sequence if slices else 0
    facts = [entry.sequence for entry in entries if entry.place < 0]
    if table.used != version.rows or facts != list(range(began + 1, version.sequence + 1)):
        raise StateError(
            f"the {ledger.name} log lacks an entry up to {version.sequence}; restore an earlier checkpoint"
        )
    for entry in entries:
        if entry.place == _FACTS:
            ledger.fold(table, list(unpack(entry.packed, *ledger.facts)))
        elif entry.place == _FORGET:
            ledger.drop(table, *_BEFORE.unpack(entry.packed))
        else:
            table.put(*unpack(entry.packed, ledger.row))
    return table


def _unbegun(ledger: Ledger, logs: Logs) -> Table:
    """Return the table of a ledger without a version.

    Raises:
        StateError: it has a log, so the version is lost.

    """
    if any(entry for log in logs for entry in log.read()):
        raise StateError(f"the {ledger.name} log has no head; restore an earlier checkpoint")
    return Table.empty(ledger.row)


class _Entry(NamedTuple):
    """An entry as `_ENTRY` describes it, its rows unpacked from compression; in order of the log."""

    sequence: int
    place: int
    packed: bytes


def sealed(*parts: bytes) -> bytes:
    """Return bytes for state with a checksum before them."""
    whole = b"".join(parts)
    return _CHECKSUM.pack(xxhash.xxh3_64_intdigest(whole)) + whole


def checked(stored: bytes) -> bytes:
    """Return what `sealed` was given.

    Raises:
        StateError: a bit of it is another.

    """
    whole = stored[_CHECKSUM.size :]
    if len(stored) < _CHECKSUM.size or _CHECKSUM.unpack_from(stored)[0] != xxhash.xxh3_64_intdigest(whole):
        raise StateError(
            "an entry of the state is damaged, its checksum differs; restore an earlier checkpoint"
        )
    return whole


def _read(stored: bytes) -> _Entry:
    whole = checked(stored)
    sequence, place, size = _ENTRY.unpack_from(whole)
    packed = whole[_ENTRY.size :]
    if place >= 0:
        packed = _CODEC.decompress(packed, size, asbytes=True)
    return _Entry(sequence, place, packed)
