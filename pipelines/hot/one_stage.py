"""The hot path as one stage under one key, the source in it: for Flink, where a job has one subtask.

Between stages on Flink a payment waits for a bundle to close, is sent to the TaskManager and back, and
waits for the next stage's states. A job of one subtask spreads nothing, so here the same functions follow one
another in a firing of the source's timer: read, decode, payers, accounts, dissuade.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import coders, pvalue
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer

from pipelines.hot.accounts import Accounts
from pipelines.hot.apart import tagged
from pipelines.hot.decode import Decode
from pipelines.hot.dissuade import Dissuade
from pipelines.hot.payers import Payers
from pipelines.hot.stage import Output, Passage, Stage
from pipelines.kafka.reading.keyed_source import ReadByTimer
from pipelines.kafka.reading.marks import Mark
from pipelines.process import PROCESS
from pipelines.state.identity import Identity
from pipelines.state.store import Received, Store

#: The ledgers of all stages.
LEDGERS = (*Payers.ledgers, *Accounts.ledgers, *Dissuade.ledgers)


class HotPath(NamedTuple):
    """The stages of the hot path, in order."""

    decode: Decode
    payers: Payers
    accounts: Accounts
    dissuade: Dissuade

    def decided(self, blocks: Iterable[Output], store: Store) -> Iterator[Output]:
        """Take decoded blocks through payers, accounts and dissuade; the states of all are in one store."""
        asked: list[Output] = []
        legs: list[Output] = []
        alarms: list[Output] = []
        for output in _through(self.payers, blocks, store):
            (legs if output.tag == "blocks" else alarms).append(output)
        yield from alarms
        for output in _through(self.accounts, legs, store):
            if output.tag == "asked":
                asked.append(output)
            else:
                yield output
        yield from _through(self.dissuade, asked, store)


def _through(stage: Stage, blocks: Iterable[Output], store: Store) -> Iterator[Output]:
    """Take blocks through a stage as a bundle of their own."""
    passage = Passage(stage, store)
    for block in blocks:
        shard, packed = block.element
        yield from passage.add(Received(shard, packed, block.received_us))
    yield from passage.rest()


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
        blocks = []
        for output in decode.finish(begun):
            if output.tag == "blocks":
                blocks.append(output)
            else:
                yield from tagged([output])
        ahead = PROCESS.threads("ahead").submit(self._reader.look_ahead, decode.ahead)
        store = Store(self._of)
        logs = (payers, other_payers), (accounts, other_accounts), (taint, other_taint), (heard, other_heard)
        store.open(0, stored, dict(zip(LEDGERS, logs, strict=True)))
        yield from tagged(self._path.decided(blocks, store))
        store.save()
        ahead.result()

    def finish_bundle(self) -> None:
        """Rest if there was nothing to read."""
        self._reader.finish_bundle()
