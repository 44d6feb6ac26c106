"""All aggregates in one memory, as in process: the same states as one bureau has, told in two bundles."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import msgspec
import pytest

from measures import aggregate
from measures.aggregate import Office
from measures.casework import AGGREGATES
from pipelines.casework import in_memory
from pipelines.casework.in_memory import InMemoryFn
from pipelines.casework.settings import CaseworkSettings
from pipelines.casework.steps import OpenFn
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.sink import OutRecord
from pipelines.trial import driven
from schemas import topics
from schemas.report import Finding, Report
from tests.casework.kit import SECOND, T0, Bureau, account, report, site
from tests.casework.test_numbers import chunk


def steps(clock_us: int = T0 + SECOND) -> Sequence[beam.DoFn]:
    settings = CaseworkSettings(KafkaSettings("b:9092"), Office(), clock=lambda: clock_us, ticks=True)
    found: list[beam.DoFn] = [OpenFn(settings), InMemoryFn(settings)]
    for each in found:
        each.setup()
    return found


def bundle(of: Sequence[beam.DoFn], *said: Any) -> list[OutRecord]:
    """Take messages through the steps as one bundle; without any it is a pass that found nothing."""
    topic = topics.REPORTS if all(isinstance(each, Report) for each in said) else topics.CASEWORK
    values = [msgspec.json.encode(each) for each in said]
    return [each.value for each in driven(of, chunk(topic, *values))]


def states(records: list[OutRecord]) -> dict[tuple[str, str], Any]:
    kinds = {each.topic: each for each in AGGREGATES.values()}
    named = [(kinds[each.topic], each) for each in records if each.topic in kinds]
    return {
        (of.kind, each.key.decode()): msgspec.json.decode(each.value, type=of.state) for of, each in named
    }


def test_a_report_is_answered_by_the_parts_of_the_job_in_the_next_bundle() -> None:
    job = steps()

    asked = states(bundle(job, report(1, site(), account(), reporter="bank-1", origin="BANK")))
    answered = states(bundle(job))

    assert not asked["report", "report-1"].first_action_us
    assert answered["report", "report-1"].first_action_us == T0 + SECOND
    assert {kind for kind, _ in asked} == {"report", "block", "suspicion"}


def test_a_bundle_writes_the_last_version_of_a_state_once() -> None:
    records = bundle(steps(), *(report(n, site(), reporter=f"bank-{n}", origin="BANK") for n in range(3)))

    [block] = [each for each in records if each.topic == topics.BLOCKS]
    assert msgspec.json.decode(block.value)["version"] == 3


def test_its_states_are_those_of_a_bureau_without_broker() -> None:
    job, bureau = steps(T0), Bureau()
    said = [report(n, site(f"evil{n % 2}.example"), account(), reporter=f"bank-{n}") for n in range(4)]
    judged = Finding(report_id="report-1", verdict="REJECTED", by="desk-1", reason="mistaken")

    told = (
        states(bundle(job, *said)) | states(bundle(job)) | states(bundle(job, judged)) | states(bundle(job))
    )
    for each in said:
        bureau.report(each)
    bureau.say(judged)

    assert set(told) == set(bureau.states)
    for named in told:
        assert getattr(told[named], "state", "") == getattr(bureau.states[named], "state", "")


def test_a_fault_leaves_an_aggregate_as_it_was_and_becomes_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    job = steps()

    def faulty(of: Any, *rest: Any, **named: Any) -> Any:
        if of.kind == "block":
            raise KeyError("broken")
        return aggregate.run(of, *rest, **named)

    monkeypatch.setattr(in_memory, "run", faulty)
    records = bundle(job, report(1, site(), account()))

    [letter] = [msgspec.json.decode(each.value) for each in records if each.topic == topics.DEAD_LETTERS]
    assert letter["error_code"] == "FAULT"
    assert {kind for kind, _ in states(records)} == {"report", "suspicion"}
