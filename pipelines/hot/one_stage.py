"""The hot path as one stage under one key, the source in it: for Flink, where a job has one subtask.

Between stages on Flink a payment waits for a bundle to close, is sent to the TaskManager and back, and
waits for the next stage's states. A job of one subtask spreads nothing, so here the same functions follow one
another in a firing of the source's timer: read, decode, payers, accounts, dissuade.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import coders, pvalue
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.hot.decode import DecodeFn, begun
from pipelines.hot.dissuade import DissuadeFn
from pipelines.hot.ledgers import AccountLedgerFn, PayerLedgerFn
from pipelines.kafka.reading.keyed_source import ReadByTimer
from pipelines.kafka.reading.marks import Mark
from pipelines.state.shard_state import Head

#: Takes and decodes what the next firing will read.
_AHEAD = ThreadPoolExecutor(1, "ahead")


class Stages(NamedTuple):
    """The functions of the hot path, in order."""

    decode: DecodeFn
    payers: PayerLedgerFn
    accounts: AccountLedgerFn
    dissuade: DissuadeFn


class OneStageFn(beam.DoFn):  # type: ignore[misc]
    """Read and decide a key's partitions each time its timer fires; the ledgers have one shard, number 0.

    Outputs: alerts and alarms as records to send; on `warnings`, `traces` and `dead_letters` other records;
    on `decisions` blocks for the decision log; on `reached` where reading stands.
    """

    POSITIONS = ReadByTimer.POSITIONS
    AGAIN = TimerSpec("again", TimeDomain.WATERMARK)
    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    PAYERS, OTHER_PAYERS, ACCOUNTS, OTHER_ACCOUNTS, TAINT, OTHER_TAINT, HEARD, OTHER_HEARD = (
        BagStateSpec(name, coders.BytesCoder())
        for ledger in ("payers", "accounts", "taint", "heard")
        for name in (ledger, f"other_{ledger}")
    )

    def __init__(self, reader: ReadByTimer, stages: Stages) -> None:
        self._reader = reader
        self._stages = stages

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._reader.setup()
        self._stages.accounts.setup()

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
        decode = self._stages.decode
        decode.start_bundle()
        idle = True
        for read in self._reader.read(positions, again):
            if isinstance(read, pvalue.TaggedOutput):
                yield read
            else:
                idle = False
                yield from decode.process(read.value)
        if idle:
            return
        head = Head(stored)
        payments: list[WindowedValue] = []
        for output in decode.finish_bundle():
            if isinstance(output, pvalue.TaggedOutput):
                yield output
            else:
                payments.append(output)
        ahead = _AHEAD.submit(self._reader.look_ahead, begun)
        legs = _through(self._stages.payers, payments, head.value("payers"), payers, other_payers)
        states = head.value("accounts"), accounts, other_accounts, taint, other_taint
        asked: list[WindowedValue] = []
        for output in _through(self._stages.accounts, legs, *states):
            if isinstance(output, pvalue.TaggedOutput) and output.tag == "warnings":
                asked.append(output.value)
            else:
                yield output
        for told in _through(self._stages.dissuade, asked, head.value("heard"), heard, other_heard):
            yield pvalue.TaggedOutput("warnings", told)
        head.save()
        ahead.result()

    def finish_bundle(self) -> None:
        """Rest if there was nothing to read."""
        self._reader.finish_bundle()


def _through(stage: Any, blocks: Iterable[WindowedValue], *states: Any) -> Iterator[Any]:
    """Take blocks through a stage as a bundle of their own."""
    stage.start_bundle()
    for block in blocks:
        yield from stage.process(block.value, *states, block.timestamp) or ()
    yield from stage.finish_bundle()
