"""The casework job over a broker: reports in, states out; restarts and forgers change nothing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.lab.brokers import topic_values
from measures.aggregate import Office
from pipelines.casework.past import states_bounds
from pipelines.casework.settings import CaseworkSettings
from pipelines.jobs import casework
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from schemas import token_keys, topics
from schemas.block import BlockEntry
from schemas.dead_letter import DeadLetter
from schemas.report import Finding, ReportCase
from schemas.subject import Suspicion
from tests.casework.kit import SECOND, T0, account, report, site

NAMES = tuple(dict.fromkeys((*topics.CASEWORK_READ, *topics.CASEWORK_WRITTEN, *topics.CASEWORK_STATES)))


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, 2) for name in NAMES])
        yield settings
        process.close_connections()


def send(kafka: KafkaSettings, *messages: tuple[str, Any], at_us: int = T0) -> None:
    producer = open_producer(kafka)
    for number, (topic, said) in enumerate(messages):
        value = said if isinstance(said, bytes) else msgspec.json.encode(said)
        producer.send(topic, b"key", value, (), at_us + number * 1000)
    producer.flush()


def newest(kafka: KafkaSettings, topic: str, record: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in topic_values(kafka, topic):
        state = msgspec.json.decode(value, type=record)
        if state.key not in found or state.version >= found[state.key].version:
            found[state.key] = state
    return found


def letters(kafka: KafkaSettings) -> list[DeadLetter]:
    values = topic_values(kafka, topics.DEAD_LETTERS)
    return [msgspec.json.decode(value, type=DeadLetter) for value in values]


def restarted(settings: CaseworkSettings) -> CaseworkSettings:
    """Begin again with what the topics of states hold, as a job does whose process was lost."""
    return replace(settings, states=states_bounds(settings.kafka))


def test_reports_become_states_that_outlive_the_process_and_bad_messages_become_letters(
    kafka: KafkaSettings,
) -> None:
    settings = CaseworkSettings(kafka, Office())
    two = [report(n, site(), account(), reporter=f"bank-{n}", origin="BANK", priority=3) for n in (1, 2)]
    send(
        kafka, (topics.REPORTS, two[0]), (topics.REPORTS, b"{}"), (topics.REPORTS, two[1]),
        (topics.CASEWORK, b"no json"),
    )  # fmt: skip

    casework.replay(settings)
    answered = restarted(settings)
    casework.replay(answered)  # the answers of the job's own parts, which went through Kafka
    finding = Finding(report_id="report-1", verdict="CONFIRMED", by="desk-1", reason="money traced")
    send(kafka, (topics.CASEWORK, finding), at_us=T0 + 5 * SECOND)
    casework.replay(restarted(settings))
    casework.replay(restarted(settings))

    cases = newest(kafka, topics.REPORT_ACTIONS, ReportCase)
    assert [cases[f"report-{n}"].state for n in (1, 2)] == ["CLOSED", "FANNED_OUT"]
    assert [each.recipient for each in cases["report-2"].actions] == [
        "blocklist", "registry", "platform:all", "bank:bank-1",
    ]  # fmt: skip
    assert [each.action for each in newest(kafka, topics.BLOCKS, BlockEntry).values()] == ["BLOCK"]
    [subject] = newest(kafka, topics.SUSPICIONS, Suspicion).values()
    assert (subject.tier, subject.counters(T0 + 6 * SECOND, 90).confirmed) == (3, 1)
    refused = {each.topic: each.error_code for each in letters(kafka)}
    assert refused == {topics.REPORTS: "INVALID", topics.CASEWORK: "NOT_JSON"}


def test_what_was_read_before_changes_no_state_when_it_is_read_again(kafka: KafkaSettings) -> None:
    settings = CaseworkSettings(kafka, Office())
    send(kafka, *((topics.REPORTS, report(n, site(), account(), reporter=f"bank-{n}")) for n in range(3)))
    for _ in range(2):
        casework.replay(restarted(settings))
    before = [newest(kafka, topic, record) for topic, record in STATES]

    casework.replay(restarted(settings))

    assert [newest(kafka, topic, record) for topic, record in STATES] == before


STATES = (
    (topics.REPORT_ACTIONS, ReportCase), (topics.BLOCKS, BlockEntry), (topics.SUSPICIONS, Suspicion),
)  # fmt: skip


def test_with_a_job_key_no_state_or_delivery_of_somebody_else_is_believed(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    key = tmp_path / "seal.json"
    token_keys.add(key, "first")
    settings = CaseworkSettings(replace(kafka, seal_key=str(key)), Office())
    send(kafka, (topics.REPORTS, report(1, site())))
    casework.replay(settings)
    [entry] = newest(kafka, topics.BLOCKS, BlockEntry).values()
    forged = msgspec.structs.replace(entry, action="BLOCK", version=99, seal="")

    send(kafka, (topics.BLOCKS, forged), (topics.CASEWORK_INTERNAL, b'{"kind":"block","key":"x"}'))
    past = restarted(settings).past()
    casework.replay(restarted(settings))

    kept = msgspec.json.decode(past.states["block", entry.entry_id], type=BlockEntry)
    assert (kept.action, kept.version) == ("LABEL", 1)
    assert [each.error_code for each in letters(kafka)] == ["UNSEALED"]
