"""How long a job takes from the command to its first alert, and what it costs at rest.

python -m tests.bench.start             five starts, beside a broker with some payments waiting; one before
                                        them compiles what an installation compiles once
python -m tests.bench.start --rest 20   and after the last its share of a processor, for so many seconds
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import confluent_kafka as ck

from console.lab.showing import AS_OF_TODAY
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import ChunkConsumer, KafkaSettings, open_consumer
from schemas import topics
from tests.bench import load
from tests.bench.job import cpu_s

#: Of strangers one payment in some hundred is flagged.
WAITING = load.World(accounts=2_000)
PAYMENTS = 2_000

#: A job that has not alerted by then has failed, seconds.
PATIENCE_S = 120.0

#: Nothing comes any more of a job that was killed when nothing came for so long, seconds.
QUIET_S = 1.0

TICK_S = 0.01

_COMMAND = "import sys; from console.cli import main; sys.argv[0] = 'stopline'; main()"


class Start(NamedTuple):
    """How long until the first alert was read, and the processor time of the job until then; seconds."""

    seconds: float
    cpu_s: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--rest", type=float, default=0.0, help="seconds to watch the job at rest")
    asked = parser.parse_args()
    with (
        EmbeddedBroker() as broker,
        tempfile.TemporaryDirectory(prefix="stopline-start-") as scratch,
        ExitStack() as stack,
    ):
        load.create_topics(broker.address)
        fill(broker.address)
        settings, found = KafkaSettings(broker.address), []
        alerts = [
            stack.enter_context(closing(open_consumer(settings, topics.ALERTS, number, 0)))
            for number in range(load.PARTITIONS)
        ]
        for number in range(asked.starts + 1):
            drain(alerts)
            with job(broker.address, Path(scratch) / str(number)) as running:
                start = first_alert(alerts, running)
                print(f"{start.seconds:.2f} s, {start.cpu_s:.2f} s of processor", flush=True)
                if asked.rest and number == asked.starts:
                    print(f"{at_rest(running, asked.rest):.3f} of a processor at rest")
            found.append(start)
    middle = [statistics.median(column) for column in zip(*found[1:], strict=True)]
    print(f"median of {asked.starts}: {middle[0]:.2f} s to the first alert, {middle[1]:.2f} s of processor")


def fill(brokers: str) -> None:
    """Send payments that wait for the job."""
    producer = ck.Producer({"bootstrap.servers": brokers})
    for key, value, at_us in islice(load.stream(WAITING, PAYMENTS), PAYMENTS):
        producer.produce(topics.PAYMENTS, value, key, timestamp=at_us // 1000)
    assert producer.flush(30) == 0


@contextmanager
def job(brokers: str, scratch: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `stopline run` as a newcomer would; it is killed at the end of the block."""
    options = (
        f"--kafka_brokers={brokers}", f"--kafka_group={scratch.name}", "--kafka_start=earliest",
        "--model_bundle=models/shipped", f"--decision_log={scratch}", "--status=none", *AS_OF_TODAY,
    )  # fmt: skip
    running = subprocess.Popen([sys.executable, "-c", _COMMAND, "run", *options])
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def first_alert(alerts: Sequence[ChunkConsumer], running: "subprocess.Popen[bytes]") -> Start:
    """Wait for the next alert; call it as soon as the job is started."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        assert running.poll() is None, f"the job ended with {running.returncode}"
        if any(each.poll(1_000) is not None for each in alerts):
            return Start(time.monotonic() - began, cpu_s(running.pid))
        time.sleep(TICK_S)
    raise RuntimeError(f"no alert within {PATIENCE_S:.0f} s")


def drain(alerts: Sequence[ChunkConsumer]) -> None:
    """Read what a job before has sent."""
    quiet_at = time.monotonic() + QUIET_S
    while time.monotonic() < quiet_at:
        if any(each.poll(1_000) is not None for each in alerts):
            quiet_at = time.monotonic() + QUIET_S
        time.sleep(TICK_S)


def at_rest(running: "subprocess.Popen[bytes]", seconds: float) -> float:
    """Return the share of a processor a job takes that has nothing to do."""
    time.sleep(10.0)
    before, began = cpu_s(running.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(running.pid) - before) / (time.monotonic() - began)


if __name__ == "__main__":
    main()
