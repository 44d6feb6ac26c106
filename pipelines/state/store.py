"""States of the shards a bundle brought, as the stages of the hot path use them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.ledgers.ledger import Keep, Ledger
from models.ledgers.table import Table
from pipelines.state.identity import Identity
from pipelines.state.shard_state import Head, HeadValue, Logs, Tables
from pipelines.state.shards import Shards, concatenated, holds, unbound, unpack
from schemas.rows import Rows

T = TypeVar("T")

#: Facts by shard: parts, each of one kind.
FactsByShard = dict[int, list[Rows]]

#: Rows by kind, in parts of one shard each.
Parts = dict[np.dtype[np.void], list[tuple[int, Rows]]]


class Received(NamedTuple):
    """A block of rows of a shard, and the Kafka time it was received at, microseconds UTC."""

    shard: int
    block: bytes
    received_us: int


class Forgot(NamedTuple):
    """So many rows that a shard's ledger forgot, and the newest time it knows, microseconds UTC."""

    ledger: str
    shard: int
    rows: int
    at_us: int


class Store(ABC):
    """Of each shard small values and ledgers, as a bundle's stages use them."""

    def __init__(self) -> None:
        self._once: dict[str, Any] = {}
        self._forgotten: list[Forgot] = []

    @abstractmethod
    def known(self, ledger: Ledger, shard: int) -> Table:
        """Return a shard's ledger, to be read only."""

    @abstractmethod
    def began(self, ledger: Ledger, shard: int) -> bool:
        """Tell whether anything was ever added to a shard's ledger."""

    @abstractmethod
    def add(self, ledger: Ledger, shard: int, *parts: Rows, keep: Keep | None = None) -> Rows:
        """Add facts to a shard's ledger; return what was known before each of its main kind."""

    @abstractmethod
    def observe(
        self,
        ledger: Ledger,
        shard: Shards,
        facts: Rows,
        order: NDArray[np.int64],
        others: FactsByShard,
        *,
        keep: Keep | None = None,
    ) -> Rows:
        """Add facts of the main kind in `order`, and others; return what was known before each of those."""

    @abstractmethod
    def object(
        self, shard: int, name: str, load: Callable[[bytes | None], T], dump: Callable[[Any], bytes]
    ) -> T:
        """Return what `load` makes of a stored value, the same all through the bundle; `dump` stores it."""

    def once(self, name: str, load: Callable[[], T]) -> T:
        """Return what `load` gave when it was first asked for in the bundle."""
        if name not in self._once:
            self._once[name] = load()
        found: T = self._once[name]
        return found

    def note_forgotten(self, ledger: Ledger, shard: int, table: Table) -> None:
        """Note what a table forgot since this was last done."""
        if table.forgotten:
            newest_us = int(table.filled["last_us"].max())
            self._forgotten.append(Forgot(ledger.name, shard, table.forgotten, newest_us))
            table.forgotten = 0

    def forgotten(self) -> list[Forgot]:
        """Return what ledgers forgot since this was last asked for."""
        found, self._forgotten = self._forgotten, []
        return found

    @abstractmethod
    def save(self) -> None:
        """End the bundle."""


