"""Beam's value and bag state of one key, with bundles that commit or fail."""

import copy
from typing import Self

import numpy as np

from models.ledgers.ledger import Ledger
from pipelines.hot.stage import Output, Passage, Stage
from pipelines.state.shard_state import Tables
from pipelines.state.shards import Block
from pipelines.state.store import BeamStore, Received


class Value:
    def __init__(self) -> None:
        self.value: bytes | None = None

    def read(self) -> bytes | None:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


class Bag:
    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.written = 0

    def read(self) -> list[bytes]:
        return list(self.items)

    def add(self, item: bytes) -> None:
        self.items.append(item)
        self.written += len(item)

    def clear(self) -> None:
        self.items.clear()


class Shard:
    """One shard's state: `head` of a stage, `version` of a ledger without one, the two bags of its log.

    `with shard.bundle():` commits; an exception inside takes everything back.
    """

    def __init__(self) -> None:
        self.head, self.version, self.logs = Value(), Value(), (Bag(), Bag())

    def bundle(self) -> "Bundle":
        return Bundle(self)

    def copy(self) -> Self:
        return copy.deepcopy(self)


class Shards:
    """The states of a stage's shards, for stages run by hand."""

    def __init__(self, stage: Stage, shards: int = 1) -> None:
        self.stage, self.tables = stage, Tables()
        self.states = {
            shard: (Value(), {ledger: (Bag(), Bag()) for ledger in stage.ledgers}) for shard in range(shards)
        }

    def run(self, *blocks: Block, failing: bool = False) -> list[Output]:
        """Take blocks through the stage as a bundle; return what it emits. A failing one takes all back."""
        before = copy.deepcopy(self.states) if failing else {}
        store = BeamStore(self.tables)
        for shard, (head, logs) in self.states.items():
            store.open(shard, head, logs)
        passage = Passage(self.stage, store)
        sent = [output for block in blocks for output in passage.add(Received(*block, 0))]
        sent += passage.rest()
        store.save()
        if failing:
            self.states = before
        return sent

    def rows(self, ledger: Ledger) -> np.ndarray:
        """The rows of a ledger, of all shards."""
        tables = []
        for shard, (head, logs) in self.states.items():
            store = BeamStore(Tables())
            store.open(shard, head, logs)
            tables.append(store.known(ledger, shard).filled)
        return np.concatenate(tables)


class Bundle:
    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def __enter__(self) -> Shard:
        self._before = self._shard.copy()
        return self._shard

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            self._shard.__dict__.update(self._before.__dict__)


def assert_close(one: np.ndarray, other: np.ndarray) -> None:
    """Compare rows column by column, as exactly as their columns are kept."""
    for name in one.dtype.names or ():
        most = 1e-6 if one.dtype[name].base == np.float32 else 1e-9
        np.testing.assert_allclose(one[name], other[name], rtol=most, atol=most, err_msg=name)
