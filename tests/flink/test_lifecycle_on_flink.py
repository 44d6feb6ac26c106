"""The lifecycle job on Flink, by the same word as the main job."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import pytest

from measures.authority.keys import KeyEntry
from pipelines import listening
from pipelines.flink import cluster as processes
from pipelines.flink import jobs, journal, watch
from pipelines.flink.cluster import Cluster
from pipelines.flink.jobs import Job, Submission
from pipelines.jobs import lifecycle
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from pipelines.lifecycle.settings import LifecycleSettings
from schemas import topics
from tests.command import command
from tests.flink.test_jobs import WELL
from tests.lifecycle.conftest import facts, paid_in, public_key, signed
from tests.lifecycle.test_live import TOKEN, Outside, now_us, short_stop


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
            admin.create_topics([NewTopic(name, 1) for name in names])
        yield settings
        process.close_connections()


@pytest.fixture
def keys() -> tuple[KeyEntry, ...]:
    return (public_key("police-1"),)


def test_the_same_word_hands_the_lifecycle_job_to_flink_and_watches_it(
    kafka: KafkaSettings, keys: tuple[KeyEntry, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.json").write_bytes(msgspec.json.encode(keys))
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

    words = ("--kafka_brokers", kafka.brokers, "--partitions", "1", "--keys", tmp_path / "keys.json")
    said = command("lifecycle", "run", "--runner", "flink", *words).output

    (name,) = taken
    steps = {each.full_label for each in taken[name].transforms_stack[0].parts}
    assert {"Open", "Register", "Accounts", "Send journal"} <= steps
    assert f"{name} runs as 1, without earlier state" in said
    assert f"{name} goes on; stop it with: stopline flink savepoint {name} --stop" in said


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_orders_lapse_by_themselves_on_flink_and_a_restart_goes_on_from_its_checkpoint(
    kafka: KafkaSettings, keys: tuple[KeyEntry, ...], running: Cluster
) -> None:
    job = lifecycle.job(LifecycleSettings(kafka, keys))
    options = [f"--kafka_brokers={kafka.brokers}"]
    outside, paid_us = Outside(kafka), now_us()
    first = jobs.submit(job.name, job.on_flink, cluster=running, options=options).job
    outside.send(topics.ACCOUNTS, facts(TOKEN), paid_in(TOKEN, at_us=paid_us))
    outside.until('"type":"moved"', 90)
    lapsing, lasting = short_stop("S1", paid_us, 25), short_stop("S2", paid_us, 300)
    outside.send(topics.ORDERS, signed(lapsing))
    outside.until('"state":"ACTIVE"')
    said = outside.until('"state":"EXPIRED"', 60)
    assert said.count('"was":"ACTIVE","cause":"TIMER"') == 1
    assert listening.off_loopback(pid for pid in processes.status(running).values() if pid) == []

    while journal.newest_state(job.name, running) is None:
        time.sleep(0.5)
    jobs.cancel(first, running)
    again = jobs.submit(job.name, job.on_flink, cluster=running, options=options)
    outside.send(topics.ORDERS, signed(lapsing), signed(lasting))
    said = outside.until('"order_no":"S2"', 90)
    jobs.cancel(again.job, running)

    assert again.resumed_from is not None
    assert '"code":"DUPLICATE"' in said
    assert said.count('"was":"ACTIVE","cause":"TIMER"') == 1
