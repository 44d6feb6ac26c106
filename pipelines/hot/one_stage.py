"""The hot path as one stage, for jobs that spread nothing: of one shard, in process or one subtask on Flink.

Apart, a payment is packed, sent and unpacked between stages, and waits for each one's bundle and states. Here
the same functions follow one another over the same rows: decode, payers, accounts, dissuade. In process the
ledgers are in memory; on Flink they are state of Beam, and the stage reads by itself, in firings of a timer.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam import coders, pvalue
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer

from pipelines.hot.accounts import Accounts, Side
from pipelines.hot.apart import tagged
from pipelines.hot.decision_log.payments import Logged, payments, said
from pipelines.hot.decode import Decode, Gathered
from pipelines.hot.dissuade import Dissuade
from pipelines.hot.payers import Payers, Seen
from pipelines.hot.stage import Output
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.keyed_source import ReadByTimer
from pipelines.kafka.reading.marks import Mark
from pipelines.process import PROCESS, Owner
from pipelines.state.identity import Identity
from pipelines.state.memory import Memory
from pipelines.state.shard_state import Tables
from pipelines.state.store import BeamStore, Store
from schemas.rows.transfers import TRANSFER
from schemas.warning import Warning

_LOGGER = logging.getLogger(__name__)

#: The ledgers of all stages.
LEDGERS = (*Payers.ledgers, *Accounts.ledgers, *Dissuade.ledgers)


class HotPath(NamedTuple):
    """The stages of the hot path, in order, and what ledgers that hold nothing are refilled with first."""

    decode: Decode
    payers: Payers
    accounts: Accounts
    dissuade: Dissuade
    logged: Logged | None = None

    def refill(self, store: Store) -> None:
        """Add what was logged to the ledgers."""
        if self.logged is None:
            return
        count, first_us, last_us = 0, 0, 0
        for rows in payments(self.logged, self.payers.days):
            for seen in self.payers.seen({TRANSFER: [(0, rows)]}, store):
                self.accounts.remember(_side(seen), store)
            if len(rows):
                count, first_us, last_us = count + len(rows), first_us or rows["at_us"][0], rows["at_us"][-1]
        _LOGGER.warning(said(count, int(first_us), int(last_us)))

    def decided(self, given: Gathered, store: Store) -> Iterator[Output]:
        """Take what a bundle held through payers, accounts and dissuade; the states of all are in one store.

        Payments are decided while the next are added to the ledgers.
        """
        asked: list[Warning] = []
        for output in self._decided(given, store):
            if output.tag == "asked":
                asked += output.element
            else:
                yield output
        if asked:
            yield from self.dissuade.sent({0: asked}, given.received_us, store)

    def _decided(self, given: Gathered, store: Store) -> Iterator[Output]:
        under_way: Iterator[Output] = iter(())
        for seen in self.payers.seen(given.parts, store):
            side = _side(seen)
            outputs = self.accounts.decided(side, side, seen.passing, given.received_us, store)
            yield from under_way
            under_way = outputs
        yield from under_way
        for alarm in self.payers.alarms(store):
            yield Output("alarms", alarm, given.received_us)


def _side(seen: Seen) -> Side:
    return Side(seen.transfer, seen.value, seen.payer, np.zeros(len(seen.value), np.uint16))


class InMemoryFn(beam.DoFn):  # type: ignore[misc]
    """Decide chunks, a bundle at a time, by ledgers in this process's memory; outputs as of `OneStageFn`.

    Functions of Beam come and go with idle times; the ledgers stay as long as the pipeline that was applied.
    """

    def __init__(self, path: HotPath) -> None:
        self._path = path
        self._owner = Owner()

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._path.accounts.setup()
        self._memory()

    def start_bundle(self) -> None:
        """Start without chunks; those of the bundle before have come through."""
        self._path.decode.settled()
        self._begun: list[Future[Any]] = []

    def process(self, chunk: Chunk) -> None:
        """Begin with one chunk."""
        self._begun.append(self._path.decode.begin(chunk))

    def finish_bundle(self) -> Iterator[Any]:
        """Take all there is through the stages."""
        given = self._path.decode.gathered(self._begun)
        yield from tagged(given.letters)
        memory = self._memory()
        memory.begin()
        yield from tagged(self._path.decided(given, memory))
        memory.save()

    def _memory(self) -> Memory:
        def refilled() -> Memory:
            memory = Memory()
            self._path.refill(memory)
            return memory

        return self._owner.shared("memory", refilled)


class OneStageFn(beam.DoFn):  # type: ignore[misc]
    """Read and decide a key's partitions each time its timer fires; the ledgers have one shard, number 0.

    Outputs, each on its tag: records of `alerts` (and alarms), `alarms`, `warnings`, `traces` and
    `dead_letters`; `decisions`, blocks for the decision log; `reached`, where reading stands.
    """

    POSITIONS = ReadByTimer.POSITIONS
    AGAIN = TimerSpec("again", TimeDomain.WATERMARK)
    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    PAYERS, OTHER_PAYERS, ACCOUNTS, OTHER_ACCOUNTS, TAINT, OTHER_TAINT, HEARD, OTHER_HEARD = (
        BagStateSpec(name, coders.BytesCoder()) for ledger in LEDGERS for name in (ledger, f"other_{ledger}")
    )

    def __init__(self, reader: ReadByTimer, path: HotPath, of: Identity | None = None) -> None:
        self._reader = reader
        self._path = path
        self._of = of
        self._owner = Owner()

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._reader.setup()
        self._path.accounts.setup()

    def start_bundle(self) -> None:
        """Begin without having read."""
        self._reader.start_bundle()

    def process(
        self,
        dealt: tuple[str, Mark],
        positions: Any = beam.DoFn.StateParam(POSITIONS),
        again: Any = beam.DoFn.TimerParam(AGAIN),
    ) -> None:
        """Take the partitions."""
        self._reader.process(dealt, positions, again)

    @on_timer(AGAIN)  # type: ignore[untyped-decorator]
    def fire(  # noqa: PLR0917 - Beam hands over every state by itself
        self,
        positions: Any = beam.DoFn.StateParam(POSITIONS),
        again: Any = beam.DoFn.TimerParam(AGAIN),
        stored: Any = beam.DoFn.StateParam(HEAD),
        payers: Any = beam.DoFn.StateParam(PAYERS),
        other_payers: Any = beam.DoFn.StateParam(OTHER_PAYERS),
        accounts: Any = beam.DoFn.StateParam(ACCOUNTS),
        other_accounts: Any = beam.DoFn.StateParam(OTHER_ACCOUNTS),
        taint: Any = beam.DoFn.StateParam(TAINT),
        other_taint: Any = beam.DoFn.StateParam(OTHER_TAINT),
        heard: Any = beam.DoFn.StateParam(HEARD),
        other_heard: Any = beam.DoFn.StateParam(OTHER_HEARD),
    ) -> Iterator[Any]:
        """Take what there is through all stages."""
        decode = self._path.decode
        decode.settled()
        begun = []
        for read in self._reader.read(positions, again):
            if isinstance(read, pvalue.TaggedOutput):
                yield read
            else:
                begun.append(decode.begin(read.value))
        if not begun:
            return
        given = decode.gathered(begun)
        yield from tagged(given.letters)
        ahead = PROCESS.threads("ahead").submit(self._reader.look_ahead, decode.ahead)
        store = BeamStore(self._owner.shared("tables", Tables), self._of)
        logs = (payers, other_payers), (accounts, other_accounts), (taint, other_taint), (heard, other_heard)
        store.open(0, stored, dict(zip(LEDGERS, logs, strict=True)))
        if not store.began(self._path.payers.ledger, 0):
            self._path.refill(store)
        yield from tagged(self._path.decided(given, store))
        store.save()
        ahead.result()

    def finish_bundle(self) -> None:
        """Rest if there was nothing to read."""
        self._reader.finish_bundle()
