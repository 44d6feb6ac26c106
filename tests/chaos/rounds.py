"""One round: feed a job, do it harm, and look at what came out."""

import json
import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.flink import jobs
from pipelines.flink.cluster import Cluster
from pipelines.flink.jobs import Tuning
from pipelines.kafka.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from tests.chaos.faults import Fault, commit
from tests.flink import standin

ACCOUNTS = 20_000
SETTLE_S = 180.0


@dataclass(frozen=True)
class Feed:
    """What a round sends: equal seeds send equal payments to equal places."""

    seconds: float = 30.0
    rate: int = 4000
    partitions: int = 1
    seed: int = 1

    def payments(self) -> np.ndarray:
        count = int(self.seconds * self.rate)
        rng = np.random.default_rng(self.seed)
        rows = np.empty(count, standin.PAYMENT)
        rows["debtor"] = rng.integers(0, ACCOUNTS, count)
        rows["creditor"] = rng.integers(0, ACCOUNTS, count)
        rows["amount"] = rng.integers(1, 1_000_000, count)
        return rows


@dataclass
class Outcome:
    """What came out: payments without an outcome, repeats, alerts, tables, and how the faults went by."""

    lost: int = 0
    duplicates: int = 0
    alerts: set[str] = field(default_factory=set)
    ledger: dict[int, tuple[int, int]] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


def run(
    name: str, feed: Feed, faults: Sequence[Fault], on: Cluster, *, rescale_at: float | None = None
) -> Outcome:
    """Run one round under job `name`; `rescale_at` stops it with a savepoint and goes on with one slot."""
    outcome = Outcome()
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address, group=name)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(
                [
                    NewTopic("payments", feed.partitions),
                    *(NewTopic(each, 1) for each in ("outcomes", "alerts", "ledger")),
                ]
            )
        job = Supervised(name, settings, on, outcome.events)
        try:
            watched = Watched(settings, feed)
            began = time.monotonic()
            harm = threading.Thread(target=_harm, args=(faults, on, began, watched, outcome), daemon=True)
            harm.start()
            if rescale_at is not None:
                threading.Timer(rescale_at, job.rescale).start()
            _send(settings, feed)
            harm.join()
            outcome.lost = watched.wait(SETTLE_S)
            job.wait_for_checkpoint()
            outcome.duplicates = watched.duplicates
            _delays(outcome, watched)
            outcome.ledger = _dump(settings)
            outcome.alerts = set(value.decode() for value in _read_all(settings, "alerts"))
        finally:
            job.end()
    return outcome


class Supervised:
    """The job of a round, followed as `stopline run` does it."""

    def __init__(self, name: str, settings: KafkaSettings, on: Cluster, events: list[str]) -> None:
        self._name, self._settings, self._on, self._events = name, settings, on, events
        self._tuning = Tuning()
        self._ended = threading.Event()
        self._rescaling = threading.Lock()
        self._submit(fresh=True)
        while jobs.progress(jobs.live(name, on), on).checkpoint_age_s is None:
            time.sleep(0.5)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _submit(self, fresh: bool = False) -> jobs.Submission:
        with self._rescaling:
            return jobs.submit(
                self._name, lambda pipeline: standin.build(pipeline, self._settings),
                cluster=self._on, tuning=self._tuning, fresh=fresh,
            )  # fmt: skip

    def _follow(self) -> None:
        began = time.monotonic()
        for event in jobs.follow(self._name, self._submit, self._on):
            if isinstance(event, str):
                self._events.append(f"{time.monotonic() - began:.1f} s: {event}")
            if self._ended.is_set():
                return

    def rescale(self) -> None:
        with self._rescaling:
            job = jobs.live(self._name, self._on)
            state = jobs.savepoint(job, self._on, stop=True)
            self._tuning = Tuning(parallelism=1)
            self._events.append(f"stopped with {state}, goes on with parallelism 1")

    def wait_for_checkpoint(self) -> None:
        """Wait until everything that has happened so far is in a checkpoint of a running job."""
        since = time.monotonic()
        while time.monotonic() - since < SETTLE_S:
            try:
                job = jobs.live(self._name, self._on)
                progress = jobs.progress(job, self._on) if job else None
            except jobs.FlinkError:
                progress = None
            if (
                progress
                and progress.status == "RUNNING"
                and (progress.checkpoint_age_s or 1e9) < time.monotonic() - since - 5
            ):
                return
            time.sleep(0.5)

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)
        if (job := jobs.live(self._name, self._on)) is not None:
            jobs.cancel(job, self._on)