class BeamStore(Store):
    """Keeps ledgers as logs, and small values, which are written at the end of the bundle, in Beam's state.

    A state of Beam that is held stays good for its key as long as the bundle.
    """

    def __init__(self, tables: Tables, of: Identity | None = None) -> None:
        """`of` is what the states are to be of; they say so from then on, and others are refused."""
        super().__init__()
        self._tables = tables
        self._of = of
        self._heads: dict[int, Head] = {}
        self._logs: dict[tuple[str, int], Logs] = {}
        self._objects: dict[tuple[str, int], tuple[Any, Callable[[Any], bytes]]] = {}

    def open(self, shard: int, head: Any, logs: Mapping[str, Logs]) -> None:
        """Take a shard's states, a value of bytes and of each ledger two bags; the head is read now.

        Raises:
            StateError: the states are damaged, or of something else.

        """
        if shard not in self._heads:
            self._heads[shard] = Head(head)
            self._logs |= {(ledger, shard): bags for ledger, bags in logs.items()}
            if self._of is not None:
                _require(self._of, self._heads[shard].value("of"))
                for ledger, bags in logs.items():
                    self._tables.verify(ledger, shard, self._heads[shard].value(ledger), bags)

    def known(self, ledger: Ledger, shard: int) -> Table:  # noqa: D102
        return self._tables.known(ledger, shard, *self._states(ledger, shard))

    def began(self, ledger: Ledger, shard: int) -> bool:  # noqa: D102
        return self._heads[shard].value(ledger.name).read() is not None

    def add(self, ledger: Ledger, shard: int, *parts: Rows, keep: Keep | None = None) -> Rows:  # noqa: D102
        states = self._states(ledger, shard)
        views = self._tables.observe(ledger, shard, parts, *states, keep)
        if keep is not None:
            self.note_forgotten(ledger, shard, self._tables.known(ledger, shard, *states))
        return views

    def observe(  # noqa: D102
        self,
        ledger: Ledger,
        shard: Shards,
        facts: Rows,
        order: NDArray[np.int64],
        others: FactsByShard,
        *,
        keep: Keep | None = None,
    ) -> Rows:
        order = order[np.argsort(shard[order], kind="stable")]
        ordered = facts.take(order)
        views, left = [], dict(others)
        for number, part in runs(shard[order]):
            views.append(self.add(ledger, number, ordered[part], *left.pop(number, ()), keep=keep))
        for number, parts in left.items():
            self.add(ledger, number, *parts, keep=keep)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return concatenated(views, ledger.view).take(places)

    def object(  # noqa: D102
        self, shard: int, name: str, load: Callable[[bytes | None], T], dump: Callable[[Any], bytes]
    ) -> T:
        if (name, shard) not in self._objects:
            self._objects[name, shard] = load(self._heads[shard].value(name).read()), dump
        found: T = self._objects[name, shard][0]
        return found

    def save(self) -> None:
        """Write the small values."""
        for (name, shard), (kept, dump) in self._objects.items():
            if kept is not None:
                self._heads[shard].value(name).write(dump(kept))
        for head in self._heads.values():
            head.save()

    def _states(self, ledger: Ledger, shard: int) -> tuple[HeadValue, Logs]:
        return self._heads[shard].value(ledger.name), self._logs[ledger.name, shard]


def _require(of: Identity, stored: HeadValue) -> None:
    was, now = stored.read(), of.encoded
    if was != now:
        of.check(was or b"null", "the state of this job")
        stored.write(now)


class InTime:
    """Facts by shard that are handed out as event time goes on."""

    def __init__(self, facts: FactsByShard) -> None:
        self._left = {
            shard: [part.take(np.argsort(part["at_us"], kind="stable")) for part in parts]
            for shard, parts in facts.items()
        }

    def until(self, at_us: int | None) -> FactsByShard:
        """Return what is left of a time or before, everything for None."""
        found: FactsByShard = {}
        for shard, parts in self._left.items():
            ends = [
                len(part) if at_us is None else part["at_us"].searchsorted(at_us, "right") for part in parts
            ]
            if any(ends):
                found[shard] = [part[:end] for part, end in zip(parts, ends, strict=True) if end]
                self._left[shard] = [part[end:] for part, end in zip(parts, ends, strict=True)]
        return found


def sorted_out(batch: Sequence[Received], kinds: Sequence[np.dtype[np.void]]) -> Parts:
    """Return the rows of a batch by kind, as parts in order of their shards.

    Raises:
        ValueError: a block holds rows of another kind; they are of another release.

    """
    found: Parts = {}
    for received in sorted(batch, key=_shard):
        for packed in unbound(received.block):
            kind = next((kind for kind in kinds if holds(packed, kind)), kinds[0])
            found.setdefault(kind, []).append((received.shard, unpack(packed, kind)))
    return found


def facts_of(parts: Parts, kinds: Sequence[np.dtype[np.void]]) -> FactsByShard:
    """Return the facts of some kinds, of each shard one part a kind, in order of arrival."""
    found: FactsByShard = {}
    for kind in kinds:
        of_kind: FactsByShard = {}
        for shard, rows in parts.get(kind, ()):
            of_kind.setdefault(shard, []).append(rows)
        for shard, some in of_kind.items():
            found.setdefault(shard, []).append(concatenated(some, kind))
    return found


_shard = attrgetter("shard")


def shards_of(parts: Sequence[tuple[int, Rows]]) -> Shards:
    """Return the shard of each row of parts."""
    return np.repeat(np.array([shard for shard, _ in parts], np.uint16), [len(rows) for _, rows in parts])


def runs(shard: Shards) -> Iterator[tuple[int, slice]]:
    """Yield each run of one shard, and where it is."""
    cuts = np.flatnonzero(np.diff(shard)) + 1
    for start, end in pairwise([0, *cuts.tolist(), len(shard)]):
        if end > start:
            yield int(shard[start]), slice(start, end)
