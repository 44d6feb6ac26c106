"""What is put through a round: a job, what it is fed, and how its outcomes are read."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
import msgspec
import numpy as np
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from console.lab.showing import AS_OF_TODAY
from fixtures.stream import messages
from fixtures.world import simulate
from pipelines import policy
from pipelines.hot.decision_log.read import read as read_log
from pipelines.jobs.main import on_flink
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import KafkaSettings, open_admin, open_consumer
from pipelines.streams.clock import window
from pipelines.streams.payments import PAYMENTS
from pipelines.streams.table import topics_needed
from schemas import topics
from schemas.alert import Leg
from schemas.payment import Payment
from tests.flink import standin
from tests.fuzz.targets import chunk, inputs, targets

TIME_PRESSED = 100
DECISION_LOGS = Path("var/chaos")

Tables = dict[Any, tuple[float, ...]]


class Arrival(NamedTuple):
    """Outcomes that arrived: which payments (numbers in order of sending), and when those were sent."""

    numbers: np.ndarray
    sent_us: np.ndarray


class Subject(Protocol):
    """A job under test."""

    partitions: int
    #: Topics it needs, with their partition counts.
    topics: dict[str, int]
    #: The topic whose records say what became of payments, as they come.
    outcomes: str

    def values(self) -> list[bytes]:
        """Payments in order of sending; number n goes to partition n % partitions."""

    def stamped(self, value: bytes, sent_us: int) -> bytes:
        """Write the sending time into a payment, if it has a place for it."""

    def build(self, pipeline: beam.Pipeline, settings: KafkaSettings) -> None:
        """Apply the graph."""

    def arrival(self, record: bytes) -> Arrival:
        """Read a record of `outcomes`."""

    def missing(self, seen: np.ndarray) -> tuple[int, int]:
        """Return how many payments have no outcome yet, and how many outcomes came again."""

    def tables(self, settings: KafkaSettings, send: Callable[[list[bytes]], None]) -> Tables:
        """Return the ledgers, once every payment has its outcome; `send` puts more into partition 0."""

    def alert_id(self, record: bytes) -> str:
        """Read the id of a record of `alerts`."""

    def junk(self) -> list[bytes]:
        """Messages that no job of this kind can decide, each of which it must put aside."""

    def letters(self, settings: KafkaSettings) -> int:
        """Count the messages that were put aside."""


class StandIn:
    """The stand-in graph: every payment's outcome is a record, ledgers are dumped on demand."""

    outcomes = "outcomes"

    def __init__(self, count: int, partitions: int, seed: int) -> None:
        self.partitions = partitions
        self.topics = {"payments": partitions, "outcomes": 1, "alerts": 1, "ledger": 1}
        rng = np.random.default_rng(seed)
        self._rows = np.zeros(count, standin.PAYMENT)
        self._rows["debtor"], self._rows["creditor"] = rng.integers(0, 20_000, (2, count))
        self._rows["amount"] = rng.integers(1, 1_000_000, count)

    def values(self) -> list[bytes]:
        return [row.tobytes() for row in self._rows]

    def stamped(self, value: bytes, sent_us: int) -> bytes:
        return value[:-8] + sent_us.to_bytes(8, "little")

    def build(self, pipeline: beam.Pipeline, settings: KafkaSettings) -> None:
        standin.build(pipeline, settings)

    def arrival(self, record: bytes) -> Arrival:
        outcome = json.loads(record)
        numbers = np.array(outcome["offset"]) * self.partitions + np.array(outcome["partition"])
        return Arrival(numbers, np.array(outcome["sent_us"]))

    def missing(self, seen: np.ndarray) -> tuple[int, int]:
        return int((seen == 0).sum()), int(np.maximum(seen - 1, 0).sum())

    def tables(self, settings: KafkaSettings, send: Callable[[list[bytes]], None]) -> Tables:
        dump = np.zeros(1, standin.PAYMENT)
        dump["debtor"] = standin.DUMP
        send([dump.tobytes()])
        tables: dict[int, list[list[int]]] = {}
        while len(tables) < standin.SHARDS:
            time.sleep(0.5)
            for value in read_all(settings, "ledger"):
                found = json.loads(value)
                tables[found["shard"]] = found["table"]
        return {account: (count, total) for table in tables.values() for account, count, total in table}

    def alert_id(self, record: bytes) -> str:
        return record.decode()

    def junk(self) -> list[bytes]:
        return []

    def letters(self, settings: KafkaSettings) -> int:
        return 0


