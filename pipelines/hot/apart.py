"""A stage of the hot path as a stateful function of Beam, keyed by shard: for scale-out."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import coders, pvalue
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec

from pipelines.hot.stage import Output, Passage, Stage
from pipelines.process import Owner
from pipelines.state.identity import Identity
from pipelines.state.shard_state import Tables
from pipelines.state.shards import Block, windowed
from pipelines.state.store import BeamStore, Received


class StageFn(beam.DoFn):  # type: ignore[misc]
    """Takes the blocks of a bundle through a stage that has at most two ledgers; every output has its tag."""

    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    LOG, OTHER_LOG, SECOND_LOG, OTHER_SECOND_LOG = (
        BagStateSpec(name, coders.BytesCoder())
        for name in ("log", "other_log", "second_log", "other_second_log")
    )

    def __init__(self, stage: Stage, of: Identity | None) -> None:
        self._stage = stage
        self._of = of
        self._owner = Owner()

    def setup(self) -> None:
        """Load what the stage needs, once per process."""
        self._stage.setup()

    def start_bundle(self) -> None:
        """Start without blocks."""
        self._store = BeamStore(self._owner.shared("tables", Tables), self._of)
        self._passage = Passage(self._stage, self._store)

    def process(  # noqa: PLR0917 - Beam hands over every state by itself
        self,
        block: Block,
        head: Any = beam.DoFn.StateParam(HEAD),
        log: Any = beam.DoFn.StateParam(LOG),
        other_log: Any = beam.DoFn.StateParam(OTHER_LOG),
        second_log: Any = beam.DoFn.StateParam(SECOND_LOG),
        other_second_log: Any = beam.DoFn.StateParam(OTHER_SECOND_LOG),
        received: Any = beam.DoFn.TimestampParam,
    ) -> Iterator[Any]:
        """Take one shard's block."""
        shard, packed = block
        logs = (log, other_log), (second_log, other_second_log)
        self._store.open(shard, head, dict(zip(self._stage.ledgers, logs, strict=False)))
        return tagged(self._passage.add(Received(shard, packed, received.micros)))

    def finish_bundle(self) -> Iterator[Any]:
        """Emit the rest."""
        yield from tagged(self._passage.rest())
        self._store.save()


def apart(stage: Stage, of: Identity | None = None, **tags: Any) -> beam.PTransform:
    """Return a stage as a transform whose outputs are a PCollection of each tag, of the type given.

    `of` is what its state is state of, None where it does not outlive the job.
    """
    return beam.ParDo(StageFn(stage, of)).with_output_types(Any, **tags).with_outputs(*tags)


def tagged(outputs: Iterable[Output]) -> Iterator[Any]:
    """Yield outputs as a function of Beam may emit them, also at the end of a bundle."""
    for tag, element, received_us in outputs:
        yield pvalue.TaggedOutput(tag, windowed(element, received_us))
