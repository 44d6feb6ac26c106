"""`stopline run` as an operator sees it: what it prints, and how it ends."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from console.demo import SHIPPED_BUNDLE
from pipelines.kafka.brokers import EmbeddedBroker


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def job(broker: EmbeddedBroker) -> Iterator["subprocess.Popen[str]"]:
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "run", "--create-topics",
        "--kafka_brokers", broker.address, "--model_bundle", str(SHIPPED_BUNDLE), "--partitions", "1",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_job_says_that_it_reads_before_a_payment_comes_and_that_it_stops(
    broker: EmbeddedBroker, job: "subprocess.Popen[str]"
) -> None:
    assert job.stdout is not None

    assert job.stdout.readline() == f"reading at {broker.address} as group stopline; Ctrl-C stops\n"
    job.send_signal(signal.SIGINT)
    assert job.stdout.read() == "stopped; reading continues at the committed offsets\n"
    assert job.wait(30) == 0
