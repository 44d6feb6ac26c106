"""After Ctrl-C everything that was logged is Parquet, which any reader opens."""

import json
import signal
from contextlib import closing
from pathlib import Path

import pytest
from pyarrow.dataset import dataset

from fixtures.stream import messages
from fixtures.world import simulate
from models import SHIPPED
from pipelines.jobs.main import wanted_topics
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from schemas import topics
from tests.run.started import running


@pytest.mark.slow
def test_after_a_clean_stop_the_decision_log_is_parquet_and_complete(tmp_path: Path) -> None:
    world, log = simulate(seed=11, days=1, accounts=500, scam_rate=0.004), tmp_path / "log"
    flags = (
        "--decision_log", str(log), "--decision_log_share", "1", "--status", "json",
        "--kafka_start", "earliest",
    )  # fmt: skip
    with EmbeddedBroker(home=tmp_path) as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(wanted_topics(1))
        producer, sent = open_producer(settings), 0
        for block in messages(world.payments):
            for message in zip(block.keys, block.values, block.timestamps_us, strict=True):
                key, value, at_us = message
                producer.send(topics.PAYMENTS, key, value, (), at_us)
                sent += 1
        producer.flush()
        with running(broker.address, "--model_bundle", str(SHIPPED), *flags) as job:
            assert job.stdout is not None
            next(line for line in job.stdout if json.loads(line).get("decided", 0) >= sent)
            job.send_signal(signal.SIGINT)
            assert job.wait(60) == 0

    assert {path.suffix for path in log.rglob("*") if path.is_file()} == {".parquet"}
    assert dataset(log, partitioning="hive").count_rows() == 2 * sent