class MainJob:
    """The main job on a simulated world.

    Its decision log, kept in full, holds the outcome and features of every leg. After the last payment comes
    a probe of every pair of accounts: its features tell what both ledgers hold of them.

    One partition is read with one shard, as one stage, so that payments reach the ledgers in one order and
    every feature and alert must be the same. Shards run side by side like partitions: with several of either,
    what was known at a payment depends on arrival, and only the ledgers, asked by the probes, must agree.
    """

    outcomes = topics.ALERTS
    PROBE = "probe-"

    def __init__(self, count: int, partitions: int, seed: int, bundle: Path) -> None:
        self.partitions = partitions
        self.topics = dict.fromkeys(topics_needed(), 1) | {topics.PAYMENTS: partitions}
        self._bundle = bundle
        self._folder = Path()
        self._values = list(itertools.islice(_world(seed, count), count))
        self._number = {msgspec.json.decode(value)["txn_id"]: n for n, value in enumerate(self._values)}

    def values(self) -> list[bytes]:
        return self._values

    def stamped(self, value: bytes, sent_us: int) -> bytes:
        return value

    def build(self, pipeline: beam.Pipeline, settings: KafkaSettings) -> None:
        self._folder = DECISION_LOGS / settings.group
        options = [f"--kafka_brokers={settings.brokers}", f"--kafka_group={settings.group}"]
        shards = 1 if self.partitions == 1 else 8
        options += ["--kafka_start=earliest", f"--ledger_shards={shards}", f"--model_bundle={self._bundle}"]
        options += AS_OF_TODAY
        options += [f"--decision_log={self._folder}", "--decision_log_share=1.0"]
        job = JobSettings.of(PipelineOptions(options))
        on_flink(job, pipeline)

    def arrival(self, record: bytes) -> Arrival:
        alert = msgspec.json.decode(record)
        number = self._number.get(alert["txn_id"])
        found = [] if number is None else [number]
        return Arrival(np.array(found, "i8"), np.array([alert["received_us"]] * len(found), "i8"))

    def missing(self, seen: np.ndarray) -> tuple[int, int]:
        """Count in the decision log, which keeps one row of each."""
        decided = self._log("CREDIT").column("txn_id").to_pylist()
        return len(self._number.keys() - set(decided)), 0

    def tables(self, settings: KafkaSettings, send: Callable[[list[bytes]], None]) -> Tables:
        probes = list(self._probes())
        send(probes)
        while True:
            time.sleep(2)
            logs = {leg: self._log(leg) for leg in ("CREDIT", "DEBIT")}
            ids = [log.column("txn_id").to_pylist() for log in logs.values()]
            if all(sum(each.startswith(self.PROBE) for each in found) == len(probes) for found in ids):
                break
        return {
            (leg, row["txn_id"]): tuple(value for value in row.values() if isinstance(value, float))
            for leg, log in logs.items()
            for row in log.to_pylist()
            if self.partitions == 1 or row["txn_id"].startswith(self.PROBE)
        }

    def alert_id(self, record: bytes) -> str:
        return str(msgspec.json.decode(record)["alert_id"])

    def junk(self) -> list[bytes]:
        """Broken payments of the fuzzer, those that are refused whatever the time."""
        broken = inputs(targets()[topics.PAYMENTS], 300, "chaos")
        rules, some = policy.load(), chunk(topics.PAYMENTS, *broken)
        letters = PAYMENTS.decode(some, rules, window(some, rules.clock, None)).letters
        return [broken[each.offset] for each in letters if each.error_code in {"NOT_JSON", "INVALID"}]

    def letters(self, settings: KafkaSettings) -> int:
        found = read_all(settings, topics.DEAD_LETTERS)
        return len({msgspec.json.decode(value)["dead_letter_id"] for value in found})

    def _log(self, leg: Leg) -> pa.Table:
        """Read a log that workers are writing."""
        return read_log(self._folder, leg).rows

    def _probes(self) -> Iterator[bytes]:
        """One payment between accounts two by two, an hour after the last; no account has two."""
        decode = msgspec.json.Decoder(Payment).decode
        payments = [decode(value) for value in self._values]
        at_us = max(each.accepted_at_us for each in payments) + 3_600_000_000
        owners = {each.debtor_account: each.debtor for each in payments}
        others = {each.creditor_account for each in payments} - owners.keys()
        every = [*sorted(owners), *sorted(others)]
        for payer, payee in zip(sorted(owners), every[::-1], strict=False):
            if payer >= payee and payee in owners:
                break
            yield msgspec.json.encode(
                Payment(
                    txn_id=f"{self.PROBE}{payer[:12]}", accepted_at_us=at_us, amount_minor=100_00,
                    currency=payments[0].currency, debtor=owners[payer], debtor_account=payer,
                    creditor_account=payee,
                )
            )  # fmt: skip


