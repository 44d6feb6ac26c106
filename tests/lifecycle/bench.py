"""`python -m tests.lifecycle.bench`: how long after its sending an order is in force.

Open loop: stop orders are sent at a fixed rate whatever comes back, each for an account of its own; the
latency runs from the moment an order was due to be sent to the moment its entry, with the measure in
force, was read from topic `measures`. Embedded broker, in-process runner, all on this machine. With
`--payments` the main job decides payments at that rate meanwhile, on the same broker, and reads the measures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from measures.authority.signing import sign
from models import SHIPPED
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from pipelines.streams.table import topics_needed
from schemas import topics
from schemas.ids import base32
from schemas.journal import JournalEntry
from schemas.order import Order, Target, VictimTransfer
from tests.bench import load
from tests.bench.child import Child
from tests.bench.job import RESET, Job, Sample, options_of, run
from tests.lifecycle.conftest import POLICE, facts, paid_in, public_key
from tests.measures.kit import PAID, make_order
from tests.tokens import token_of

PARTITIONS = 4

#: The payments' world, and how many of them fill the ledgers first.
WORLD, HISTORY = load.World(accounts=20_000), 100_000

#: Payments go on so long before the first order.
AHEAD_S = 5

_ENTRY = msgspec.json.Decoder(JournalEntry)


class Reader(threading.Thread):
    """Notes when the entry that puts each account under its stop was read."""

    def __init__(self, kafka: KafkaSettings) -> None:
        super().__init__(daemon=True)
        self._kafka = kafka
        self.seen: dict[str, float] = {}
        self.known = 0

    def run(self) -> None:
        consumers = [open_consumer(self._kafka, topics.MEASURES, n, 0) for n in range(PARTITIONS)]
        while True:
            chunks = [chunk for consumer in consumers if (chunk := consumer.poll(500)) is not None]
            now = time.time()
            for entry in (_ENTRY.decode(value) for chunk in chunks for value in chunk.values):
                if any(reply.state == "ACTIVE" for reply in entry.replies):
                    self.seen[entry.account_token] = now
                self.known += entry.command == "Move"
            if not chunks:
                time.sleep(0.002)


def order_for(token: str, at_us: int, paid_us: int) -> Order:
    """A stop on an account that has just received the victim's money."""
    return make_order(
        f"S-{token}",
        issued_at_us=at_us,
        target=Target(account_token=token, institution_id="bank-1", name_token=token_of("name-1")),
        victim_transfer=VictimTransfer(
            account_token=token_of("victim"), amount_minor=PAID, currency="CNY", transferred_at_us=paid_us
        ),
    )


@contextmanager
def paying(brokers: str, rate: int, seconds: int, folder: Path) -> Iterator["Paying"]:
    """Run the main job on its own, over a history; payments come once told to."""
    pace = load.Pace(rate, AHEAD_S + seconds)
    with Child(load.offer, brokers, WORLD, HISTORY, pace) as feeder:
        past = feeder.receive()
        with Child(run, Job(options_of(brokers, SHIPPED, folder / "log"), past.ends)) as job:
            following = Paying(feeder, job)
            while following.sample().observed < past.messages:
                time.sleep(0.1)
            yield following


class Paying(threading.Thread):
    """The main job among payments: keeps its newest sample."""

    def __init__(self, feeder: Child, job: Child) -> None:
        super().__init__(daemon=True)
        self._feeder, self._job = feeder, job
        self._newest: Sample = self._next()
        self.start()

    def run(self) -> None:
        with suppress(OSError, RuntimeError):  # closed at the end, or the job is gone
            while True:
                self._newest = self._next()

    def _next(self) -> Sample:
        said = self._job.receive()
        if isinstance(said, str):
            raise SystemExit(said)
        return said

    def sample(self) -> Sample:
        if not self.is_alive():
            raise SystemExit("the main job ended")
        return self._newest

    def begin(self) -> None:
        """Let payments come; those of the first seconds do not count."""
        self._feeder.send("begin")
        time.sleep(AHEAD_S)
        self._job.send(RESET)

    def figures(self) -> dict[str, Any]:
        """Tell what the main job did so far, latencies since payments count."""
        sent, last = self._feeder.receive(), self.sample()
        return {
            "payments_per_s": round(sent.messages / sent.seconds),
            "payments_late_p99_ms": round(sent.late_ms[0], 1),
            "payments_undecided_at_the_end": sent.messages - last.decided,
            "payments_p50_ms": round(last.latency.p50_ms, 1),
            "payments_p99_ms": round(last.latency.p99_ms, 1),
        }


