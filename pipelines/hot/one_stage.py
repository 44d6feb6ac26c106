"""The hot path as one stage, for jobs that spread nothing: of one shard, in process or one subtask on Flink.

Apart, a payment is packed, sent and unpacked between stages, and waits for each one's bundle and states. Here
the same functions follow one another over the same rows: decode, payers, accounts, dissuade. In process the
ledgers are in memory; on Flink they are state of Beam, and the stage reads by itself, in firings of a timer.
"""

import os
import weakref
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
from pipelines.hot.decode import Decode, Gathered
from pipelines.hot.dissuade import Dissuade
from pipelines.hot.payers import Payers
from pipelines.hot.stage import Output
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.keyed_source import ReadByTimer
from pipelines.kafka.reading.marks import Mark
from pipelines.process import PROCESS
from pipelines.state.identity import Identity
from pipelines.state.memory import Memory
from pipelines.state.store import BeamStore, Store
from schemas.warning import Warning

#: The ledgers of all stages.
LEDGERS = (*Payers.ledgers, *Accounts.ledgers, *Dissuade.ledgers)


class HotPath(NamedTuple):
    """The stages of the hot path, in order."""

    decode: Decode
    payers: Payers
    accounts: Accounts
    dissuade: Dissuade

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
            side = Side(seen.transfer, seen.value, seen.payer, np.zeros(len(seen.value), np.uint16))
            outputs = self.accounts.decided(side, side, seen.passing, given.received_us, store)
            yield from under_way
            under_way = outputs
        yield from under_way
        for alarm in self.payers.alarms(store):
            yield Output("alarms", alarm, given.received_us)


class InMemoryFn(beam.DoFn):  # type: ignore[misc]
    """Decide chunks, a bundle at a time, by ledgers in this process's memory; outputs as of `OneStageFn`.

    Functions of Beam come and go with idle times; the ledgers stay as long as the pipeline that was applied.
    """

    def __init__(self, path: HotPath) -> None:
        self._path = path
        self._whose = os.urandom(8)
        weakref.finalize(self, PROCESS.forget, "memory", self._whose)

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._path.accounts.setup()

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
        memory = PROCESS.shared("memory", self._whose, Memory)
        memory.begin()
        yield from tagged(self._path.decided(given, memory))
        memory.save()


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
        store = BeamStore(self._of)
        logs = (payers, other_payers), (accounts, other_accounts), (taint, other_taint), (heard, other_heard)
        store.open(0, stored, dict(zip(LEDGERS, logs, strict=True)))
        yield from tagged(self._path.decided(given, store))
        store.save()
        ahead.result()

    def finish_bundle(self) -> None:
        """Rest if there was nothing to read."""
        self._reader.finish_bundle()
