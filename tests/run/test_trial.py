"""A message that ends the process of a job that drives aggregates is put aside; those beside it go on."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.pvalue import TaggedOutput

from measures.aggregate import Office
from pipelines import policy
from pipelines.casework import steps as casework
from pipelines.casework.settings import CaseworkSettings
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.reading.in_flight import DEATHS, in_flight
from pipelines.lifecycle import steps as lifecycle
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.process import PROCESS
from pipelines.trial import Guard, Trial, driven
from pipelines.victims import steps as victims
from pipelines.victims.settings import VictimsSettings
from schemas import topics
from schemas.rows.values import Values
from tests.casework.kit import T0 as CASE_US
from tests.fuzz import offices
from tests.lifecycle.conftest import facts
from tests.measures.kit import T0 as LEGAL_US

NOWHERE = KafkaSettings("none:1")

JOBS: dict[str, tuple[Any, Any, str, Callable[[], bytes], int]] = {
    "lifecycle": (lifecycle, LifecycleSettings(NOWHERE, ()), topics.ACCOUNTS, facts, LEGAL_US),
    "casework": (
        casework,
        CaseworkSettings(NOWHERE, Office()),
        topics.REPORTS,
        lambda: offices.reports()[0],
        CASE_US,
    ),
    "victims": (
        victims,
        VictimsSettings(NOWHERE, policy.load(), clock=lambda: CASE_US + offices.DAY),
        topics.WARNINGS,
        lambda: offices._warnings()[0],
        CASE_US + offices.DAY,
    ),
}


@dataclass(frozen=True)
class Settings:
    in_flight: str = ""
    ticks: bool = True


class Split(beam.DoFn):
    def process(self, chunk: Chunk) -> Iterator[Any]:
        for value in chunk.values:
            yield TaggedOutput("refused", value) if value == b"bad" else value


class Die(beam.DoFn):
    """Ends the process over a message, where it has state and a timer as the steps of jobs have."""

    HELD = beam.transforms.userstate.ReadModifyWriteStateSpec("held", beam.coders.BytesCoder())

    def process(self, value: bytes, held: Any = beam.DoFn.StateParam(HELD)) -> None:
        held.write(value)
        if held.read() == b"deadly":
            os.kill(os.getpid(), signal.SIGKILL)


def deadly_steps(settings: Settings) -> list[beam.DoFn]:
    assert not settings.in_flight
    return [Split(), Die()]


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Note that so many processes died over the first messages of a topic."""

    def died(topic: str, last: int = 0) -> str:
        for number in range(DEATHS):
            (tmp_path / f"{10**8 + number}.json").write_text(f'[["{topic}", 0, 0, {last}]]')
        return str(tmp_path)

    yield died
    PROCESS.end("in flight")


def given(topic: str, values: list[bytes], at_us: int) -> Chunk:
    places = np.zeros(len(values), np.int32), np.arange(len(values), dtype=np.int64)
    return Chunk(topic, Values.of(values), *places, np.full(len(values), at_us))


def test_what_ends_a_later_step_is_found_too_and_the_others_are_acquitted(
    noted: Callable[[str, int], str],
) -> None:
    folder = noted("payments", 3)
    guard = Guard(Trial(deadly_steps, Settings(folder)))
    kept, aside = guard.admitted(given("payments", [b"good", b"bad", b"good", b"deadly"], 5))

    assert list(kept.values) == [b"good", b"bad", b"good"]
    assert [(each.offset, each.at_us, each.value) for each in aside] == [(3, 5, b"deadly")]
    assert not in_flight(folder).begin("next", given("payments", [b"x"] * 4, 5)).any()


@pytest.mark.parametrize("name", JOBS)
def test_a_job_puts_a_deadly_message_aside_and_works_on_those_beside_it(
    name: str, noted: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, settings, topic, good, at_us = JOBS[name]
    monkeypatch.setattr("pipelines.kafka.reading.suspects.killers", lambda *_: [0])
    opening = steps.OpenFn(replace(settings, in_flight=noted(topic)))
    opening.setup()
    opening.start_bundle()
    found = list(opening.process(given(topic, [b"deadly", good()], at_us)))
    letters = [each.value for each in found if isinstance(each, TaggedOutput)]

    assert len(letters) == 1
    assert b'"error_code":"KILLED"' in letters[0].value
    assert len(found) > 1


@pytest.mark.parametrize("name", JOBS)
def test_a_message_that_is_tried_goes_through_the_steps_of_its_job(name: str) -> None:
    steps, settings, topic, good, at_us = JOBS[name]
    work = Trial(steps._steps, settings)()
    of = steps._steps(settings)
    for each in of:
        each.setup()

    work(given(topic, [good()], at_us))  # what it raises is not seen in the child
    assert driven(of[:2], given(topic, [good()], at_us))
