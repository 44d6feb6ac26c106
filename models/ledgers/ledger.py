"""Ledgers: what is known of every paying party and of every account, kept in a few hundred bytes each.

A ledger is a table of rows by token and the folds that change them, one for each kind of facts. Facts of the
main kind are asked about: each gets a view, what was known just *before* it. Stream and training use the same
folds, so a feature means the same in both.

**The order of events.** Facts of all kinds are added in one order of event time. At one instant what other
kinds state comes before what the main kind asks, in the order of the ledger's folds; facts of one kind keep
the order they are given in, which is that of their source: partition, offset, debit before credit.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ledgers.table import NEVER, Table
from schemas.rows import Rows
from schemas.rows.compiled import compiled, fetch, inlined
from schemas.units import MINUTE_US

Columns = Sequence[tuple[Any, ...]]
Places = NDArray[np.int64]

#: A fact this much older than the newest of its row is late: what was asked in between did not know it.
LATE_US = 10 * MINUTE_US

#: Of the rows of a ledger that is full so many are kept.
KEPT_SHARE = 0.8

#: The row of the fact so many places on is fetched; rows lie anywhere, and most of the time was waiting.
_AHEAD = 8


class Fold(NamedTuple):
    """How facts of one kind change a row, and what is shown of that.

    `add` and `show` are plain functions of single records that numba compiles into the ledger's loop.

    Attributes:
        fact: type of the facts; has `key`, a token in two words, and `at_us`.
        kept: columns of the ledger's rows; those named `…_us` begin as `NEVER`, all others as 0.
        add: `add(fact, row)`, or `add(fact, row, view)` of the main kind, which is shown before.
        shown: columns of the views.
        show: `show(fact, row, view)` fills them for a fact of the main kind.
        needed: `needed(rows, before_us)` tells which rows are kept though they were last seen before a time.

    """

    fact: np.dtype[np.void]
    kept: Columns
    add: Callable[..., None]
    shown: Columns = ()
    show: Callable[..., None] | None = None
    needed: Callable[[Rows, int], NDArray[np.bool_]] | None = None


class Keep(NamedTuple):
    """What a ledger keeps: most rows, and how long after they were seen last, microseconds."""

    rows: int
    age_us: int


@dataclass(frozen=True)
class Ledger:
    """A ledger: its name, the type of its rows, the kinds of facts it takes, and the fold that adds them.

    `fold(table, parts)` adds parts, each of one kind, and returns a view for each fact of the main kind, the
    first of `facts`. That of a ledger of `ledger_of` takes as a third the places of those in order of events,
    where they do not stand in it.
    """

    name: str
    row: np.dtype[np.void]
    facts: tuple[np.dtype[np.void], ...]
    view: np.dtype[np.void]
    fold: Callable[..., Rows]
    needed: tuple[Callable[[Rows, int], NDArray[np.bool_]], ...] = ()

    def forget(self, table: Table, keep: Keep) -> int | None:
        """Drop the rows seen longest ago, so many that a table that was full is not full again at once.

        Returns the time before which rows dropped were last seen, as `drop` takes it; None if none was.
        """
        if "last_us" not in (self.row.names or ()) or not table.used:
            return None
        seen_us = table.filled["last_us"]
        newest_us = int(seen_us.max())
        if newest_us == NEVER:
            return None
        before_us = newest_us - keep.age_us
        if table.used > keep.rows:
            first = table.used - int(keep.rows * KEPT_SHARE)
            before_us = max(before_us, int(np.partition(seen_us, first)[first]))
        full, dropped = table.used > keep.rows, self.drop(table, before_us)
        table.forgotten += dropped if full else 0
        return before_us if dropped else None

    def drop(self, table: Table, before_us: int) -> int:
        """Drop the rows last seen before a time, but those that are needed; returns how many."""
        rows = table.filled
        keep = rows["last_us"] >= before_us
        if keep.all():
            return 0
        for needed in self.needed:
            keep |= needed(rows, before_us)
        dropped = int(np.count_nonzero(~keep))
        if dropped:
            table.retain(keep)
        return dropped


@cache
def ledger_of(name: str, main: Fold, *others: Fold) -> Ledger:
    """Put a ledger together from the fold of its main kind, whose rows keep `last_us`, and others."""
    folds = (main, *others)
    row = np.dtype([("key", "u8", 2), *(column for fold in folds for column in fold.kept)])
    view = np.dtype([column for fold in folds for column in fold.shown])
    kinds = (*others, main)
    needed = tuple(fold.needed for fold in folds if fold.needed is not None)
    loop = _loop(name, kinds)

    def fold(table: Table, parts: Sequence[Rows], order: Places | None = None) -> Rows:
        given = [_together([part for part in parts if part.dtype == kind.fact], kind.fact) for kind in kinds]
        numbers = [np.arange(len(facts)) for facts in given]
        if order is not None:
            numbers[-1] = order
        located = [
            table.locate(facts["key"][places] if places is order else facts["key"])
            for facts, places in zip(given, numbers, strict=True)
        ]
        kind, number, places = _event_order(given, numbers, located)
        views = np.empty(len(given[-1]), view)
        table.late += loop(table.rows, places, kind, number, views, *given)
        return views

    return Ledger(name, row, tuple(each.fact for each in folds), view, fold, needed)


def _together(parts: Sequence[Rows], fact: np.dtype[np.void]) -> Rows:
    """Return parts as one that may be written to, so that the loop is compiled for one type of array."""
    if len(parts) == 1 and parts[0].flags.writeable and parts[0].flags.c_contiguous:
        return parts[0]
    return np.frombuffer(bytearray(b"".join(np.ascontiguousarray(part).data for part in parts)), fact)


def _event_order(
    given: Sequence[Rows], numbers: Sequence[Places], located: Sequence[Places]
) -> tuple[Places, Places, Places]:
    """Return of each fact, in order of events, its kind, its number within its kind and its row.

    `numbers` and `located` tell the last two of each kind, in its own order; the last kind is main.
    """
    sizes = [len(facts) for facts in given]
    if not any(sizes[:-1]):
        return np.full(sizes[-1], len(given) - 1), numbers[-1], located[-1]
    kind = np.repeat(np.arange(len(given)), sizes)
    at_us = [facts["at_us"][places] for facts, places in zip(given, numbers, strict=True)]
    order = np.argsort(np.concatenate(at_us), kind="stable")
    return kind[order], np.concatenate(numbers)[order], np.concatenate(located)[order]


def _loop(name: str, kinds: Sequence[Fold]) -> Callable[..., int]:
    """Compile what adds facts of several kinds, each where its turn comes; returns how many were late.

    Compiled code cannot take one function after the other from a sequence, so its text is put together. Its
    name tells what is kept of it on disk from what earlier sources gave.
    """
    main, called = len(kinds) - 1, {}
    steps = []
    for place, fold in enumerate(kinds):
        steps.append(f"        {'el' if place else ''}if kind[each] == {place}:")
        called[f"add_{place}"] = inlined(fold.add)
        if place < main:
            steps.append(f"            add_{place}(facts_{place}[number[each]], row)")
            continue
        steps.append(f"            fact, view = facts_{place}[number[each]], views[number[each]]")
        steps.append(f"            late += row.last_us > fact.at_us + {LATE_US}")
        for of, other in enumerate(kinds):
            if other.show is not None:
                called[f"show_{of}"] = inlined(other.show)
                steps.append(f"            show_{of}(fact, row, view)")
        steps.append(f"            add_{place}(fact, row, view)")
    sources = {Path(fold.add.__code__.co_filename) for fold in kinds} | set(
        Path(__file__).parent.glob("*.py")
    )
    stamp = zlib.crc32(b"".join(source.read_bytes() for source in sorted(sources)))
    known: dict[str, Any] = {**called, "__name__": __name__, "fetch": fetch}
    function = f"fold_{name}_{stamp:08x}"
    facts = ", ".join(f"facts_{place}" for place in range(len(kinds)))
    text = [
        f"def {function}(rows, places, kind, number, views, {facts}):",
        "    late = 0",
        "    for each in range(len(places)):",
        f"        if each + {_AHEAD} < len(places):",
        f"            fetch(rows, places[each + {_AHEAD}])",
        "        row = rows[places[each]]",
        *steps,
        "    return late",
    ]
    exec(compile("\n".join(text), __file__, "exec"), known)
    loop: Callable[..., int] = known[function]
    return compiled(loop)
