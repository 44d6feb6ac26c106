"""What a stage of the hot path is: it takes a batch of blocks and a store, and returns what it emits.

Stages know neither Beam nor where states live. Two adapters run them: `apart`, each as a stateful function
of its own, and `one_stage`, one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from pipelines.state.store import Received, Store

#: Rows are put together up to about so much: with more a row takes no less time, and what can go on side by
#: side, the ledger of a batch and the decisions of the one before, waits longer for its turn.
BATCH_BYTES = 5_300_000


class Output(NamedTuple):
    """Something a stage emits, what it is, and the Kafka time of the earliest message that led to it."""

    tag: str
    element: Any
    received_us: int


class Stage(Protocol):
    """A stage; `take` returns at once when its ledgers are up to date, what it emits may still be worked on.

    Attributes:
        ledgers: names of its ledgers.
        waits: whether a bundle is taken as a whole, rather than in batches as it comes in.

    """

    ledgers: tuple[str, ...]
    waits: bool

    def setup(self) -> None:
        """Load what is needed, once per process."""

    def take(self, batch: Sequence[Received], store: Store) -> Iterator[Output]:
        """Add a batch to the ledgers; return what is emitted."""


class Passage:
    """A bundle's way through a stage; what a batch leads to is waited for while the next one is taken."""

    def __init__(self, stage: Stage, store: Store) -> None:
        self._stage = stage
        self._store = store
        self._batch: list[Received] = []
        self._bytes = 0
        self._under_way: Iterator[Output] = iter(())

    def add(self, received: Received) -> Iterator[Output]:
        """Take a block; yield what is ready."""
        self._batch.append(received)
        self._bytes += len(received.block)
        if not self._stage.waits and self._bytes >= BATCH_BYTES:
            yield from self._take()

    def rest(self) -> Iterator[Output]:
        """Take what waits; yield everything that is left."""
        yield from self._take()
        yield from self._under_way

    def _take(self) -> Iterator[Output]:
        batch, self._batch, self._bytes = self._batch, [], 0
        if batch:
            outputs = self._stage.take(batch, self._store)
            yield from self._under_way
            self._under_way = outputs
