"""The hot path as one stage: the records are those of its stages apart, wherever in time firings cut it."""

import gc
import pickle
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.windowed_value import WindowedValue

from console.lab.feeds import streamed
from console.lab.replaying import job_settings, lines
from fixtures.scenario import SCENARIOS, load
from models import SHIPPED
from pipelines.hot.one_stage import InMemoryFn, OneStageFn
from pipelines.jobs.main import hot_path
from pipelines.jobs.replay import kept
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.bounded import ReplayReader, ReplaySource
from pipelines.kafka.reading.bounds import captured_bounds
from pipelines.kafka.sink import OutRecord
from pipelines.process import PROCESS
from pipelines.state.memory import Memory
from pipelines.state.shard_state import Tables
from pipelines.streams.table import topics_read
from schemas import topics
from schemas.errors import StateError
from tests.hotpath.states import Bag, Value


class Recorded:
    """Stands in for the source: hands out the cuts of a replay, some to a firing.

    A cut is one chunk of every topic of the same time. Between them a firing must not end: a payment knows
    of the clues and findings that were read by its firing, and those of its time would come a firing later.
    """

    def __init__(self, reader: ReplayReader, to_a_firing: int) -> None:
        self._left = self._cuts(reader)
        self._to_a_firing = to_a_firing
        self._ahead: list[TimestampedValue] = []
        self.ended = False

    def setup(self) -> None: ...

    def start_bundle(self) -> None: ...

    def finish_bundle(self) -> None: ...

    def read(self, *_: Any) -> Iterator[TimestampedValue]:
        found = self._ahead or self._next()
        self._ahead = []
        self.ended = not found
        yield from found

    def look_ahead(self, begin: Callable[[Chunk], Chunk]) -> None:
        self._ahead = [TimestampedValue(begin(each.value), each.timestamp) for each in self._next()]

    def _next(self) -> list[TimestampedValue]:
        return [chunk for cut in islice(self._left, self._to_a_firing) for chunk in cut]

    @staticmethod
    def _cuts(reader: ReplayReader) -> Iterator[list[TimestampedValue]]:
        """Every cut has payments, and they come first."""
        cut: list[TimestampedValue] = []
        more = reader.start()
        while more:
            chunk = reader.get_current()
            if chunk.topic == topics.PAYMENTS and cut:
                yield cut
                cut = []
            cut.append(TimestampedValue(chunk, reader.get_current_timestamp()))
            more = reader.advance()
        yield cut


@pytest.mark.parametrize(("to_a_firing", "restarts"), [(1, True), (2, False), (7, False)])
def test_one_stage_gives_the_records_of_the_stages_apart_wherever_in_time_firings_cut_it(
    to_a_firing: int, restarts: bool
) -> None:
    expected = (SCENARIOS / "police_call" / "expected.jsonl").read_text(encoding="utf-8").splitlines()

    with streamed(load("police_call")) as (settings, decided):
        job = job_settings(settings, "--model_bundle", str(SHIPPED), "--ledger_shards", "1")
        source = ReplaySource(settings, captured_bounds(settings, topics_read()), 2000)
        with closing(source.create_reader(None, None)) as reader:
            recorded = Recorded(reader, to_a_firing)
            given = _sent(OneStageFn(recorded, hot_path(replace(job, decided=decided))), recorded, restarts)

    def of_payments(records: list[str]) -> list[str]:
        """Whether a feed was silent is asked a bundle at a time, so it depends on the cut."""
        return [line for line in records if "CLUE_FEED_SILENT" not in line]

    assert of_payments(given) == of_payments(expected)


def test_in_process_one_stage_gives_the_records_of_the_stages_apart() -> None:
    found = []
    with streamed(load("police_call")) as (settings, decided):
        for shards in ("1", "3"):
            job = job_settings(settings, "--model_bundle", str(SHIPPED), "--ledger_shards", shards)
            found.append(kept(replace(job, decided=decided)))

    assert found[0] == found[1]
    assert len(found[0][topics.ALERTS]) > 1
    assert len(found[0][topics.WARNINGS]) > 1


def test_after_a_bundle_that_failed_half_way_ledgers_in_memory_take_no_other() -> None:
    memory = Memory()
    memory.begin()
    memory.save()
    memory.begin()

    with pytest.raises(StateError, match="start the job again"):
        memory.begin()


def test_ledgers_in_memory_end_with_their_pipeline() -> None:
    stage = InMemoryFn(None)  # type: ignore[arg-type]
    held = stage._owner.shared("memory", Memory)
    copy = pickle.loads(pickle.dumps(stage))
    assert copy._owner.shared("memory", Memory) is held

    del stage
    gc.collect()

    assert held not in PROCESS.all("memory")


def _sent(stage: OneStageFn, source: Recorded, restarts: bool) -> list[str]:
    """Fire until the source ends; return the records sent as a replay writes them."""
    states = [Value() for _ in range(3)] + [Bag() for _ in range(8)]
    stage.setup()
    sent: list[OutRecord] = []
    while not source.ended:
        if restarts:
            stage._owner.shared("tables", Tables).live.clear()
        stage.start_bundle()
        sent += [record for record in map(_bare, stage.fire(*states)) if isinstance(record, OutRecord)]
        stage.finish_bundle()
    return [
        line
        for topic in topics.WRITTEN
        for line in lines(topic, [record.value for record in sent if record.topic == topic])
    ]


def _bare(output: Any) -> Any:
    """An output without tag, time and window."""
    for wrapping in (TaggedOutput, WindowedValue):
        if isinstance(output, wrapping):
            output = output.value
    return output
