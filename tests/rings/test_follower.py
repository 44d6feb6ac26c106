"""Rings beside the casework job: what changes is told on topic `cases`, once, and goes on after a restart."""

from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from measures.aggregate import Office
from pipelines.casework import rings
from pipelines.casework.rings import RingsFollower
from pipelines.casework.settings import CaseworkSettings
from pipelines.jobs import casework, runners
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.preflight import new_topics
from pipelines.kafka.reading import process
from schemas import topics
from schemas.ring import Ring
from tests.rings.facts import AT, alert, case, found_legitimate


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaSettings]:
    monkeypatch.setattr(rings, "RINGS_S", 0.0)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(
                new_topics([topics.CASES, topics.ALERTS, topics.FEEDBACK, topics.REPORT_ACTIONS], 2)
            )
        yield settings
        process.close_connections()


def send(kafka: KafkaSettings, topic: str, *facts: Any) -> None:
    producer = open_producer(kafka)
    for number, fact in enumerate(facts):
        value = fact if isinstance(fact, bytes) else msgspec.json.encode(fact)
        producer.send(topic, str(number).encode(), value, (), AT)
    producer.flush()


def until_told(follower: RingsFollower) -> list[Ring]:
    """Look until something is told; a test that waits for ever is ended by its time limit."""
    while not (told := follower.look()):
        pass
    return told


def test_rings_are_told_as_they_change_and_a_restart_tells_nothing_twice(kafka: KafkaSettings) -> None:
    with closing(RingsFollower(kafka)) as follower:
        pair = [alert(f"t-{mule}", "v", mule, AT, leg="CREDIT") for mule in ("m1", "m2")]
        send(kafka, topics.ALERTS, *pair, b"no alert")
        (began,) = until_told(follower)
        send(kafka, topics.ALERTS, alert("on", "m2", "m3", AT + 1, leg="DEBIT"))
        (changed,) = until_told(follower)

    with closing(RingsFollower(kafka)) as again:
        send(kafka, topics.FEEDBACK, found_legitimate("t-m1", AT + 2))
        (ended,) = until_told(again)

    assert [began.change, changed.change, ended.change] == ["BEGAN", "CHANGED", "ENDED"]
    assert began.ring_id == changed.ring_id == ended.ring_id


def test_a_device_that_an_authority_reports_ties_accounts_and_odd_reports_are_passed_over(
    kafka: KafkaSettings,
) -> None:
    said = [case(f"r{mule}", "device", mule, AT) for mule in ("m1", "m2", "m3")]
    odd = [b"", b"null", b"[]", b'{"report":{}}', msgspec.json.encode(said[0])[:-9]]
    with closing(RingsFollower(kafka)) as follower:
        send(kafka, topics.REPORT_ACTIONS, *odd, case("no", "device", "m4", AT, authority=False), *said)
        (ring,) = until_told(follower)

    assert len(ring.members) == 3
    (den,) = ring.associates
    assert (den.role, den.reason) == (
        "DEN", "suspected: 3 accounts or people of the ring are run from this device",
    )  # fmt: skip


def test_on_flink_rings_are_looked_for_while_the_job_is_watched_and_it_is_said_how_to_go_on(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners.cluster, "up", lambda on: None)
    monkeypatch.setattr(runners.cluster, "runs_this_release", lambda on: True)
    monkeypatch.setattr(runners.jobs, "live", lambda name, on: SimpleNamespace(id="j1"))
    monkeypatch.setattr(runners.journal, "read", lambda name, on: SimpleNamespace(of=b"null"))
    monkeypatch.setattr(runners.watch, "follow", lambda *_, **__: iter(()))
    began: list[KafkaSettings] = []
    monkeypatch.setattr(rings, "following", began.append)
    said: list[str] = []

    runners.run_on_flink(casework.job(CaseworkSettings(kafka, Office())), [], said.append)

    assert began == [kafka]
    assert said[-1].endswith("afterwards by: stopline rings find --write")