def measure(kafka: KafkaSettings, rate: int, seconds: int, begin: Callable[[], None]) -> dict[str, float]:
    """Send orders for `seconds` at `rate` a second; returns latencies in milliseconds.

    `begin` is called once the accounts are known, before the first order.
    """
    tokens = [base32(number << 64) for number in range(rate * seconds)]
    producer, reader = open_producer(kafka), Reader(kafka)
    reader.start()
    paid_us = time.time_ns() // 1000
    for token in tokens:
        for message in (facts(token), paid_in(token, txn_id=f"t-{token}", at_us=paid_us)):
            producer.send(topics.ACCOUNTS, token.encode(), message, (), time.time_ns() // 1000)
    producer.flush()
    started = time.time()
    while reader.known < len(tokens):
        if time.time() > started + 300:
            raise SystemExit(f"only {reader.known} of {len(tokens)} accounts were taken in within 300 s")
        time.sleep(0.1)
    loading = time.time() - started
    print(f"{2 * len(tokens):,} account messages taken in within {loading:.1f} s", flush=True)
    begin()
    due: dict[str, float] = {}
    first = time.time() + 1
    for number, token in enumerate(tokens):
        due[token] = first + number / rate
        time.sleep(max(0.0, due[token] - time.time()))
        at_us = time.time_ns() // 1000
        message = sign(order_for(token, at_us, paid_us), POLICE, "key-police-1")
        producer.send(topics.ORDERS, token.encode(), message, (), at_us)
    sent = len(tokens) / (time.time() - first)
    producer.flush()
    deadline = time.time() + 60
    while len(reader.seen) < len(tokens) and time.time() < deadline:
        time.sleep(0.1)
    waits = np.array([reader.seen[token] - due[token] for token in tokens if token in reader.seen]) * 1000
    per_second = [round(float(part.max())) for part in np.array_split(waits, seconds)]
    print(f"longest wait in each second, ms: {per_second}", flush=True)
    quantiles = {f"p{q:g}_ms": round(float(np.percentile(waits, q)), 1) for q in (50, 99, 99.9)}
    return {
        "orders": len(tokens),
        "in_force": len(waits),
        "sent_per_s": round(sent, 1),
        **quantiles,
        "max_ms": round(float(waits.max()), 1),
        "account_messages_per_s": round(2 * len(tokens) / loading),
    }


def main() -> None:
    """Start a broker and the job, measure, print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.lifecycle.bench", description=__doc__)
    parser.add_argument("--rate", type=int, default=200, help="orders a second")
    parser.add_argument("--seconds", type=int, default=20, help="how long")
    parser.add_argument("--payments", type=int, default=0, help="payments a second meanwhile")
    options = parser.parse_args()
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as folder:
        kafka = KafkaSettings(broker.address, client="confluent")
        with closing(open_admin(kafka)) as admin:
            names = {*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN, *topics_needed()}
            admin.create_topics([NewTopic(name, PARTITIONS) for name in sorted(names)])
        keys = Path(folder) / "keys.json"
        keys.write_bytes(msgspec.json.encode([public_key("police-1")]))
        words = ["run", "--kafka_brokers", broker.address, "--keys", str(keys)]
        job = subprocess.Popen(
            [sys.executable, "-c", "from console.cli import main; main()", "lifecycle", *words]
        )
        try:
            if not options.payments:
                print(json.dumps(measure(kafka, options.rate, options.seconds, lambda: None)))
                return
            with paying(broker.address, options.payments, options.seconds, Path(folder)) as payments:
                found = measure(kafka, options.rate, options.seconds, payments.begin)
                load_1min = round(os.getloadavg()[0], 2)
                print(json.dumps({**found, **payments.figures(), "load_1min": load_1min}))
        finally:
            job.terminate()
            job.wait(30)


if __name__ == "__main__":
    main()