def _world(seed: int, count: int) -> Iterator[bytes]:
    """Payments of a world that lasts long enough for `count` of them, its time pressed into hours.

    The decision log turns a stream into Parquet when its hour is over, and a round lasts a minute.
    """
    for days in itertools.count(2, 3):
        payments = simulate(seed=seed, days=days, accounts=5_000, scam_rate=0.01).payments
        if len(payments) >= count:
            at_us = payments.column("accepted_at_us").to_numpy()
            pressed = pa.array(at_us[0] + (at_us - at_us[0]) // TIME_PRESSED)
            place = payments.schema.get_field_index("accepted_at_us")
            for block in messages(payments.set_column(place, payments.schema.field(place), pressed)):
                yield from block.values
            return


def read_all(settings: KafkaSettings, topic: str) -> list[bytes]:
    """Read what a topic of one partition holds now."""
    with closing(open_admin(settings)) as admin:
        end = admin.end_offsets([(topic, 0)])[topic, 0]
    values: list[bytes] = []
    with closing(open_consumer(settings, topic, 0, 0)) as consumer:
        while consumer.position() < end:
            if (chunk := consumer.poll(2000)) is not None:
                values += chunk.values
            else:
                time.sleep(0.01)
    return values


class Watched:
    """Reads outcomes as they come: how often each payment had one, when first, and when it was sent."""

    def __init__(self, subject: Subject, settings: KafkaSettings, count: int) -> None:
        self.seen, self.first_us, self.sent_us = (np.zeros(count, "i8") for _ in range(3))
        self._subject = subject
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with closing(open_consumer(self._settings, self._subject.outcomes, 0, 0)) as consumer:
            while not self._ended.is_set():
                if (chunk := consumer.poll(500)) is None:
                    time.sleep(0.01)
                    continue
                now = time.time_ns() // 1000
                for value in chunk.values:
                    self._note(self._subject.arrival(value), now)

    def _note(self, arrival: Arrival, now: int) -> None:
        new = self.seen[arrival.numbers] == 0
        self.first_us[arrival.numbers[new]] = now
        self.sent_us[arrival.numbers] = arrival.sent_us
        np.add.at(self.seen, arrival.numbers, 1)

    def wait_for_any(self, seconds: float) -> None:
        """Wait until a payment has its outcome, at most so long."""
        deadline = time.monotonic() + seconds
        while self._subject.missing(self.seen)[0] == len(self.seen) and time.monotonic() < deadline:
            time.sleep(0.5)

    def wait(self, seconds: float) -> tuple[int, int]:
        """Wait until every payment has its outcome, at most so long; return how many lack it, and repeats."""
        deadline = time.monotonic() + seconds
        while self._subject.missing(self.seen)[0] and time.monotonic() < deadline:
            time.sleep(2)
        time.sleep(1)
        self._ended.set()
        self._thread.join(10)
        return self._subject.missing(self.seen)
