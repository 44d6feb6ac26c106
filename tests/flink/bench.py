"""Measure the stand-in graph on the local cluster: latency at a rate, then throughput from a backlog.

    python -m tests.flink.bench --rate 20000 --seconds 40 --backlog 2000000 --bundle_ms 20

Latency runs from the call that sends a payment to the arrival of its outcome at a consumer. Feeder,
observer, broker, Flink and its workers share the machine. The processor time that TaskManager and workers
took per million payments hardly depends on what else the machine does: compare settings by it.
"""

import argparse
import json
import multiprocessing
import os
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from pipelines.flink import cluster, jobs, watch
from pipelines.flink.jobs import Tuning
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from tests.chaos.faults import worker_pids
from tests.flink import standin

WARM_S = 10.0


def feed(brokers: str, count: int, rate: int, accounts: int, partitions: int) -> None:
    """Send `count` payments, `rate` a second or, with 0, as fast as it goes."""
    rng = np.random.default_rng(7)
    producer = open_producer(KafkaSettings(brokers))
    began, step = time.monotonic(), 200 if rate else 20_000
    for start in range(0, count, step):
        if rate and (ahead := start / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        rows = np.empty(step, standin.PAYMENT)
        rows["debtor"], rows["creditor"] = rng.integers(0, accounts, (2, step))
        rows["amount"] = rng.integers(1, 10_000_000, step)
        rows["sent_us"] = now = time.time_ns() // 1000
        for index, payment in enumerate(rows):
            producer.send("payments", b"", payment.tobytes(), (), now, partition=index % partitions)
        if not rate:
            producer.flush()
    producer.flush()


def outcomes_end(settings: KafkaSettings) -> int:
    with closing(open_admin(settings)) as admin:
        return admin.end_offsets([("outcomes", 0)])["outcomes", 0]


def observe(
    settings: KafkaSettings, start: int, rows: int, timeout_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return arrival and sending times (µs) of the `rows` outcomes from offset `start` on."""
    arrived: list[np.ndarray] = []
    sent: list[np.ndarray] = []
    deadline = time.monotonic() + timeout_s
    with closing(open_consumer(settings, "outcomes", 0, start)) as consumer:
        while sum(map(len, sent)) < rows and time.monotonic() < deadline:
            if (chunk := consumer.poll(500)) is None:
                time.sleep(0.002)
                continue
            now = time.time_ns() // 1000
            for value in chunk.values:
                sent.append(np.array(json.loads(value)["sent_us"]))
                arrived.append(np.full(len(sent[-1]), now))
    return np.concatenate(arrived), np.concatenate(sent)


def cpu_s() -> float:
    """Processor time of the TaskManager and the Python workers so far."""
    pids = [cluster.status()["taskmanager"], *worker_pids(cluster.status()["workers"])]
    ticks = [
        sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) for pid in pids
    ]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.flink.bench", description=__doc__)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--backlog", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument(
        "--option", action="append", default=[], help="a Beam option, e.g. --option=--object_reuse"
    )
    for name, value in vars(Tuning()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    tuning = Tuning(**{name: getattr(asked, name) for name in vars(Tuning())})

    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            topics = {"payments": asked.partitions, "outcomes": 1, "alerts": 1, "ledger": 1}
            admin.create_topics([NewTopic(name, count) for name, count in topics.items()])
        cluster.up()
        job = jobs.submit(
            "bench", lambda pipeline: standin.build(pipeline, settings), tuning=tuning,
            options=asked.option, fresh=True,
        ).job  # fmt: skip
        try:
            while watch.progress(job).checkpoint_bytes is None:
                time.sleep(0.5)
            if asked.rate:
                measure_latency(settings, asked)
            if asked.backlog:
                measure_throughput(settings, asked)
            print("checkpoint", watch.progress(job)._asdict())
        finally:
            jobs.cancel(job)


def measure_latency(settings: KafkaSettings, asked: argparse.Namespace) -> None:
    count = int(asked.rate * asked.seconds)
    feeder = multiprocessing.get_context("spawn").Process(
        target=feed, args=(settings.brokers, count, asked.rate, asked.accounts, asked.partitions)
    )
    start = outcomes_end(settings)
    before = cpu_s()
    feeder.start()
    arrived, sent = observe(settings, start, count, asked.seconds * 2 + 30)
    feeder.join()
    steady = sent > sent.min() + WARM_S * 1e6
    p50, p90, p99, p999 = np.percentile((arrived - sent)[steady] / 1e6, [50, 90, 99, 99.9])
    print(
        f"{asked.rate:,}/s for {asked.seconds:.0f} s: {len(sent):,} of {count:,} outcomes, "
        f"p50 {p50:.3f} p90 {p90:.3f} p99 {p99:.3f} p99.9 {p999:.3f} s, "
        f"{(cpu_s() - before) / count * 1e6:.1f} CPU s per million",
        flush=True,
    )


def measure_throughput(settings: KafkaSettings, asked: argparse.Namespace) -> None:
    context = multiprocessing.get_context("spawn")
    feeder = context.Process(
        target=feed, args=(settings.brokers, asked.backlog, 0, asked.accounts, asked.partitions)
    )
    start = outcomes_end(settings)
    before = cpu_s()
    feeder.start()
    arrived, _ = observe(settings, start, asked.backlog, asked.backlog / 10_000 + 60)
    feeder.join()
    span = (arrived.max() - arrived.min()) / 1e6
    print(
        f"backlog of {asked.backlog:,}: {len(arrived) / span:,.0f}/s over {span:.1f} s, "
        f"{(cpu_s() - before) / asked.backlog * 1e6:.1f} CPU s per million",
        flush=True,
    )


if __name__ == "__main__":
    main()
