"""The victims job on Flink, by the same word as the main job."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import apache_beam as beam
import pytest

from pipelines import policy
from pipelines.flink import cluster as processes
from pipelines.flink import jobs, journal, watch
from pipelines.flink.cluster import Cluster
from pipelines.flink.jobs import Job, Submission
from pipelines.jobs import victims
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from pipelines.victims.settings import VictimsSettings
from schemas import topics
from schemas.contact import ContactEntry, Planned
from tests.command import command
from tests.flink.test_jobs import WELL
from tests.tokens import token_of
from tests.victims.conftest import read, send
from tests.victims.test_ladder import warning


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            names = dict.fromkeys((*topics.VICTIMS_READ, *topics.VICTIMS_WRITTEN))
            admin.create_topics([NewTopic(name, 1) for name in names])
        yield settings
        process.close_connections()


def test_the_same_word_hands_the_victims_job_to_flink_and_watches_it(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, beam.Pipeline] = {}

    def submit(name: str, build: Callable[[beam.Pipeline], None], **_: Any) -> Submission:
        build(pipeline := beam.Pipeline(runner="FnApiRunner"))
        taken[name] = pipeline
        return Submission(Job("1", name, "RUNNING", 0), None)

    def follow(*_: Any, **__: Any) -> Iterator[watch.Progress]:
        yield WELL
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "up", lambda on: None)
    monkeypatch.setattr(jobs, "live", lambda name, on: None)
    monkeypatch.setattr(jobs, "jobs", lambda on: [])
    monkeypatch.setattr(jobs, "submit", submit)
    monkeypatch.setattr(watch, "follow", follow)

    words = ("--kafka_brokers", kafka.brokers, "--partitions", "1", "--country", "uk")
    said = command("warnings", "run", "--runner", "flink", *words).output

    (name,) = taken
    steps = {each.full_label for each in taken[name].transforms_stack[0].parts}
    assert {"Open", "Parties", "Send contacts", "Send refused"} <= steps
    assert f"{name} runs as 1, without earlier state" in said
    assert f"{name} goes on; stop it with: stopline flink savepoint {name} --stop" in said


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rung_without_an_answer_is_followed_by_the_next_on_flink_and_after_a_restart(
    kafka: KafkaSettings, running: Cluster
) -> None:
    """The app has a second: nobody reports that the try left, so the call is planned by a timer."""
    job = victims.job(VictimsSettings(kafka, policy.load(policy.named(country="uk"))))
    options = [f"--kafka_brokers={kafka.brokers}"]

    def warned(name: str) -> str:
        at_us, party = time.time_ns() // 1000, token_of(name)
        valid_us = at_us + 3_600_000_000
        made = warning(4, at_us, party, warning_id=name, jurisdiction="UK", valid_until_us=valid_us)
        send(kafka, topics.WARNINGS, party, made, at_us=at_us)
        return party

    def channels(party: str, most_s: float) -> list[str]:
        until = time.monotonic() + most_s
        while time.monotonic() < until:
            entries = [
                each for each in read(kafka, topics.CONTACTS, ContactEntry) if each.party_token == party
            ]
            tries = [each.attempt for entry in entries for each in entry.events if isinstance(each, Planned)]
            if len(tries) > 1:
                return [each.channel for each in tries]
            time.sleep(0.5)
        raise AssertionError(f"the second rung of {party} was not planned")

    first = jobs.submit(job.name, job.on_flink, cluster=running, options=options).job
    assert channels(warned("first"), 120)[:2] == ["IN_APP", "CALL"]
    while journal.newest_state(job.name, running) is None:
        time.sleep(0.5)
    jobs.cancel(first, running)
    again = jobs.submit(job.name, job.on_flink, cluster=running, options=options)

    assert channels(warned("second"), 120)[:2] == ["IN_APP", "CALL"]
    jobs.cancel(again.job, running)
    assert again.resumed_from is not None
    keys = [
        each.attempt.key
        for entry in read(kafka, topics.CONTACTS, ContactEntry)
        for each in entry.events
        if isinstance(each, Planned)
    ]
    assert len(keys) == len(set(keys)), "what the restart read again planned nothing twice"