class Watched:
    """Reads outcomes as they come; knows which inputs have one and when the first came."""

    def __init__(self, settings: KafkaSettings, feed: Feed) -> None:
        rows = int(feed.seconds * feed.rate)
        self.first_us = [np.zeros(len(range(p, rows, feed.partitions)), "i8") for p in range(feed.partitions)]
        self.sent_us = [np.zeros_like(each) for each in self.first_us]
        self.duplicates = 0
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with closing(open_consumer(self._settings, "outcomes", 0, 0)) as consumer:
            while not self._ended.is_set():
                if (chunk := consumer.poll(500)) is None:
                    time.sleep(0.01)
                    continue
                for value in chunk.values:
                    self._note(json.loads(value))

    def _note(self, outcome: dict[str, list[int]]) -> None:
        now = time.time_ns() // 1000
        partition, offset, sent = (np.array(outcome[each]) for each in ("partition", "offset", "sent_us"))
        for number in np.unique(partition):
            mine = partition == number
            places = offset[mine]
            known = self.first_us[number][places] > 0
            self.duplicates += int(known.sum()) + len(places) - len(np.unique(places))
            self.first_us[number][places[~known]] = now
            self.sent_us[number][places] = sent[mine]

    def missing(self) -> int:
        return sum(int((each == 0).sum()) for each in self.first_us)

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while self.missing() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
        self._ended.set()
        self._thread.join(10)
        return self.missing()


def _send(settings: KafkaSettings, feed: Feed) -> None:
    rows = feed.payments()
    producer = open_producer(settings)
    began = time.monotonic()
    step = max(1, feed.rate // 100)
    for start in range(0, len(rows), step):
        if (ahead := start / feed.rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        now = time.time_ns() // 1000
        part = rows[start : start + step]
        part["sent_us"] = now
        for index, payment in enumerate(part, start):
            producer.send("payments", b"", payment.tobytes(), (), now, partition=index % feed.partitions)
    producer.flush()


def _harm(faults: Sequence[Fault], on: Cluster, began: float, watched: Watched, outcome: Outcome) -> None:
    rng = random.Random(len(faults))
    for fault in faults:
        time.sleep(max(0.0, fault.at_s - (time.monotonic() - began)))
        at_us = time.time_ns() // 1000
        pids = commit(fault, on, rng)
        outcome.faults.append(
            {"at_s": round(fault.at_s, 1), "deed": fault.deed, "target": fault.target,
             "for_s": round(fault.for_s, 1), "processes": len(pids), "at_us": at_us}
        )  # fmt: skip


def _delays(outcome: Outcome, watched: Watched) -> None:
    """Note for each fault the longest any payment sent until the next one waited, less the pause itself."""
    sent, first = np.concatenate(watched.sent_us), np.concatenate(watched.first_us)
    begins = [*(fault.pop("at_us") for fault in outcome.faults), 2**62]
    for fault, (begin, end) in zip(outcome.faults, pairwise(begins), strict=True):
        after = (sent >= begin) & (sent < end) & (first > 0)
        waited = float((first - sent)[after].max(initial=0)) / 1e6
        fault["recovery_s"] = round(max(0.0, waited - fault["for_s"]), 2)


def _dump(settings: KafkaSettings) -> dict[int, tuple[int, int]]:
    payment = np.zeros(1, standin.PAYMENT)
    payment["debtor"] = standin.DUMP
    producer = open_producer(settings)
    producer.send("payments", b"", payment.tobytes(), (), time.time_ns() // 1000, partition=0)
    producer.flush()
    tables: dict[int, list[list[int]]] = {}
    deadline = time.monotonic() + SETTLE_S
    while len(tables) < standin.SHARDS and time.monotonic() < deadline:
        for value in _read_all(settings, "ledger"):
            dump = json.loads(value)
            tables[dump["shard"]] = dump["table"]
        time.sleep(0.5)
    return {account: (count, total) for table in tables.values() for account, count, total in table}


def _read_all(settings: KafkaSettings, topic: str) -> list[bytes]:
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
