"""Ledgers of a runner whose state is this process's memory: they are the state, and nothing is logged."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.ledgers.ledger import Keep, Ledger
from models.ledgers.table import Table
from pipelines.state.shard_state import COMPACT_BYTES, added, forgotten
from pipelines.state.shards import Shards
from pipelines.state.store import FactsByShard, Store
from schemas.errors import StateError
from schemas.rows import Rows

T = TypeVar("T")


class Memory(Store):
    """What a job's only shard holds, from one bundle to the next; goes with the process.

    `begin` and `save` stand around a bundle: after one that failed between them the ledgers hold a part of
    its facts, and no other may follow.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[str, Table] = {}
        self._objects: dict[str, Any] = {}
        self._facts_bytes: Counter[str] = Counter()
        self._begun = False

    def begin(self) -> None:
        """Begin a bundle.

        Raises:
            StateError: the one before failed.

        """
        if self._begun:
            raise StateError(
                "a bundle failed half way, and the ledgers are in memory only; start the job again"
            )
        self._begun = True

    def save(self) -> None:
        """End the bundle."""
        self._once.clear()
        self._begun = False

    def known(self, ledger: Ledger, shard: int) -> Table:  # noqa: D102
        return self._tables.get(ledger.name) or Table.empty(ledger.row)

    def began(self, ledger: Ledger, shard: int) -> bool:  # noqa: D102
        return ledger.name in self._tables

    def add(self, ledger: Ledger, shard: int, *parts: Rows, keep: Keep | None = None) -> Rows:  # noqa: D102
        return self._added(ledger, parts, (), keep)

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
        return self._added(ledger, [facts, *others.get(0, ())], (order,), keep)

    def object(  # noqa: D102
        self, shard: int, name: str, load: Callable[[bytes | None], T], dump: Callable[[Any], bytes]
    ) -> T:
        if name not in self._objects:
            self._objects[name] = load(None)
        found: T = self._objects[name]
        return found

    def _added(
        self,
        ledger: Ledger,
        parts: Sequence[Rows],
        order: tuple[NDArray[np.int64], ...],
        keep: Keep | None,
    ) -> Rows:
        if ledger.name not in self._tables:
            self._tables[ledger.name] = Table.empty(ledger.row)
        table = self._tables[ledger.name]
        table.most = keep.rows if keep else 0
        views = added(ledger, table, parts, *order)
        self._facts_bytes[ledger.name] += sum(part.nbytes for part in parts)
        due = self._facts_bytes[ledger.name] >= max(COMPACT_BYTES, table.filled.nbytes // 2)
        if keep and (due or table.used > keep.rows):
            forgotten(ledger, table, keep)
            self.note_forgotten(ledger, 0, table)
            self._facts_bytes[ledger.name] = 0
        return views
