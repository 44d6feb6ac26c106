"""The casework job on Flink: its own parts answer by way of Kafka, clocks are timers of its checkpoints."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import pytest

from console.lab.brokers import topic_values
from measures.aggregate import Office
from pipelines.casework.settings import CaseworkSettings
from pipelines.flink import jobs, journal
from pipelines.flink.cluster import Cluster
from pipelines.jobs import casework
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from schemas import topics
from schemas.report import ReportCase
from tests.casework.kit import account, report, site
from tests.casework.test_job import NAMES, newest, send


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, 1) for name in NAMES])
        yield settings
        process.close_connections()


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bank_that_does_not_answer_is_escalated_by_a_timer_after_a_restart(
    kafka: KafkaSettings, running: Cluster
) -> None:
    job = casework.job(CaseworkSettings(kafka, Office()))
    options = [f"--kafka_brokers={kafka.brokers}"]

    def reported(number: int) -> None:
        now_us = time.time_ns() // 1000
        said = report(
            number, site(), account(), reporter=f"house-{number}", origin="BANK", priority=3, at_us=now_us
        )
        send(kafka, (topics.REPORTS, said), at_us=now_us)

    def case(number: int, until: Callable[[ReportCase], bool], most_s: float) -> ReportCase:
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            found = newest(kafka, topics.REPORT_ACTIONS, ReportCase).get(f"report-{number}")
            if found and until(found):
                return found
            time.sleep(0.5)
        raise AssertionError(f"report {number} is not there yet: {found}")

    def own_parts_acted(found: ReportCase) -> bool:
        return {each.recipient for each in found.actions if each.done_us} >= {"blocklist", "registry"}

    first = jobs.submit(job.name, job.on_flink, cluster=running, options=options).job
    reported(1)
    case(1, own_parts_acted, 120)
    while journal.newest_state(job.name, running) is None:
        time.sleep(0.5)
    jobs.cancel(first, running)
    again = jobs.submit(job.name, job.on_flink, cluster=running, options=options)
    reported(2)

    asked = case(2, lambda found: any(each.kind == "STOP" for each in found.actions), 120)
    late = case(2, lambda found: any(each.escalated_us for each in found.actions), 150)

    jobs.cancel(again.job, running)
    assert again.resumed_from is not None
    [stop] = [each for each in asked.actions if each.kind == "STOP"]
    [mute] = [each for each in late.actions if each.escalated_us and each.kind == "STOP"]
    assert mute.escalated_us == stop.ack_due_us
    words = defaultdict(set)
    for value in topic_values(kafka, topics.REPORT_ACTIONS):
        told = msgspec.json.decode(value, type=ReportCase)
        words[told.key, told.version].add(value)
    assert {len(each) for each in words.values()} == {1}, "what the restart told again is the same"
