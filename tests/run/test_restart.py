"""`stopline run` is killed in mid-stream and started again, as an operator would."""

import json
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from console.lab.brokers import topic_values
from console.lab.showing import AS_OF_TODAY
from fixtures.stream import messages
from fixtures.world import simulate
from models import SHIPPED
from pipelines.jobs.main import wanted_topics
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from schemas import topics
from tests.run.started import running

ROWS = 12_000


def decided(child: "subprocess.Popen[str]", least: int) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line).get("decided", 0) >= least:
            return
    raise AssertionError("the job ended")


def committed_from(settings: KafkaSettings, least: int) -> int:
    """Wait until the group stands at `least` or after, which it does when the alerts before are sent."""
    deadline = time.monotonic() + 60
    at = (topics.PAYMENTS, 0)
    with closing(open_admin(settings)) as admin:
        while (done := admin.committed(settings.group, [at]).get(at, 0)) < least:
            assert time.monotonic() < deadline, f"committed {done} of {least}"
            time.sleep(0.1)
    return done


def alerts(settings: KafkaSettings) -> dict[str, dict]:
    found = map(json.loads, topic_values(settings, topics.ALERTS))
    return {alert["alert_id"]: alert for alert in found}


def run_world(folder: Path, kill: bool) -> dict[str, dict]:
    world = simulate(seed=11, days=3, accounts=2_000, scam_rate=0.004)
    blocks = list(messages(world.payments.slice(0, ROWS)))
    rows = sum(len(block.keys) for block in blocks)
    with EmbeddedBroker(home=folder) as broker:
        settings = KafkaSettings(broker.address, group="restart")
        with closing(open_admin(settings)) as admin:
            admin.create_topics(wanted_topics(1))
        producer = open_producer(settings)

        def send(some: list) -> None:
            for block in some:
                for key, value in zip(block.keys, block.values, strict=True):
                    producer.send(topics.PAYMENTS, key, value, (), time.time_ns() // 1000)
            producer.flush()

        half = len(blocks) // 2
        flags = (
            "--kafka_group", settings.group, "--model_bundle", str(SHIPPED), "--status", "json",
            *AS_OF_TODAY,
        )  # fmt: skip
        send(blocks[:half] if kill else blocks)
        with running(broker.address, *flags, "--kafka_start", "earliest") as child:
            decided(child, sum(len(block.keys) for block in blocks[:half]) if kill else rows)
            done = committed_from(settings, 1 if kill else rows)
        if kill:
            send(blocks[half:])
            with running(broker.address, *flags) as child:
                decided(child, rows - done)
                committed_from(settings, rows)
        return alerts(settings)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_job_raises_the_alerts_of_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed = run_world(tmp_path / "a", kill=False)

    killed = run_world(tmp_path / "b", kill=True)

    assert undisturbed
    assert killed.keys() == undisturbed.keys()
    for alert_id, alert in undisturbed.items():
        assert killed[alert_id]["score"] == alert["score"]
