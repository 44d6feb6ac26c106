"""A model is promoted and rolled back under a running `stopline run`, on a real broker."""

import json
import subprocess
import time
from contextlib import closing
from itertools import groupby
from pathlib import Path

from console.lab.brokers import topic_values
from console.lab.showing import AS_OF_TODAY
from console.lab.watching import Job
from fixtures.stream import Block, messages
from fixtures.world import simulate
from models import SHIPPED, features
from models.ledgers.history import history
from models.scoring.bundle import load
from models.scoring.shelf import open_registry
from pipelines import policy
from pipelines.jobs.main import wanted_topics
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.policy import DELAY, decide, thresholds
from schemas import topics
from tests.command import command
from tests.hotpath.test_serving import variant
from tests.payments import transfers
from tests.run.started import running


def expected(blocks: list[Block]) -> set[tuple[str, str]]:
    """Payment and leg of every alert, computed without a stream."""
    rules, bundle = policy.load(), load(SHIPPED)
    rows = transfers([value for block in blocks for value in block.values])
    legs = history(rows, rules.value(rows))
    found = set()
    for leg, seen, model, asked in (
        ("CREDIT", legs.credit, bundle.credit, rules.credit),
        ("DEBIT", legs.debit, bundle.debit, rules.debit),
    ):
        X = features.matrix(model.features, seen)
        outcome = decide(model.score(X), thresholds(asked, model.thresholds))
        found |= {(txn.decode(), leg) for txn in rows["txn_id"][outcome >= DELAY]}
    return found


def alerts(settings: KafkaSettings) -> list[dict]:
    return [*map(json.loads, topic_values(settings, topics.ALERTS))]


def test_payments_go_on_while_a_model_is_promoted_and_rolled_back_and_no_alert_is_lost(
    tmp_path: Path,
) -> None:
    folder, key = tmp_path / "registry", tmp_path / "key.jwk"
    places = ("--registry", folder, "--key", key)
    command("registry", "keygen", *places)
    command("registry", "promote", SHIPPED, "--role", "live", *places)
    old = open_registry(folder).digest("live")
    command("registry", "promote", variant(SHIPPED, tmp_path / "shadow"), "--role", "shadow", *places)
    blocks = list(messages(simulate(seed=3, days=2, accounts=1_000, scam_rate=0.02).payments, block=50))
    rows = sum(len(block.keys) for block in blocks)
    wanted = expected(blocks)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(wanted_topics(1))
        producer = open_producer(settings)

        def send(some: list[Block]) -> None:
            for block in some:
                for each, value in zip(block.keys, block.values, strict=True):
                    producer.send(topics.PAYMENTS, each, value, (), time.time_ns() // 1000)
                producer.flush()

        parts = [blocks[len(blocks) * part // 6 : len(blocks) * (part + 1) // 6] for part in range(6)]
        flags = (
            "--model_registry",
            str(folder),
            "--status",
            "json",
            "--kafka_start",
            "earliest",
            *AS_OF_TODAY,
        )
        with running(broker.address, *flags, stderr=subprocess.PIPE) as child:
            job = Job(child)
            send(parts[0])
            job.wait_for(1, "decided")
            send(parts[1])
            command("registry", "promote", variant(SHIPPED, tmp_path / "new"), "--role", "live", *places)
            new = open_registry(folder).digest("live")
            send(parts[2])
            job.wait_for(1, "live_models_taken_up")
            send(parts[3])
            job.wait_for(rows // 2, "decided")
            command("registry", "rollback", *places)
            send(parts[4])
            job.wait_for(2, "live_models_taken_up")
            send(parts[5])
            job.wait_for(rows, "decided")
            words = job.last_words()
            sent = alerts(settings)
        process.close_connections()

    assert [model for model, _ in groupby(alert["model"] for alert in sent)] == [old, new, old]
    assert {(alert["txn_id"], alert["leg"]) for alert in sent} == wanted
    assert len(sent) == len(wanted) > 20
    assert job.status["shadow_scored"] == 2 * rows
    assert "live model" in words and "from the next bundle on" in words
