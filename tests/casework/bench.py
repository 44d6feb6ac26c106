"""`python -m tests.casework.bench --rate 200 --seconds 10`: from a report to the first action.

Starts `stopline casework run` on the embedded broker; times are the job's, from receipt to the answer of the
first recipient. `--brokers` takes a broker that is there instead, such as Apache Kafka.
"""

import argparse
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import msgspec
import numpy as np

from console.lab import reporting
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_producer
from schemas import topics
from tests.casework.kit import account, report, site

#: Reports before those that count, and how long the job is given to begin and to end.
WARM, BEGIN_S, END_S = 100, 120.0, 10.0


def main() -> None:
    """Send reports at a rate; print how long first actions took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--brokers", default="")
    options = parser.parse_args()
    with nullcontext() if options.brokers else EmbeddedBroker() as broker:
        kafka = KafkaSettings(options.brokers or broker.address)
        command = ["stopline", "casework", "run", "--create-topics", "--kafka_brokers", kafka.brokers]
        job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert job.stdout is not None
        while "states taken over" not in job.stdout.readline():
            pass
        _send(kafka, "warm", WARM, 50)
        _wait(kafka, "warm", WARM)
        count = int(options.rate * options.seconds)
        _send(kafka, "timed", count, options.rate)
        taken = _wait(kafka, "timed", count)
        job.send_signal(signal.SIGINT)
        job.wait(30)
    p50, p99 = np.percentile(taken, [50, 99]) if taken else (0, 0)
    print(f"{len(taken)} of {count} reports acted on, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    sys.exit(len(taken) < count)


def _send(kafka: KafkaSettings, name: str, count: int, rate: float) -> None:
    producer, began = open_producer(kafka), time.monotonic()
    for number in range(count):
        said = report(
            f"{name}-{number}", site(f"{name}{number}.example"), account(f"{name}{number}"),
            reporter=f"citizen-{number % 50}",
        )  # fmt: skip
        value = msgspec.json.encode(said)
        producer.send(topics.REPORTS, said.report_id.encode(), value, (), time.time_ns() // 1000)
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
    producer.flush()


def _wait(kafka: KafkaSettings, name: str, count: int) -> list[float]:
    """Return milliseconds to the first action of each report, once all have one or nothing comes any more."""
    until, taken = time.monotonic() + BEGIN_S, list[float]()
    while time.monotonic() < until:
        cases = [case for key, case in reporting.cases(kafka).items() if key.startswith(f"report-{name}-")]
        found = [(case.first_action_us - case.received_us) / 1e3 for case in cases if case.first_action_us]
        if len(found) > len(taken):
            until = time.monotonic() + END_S
        taken = found
        if len(taken) >= count:
            break
        time.sleep(1)
    return taken


if __name__ == "__main__":
    main()
