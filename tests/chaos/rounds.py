"""One round: feed a job, do it harm, and look at what came out."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.flink import jobs, watch
from pipelines.flink.cluster import Cluster
from pipelines.flink.jobs import Tuning
from pipelines.kafka.local.brokers import EmbeddedBroker, LocalBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from tests.chaos.faults import Fault, Scene, commit
from tests.chaos.subjects import Subject, Tables, Watched, read_all

SETTLE_S = 400.0

#: Payments sent before the clock of a round starts: a worker loads and compiles its model at the first.
FIRST = 200

#: Some sums of a ledger are kept in four bytes: 120,000 payments, one partition after the other, left them
#: up to 1.3e-6 of their size apart. A payment lost or counted twice is a hundred times that.
ROUNDING = 1e-5

_LATER = ThreadPoolExecutor(1, "rescale")


@dataclass
class Outcome:
    """What came out: payments without an outcome, repeats, alerts, tables, and how the faults went by."""

    lost: int = 0
    duplicates: int = 0
    alerts: set[str] = field(default_factory=set)
    tables: Tables = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    letters: int = 0
    events: list[str] = field(default_factory=list)


def run(
    name: str,
    subject: Subject,
    rate: float,
    faults: Sequence[Fault],
    on: Cluster,
    *,
    rescale_at: float | None = None,
    broker: Callable[[], LocalBroker] = EmbeddedBroker,
) -> Outcome:
    """Run one round under job `name`; `rescale_at` stops it with a savepoint and goes on with one slot."""
    outcome, values = Outcome(), subject.values()
    with broker() as serving:
        settings = KafkaSettings(serving.address, group=name)
        scene = Scene(on, name, serving, settings, subject.junk())
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(topic, count) for topic, count in subject.topics.items()])
        job = Supervised(name, subject, settings, on, outcome.events)
        try:
            watched = Watched(subject, settings, len(values))
            _send(settings, subject, values[:FIRST], 0, rate)
            watched.wait_for_any(SETTLE_S)
            harm = threading.Thread(
                target=_harm, args=(faults, scene, time.monotonic(), outcome), daemon=True
            )
            harm.start()
            rescaled = _LATER.submit(job.rescale, rescale_at) if rescale_at is not None else None
            _send(settings, subject, values[FIRST:], FIRST, rate)
            harm.join()
            if rescaled:
                rescaled.result()
            outcome.lost, outcome.duplicates = watched.wait(SETTLE_S)
            job.wait_for_checkpoint()
            _delays(outcome, watched)
            alerts = [subject.alert_id(record) for record in read_all(settings, "alerts")]
            outcome.alerts = set(alerts)
            outcome.duplicates += len(alerts) - len(outcome.alerts)
            outcome.letters = subject.letters(settings)
            if not outcome.lost:
                outcome.tables = subject.tables(settings, partial(_probe, settings))
        finally:
            job.end()
    return outcome


def differing(one: Tables, other: Tables) -> int:
    """Count entries that one of two tables lacks, or whose numbers are not equal to `ROUNDING`."""
    both = [key for key in one.keys() & other.keys() if one[key] != other[key]]  # nan is not nan
    unequal = sum(
        not np.allclose(one[key], other[key], rtol=ROUNDING, atol=1e-9, equal_nan=True) for key in both
    )
    return len(one.keys() ^ other.keys()) + unequal


class Supervised:
    """The job of a round, followed as `stopline run` does it."""

    def __init__(
        self, name: str, subject: Subject, settings: KafkaSettings, on: Cluster, events: list[str]
    ) -> None:
        self._name, self._on, self._events = name, on, events
        self._build = partial(subject.build, settings=settings)
        one_stage = subject.partitions == 1
        self._tuning = Tuning() if one_stage else Tuning(parallelism=2, workers=2, bundle_ms=50)
        self._ended = threading.Event()
        self._rescaling = threading.Lock()
        self._submit(fresh=True)
        while watch.progress(jobs.live(name, on), on).checkpoint_age_s is None:
            time.sleep(0.5)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _submit(self, fresh: bool = False) -> jobs.Submission:
        with self._rescaling:
            return jobs.submit(self._name, self._build, cluster=self._on, tuning=self._tuning, fresh=fresh)

    def _follow(self) -> None:
        began = time.monotonic()
        while not self._ended.is_set():
            for event in watch.follow(self._name, self._submit, self._on):
                if isinstance(event, str):
                    self._events.append(f"{time.monotonic() - began:.1f} s: {event}")
                if self._ended.is_set():
                    return
            self._submit()  # it was stopped to be rescaled

    def rescale(self, after_s: float) -> None:
        """Stop the job with a savepoint, as soon as it is fit to write one; it goes on with one slot."""
        time.sleep(after_s)
        deadline = time.monotonic() + SETTLE_S
        while not self._rescaled(last=time.monotonic() > deadline):
            time.sleep(0.5)

    def _rescaled(self, *, last: bool) -> bool:
        with self._rescaling:
            try:
                job = jobs.live(self._name, self._on)
                if job is None:
                    raise jobs.FlinkError(f"job {self._name!r} is gone")
                state = jobs.savepoint(job, self._on, stop=True)
            except jobs.FlinkError:
                if last:
                    raise
                return False
            self._tuning = replace(self._tuning, parallelism=1)
            self._events.append(f"stopped with {state}, goes on with parallelism 1")
            return True

    def wait_for_checkpoint(self) -> None:
        """Wait until everything that has happened so far is in a checkpoint of a running job."""
        since = time.monotonic()
        while time.monotonic() - since < SETTLE_S:
            try:
                job = jobs.live(self._name, self._on)
                progress = watch.progress(job, self._on) if job else None
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


def _send(settings: KafkaSettings, subject: Subject, values: list[bytes], first: int, rate: float) -> None:
    patient = replace(settings, delivery_timeout_s=SETTLE_S)  # the feeder outlives a suspended machine
    producer = open_producer(patient)
    began, step = time.monotonic(), max(1, int(rate) // 100)
    for start in range(0, len(values), step):
        if (ahead := start / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        now = time.time_ns() // 1000
        for number, value in enumerate(values[start : start + step], first + start):
            stamped = subject.stamped(value, now)
            producer.send("payments", b"", stamped, (), now, partition=number % subject.partitions)
    producer.flush()


def _probe(settings: KafkaSettings, values: list[bytes]) -> None:
    producer = open_producer(settings)
    for value in values:
        producer.send("payments", b"", value, (), time.time_ns() // 1000, partition=0)
    producer.flush()


def _harm(faults: Sequence[Fault], scene: Scene, began: float, outcome: Outcome) -> None:
    rng = random.Random(len(faults))
    for fault in faults:
        time.sleep(max(0.0, fault.at_s - (time.monotonic() - began)))
        at_us = time.time_ns() // 1000
        done = commit(fault, scene, rng)
        outcome.faults.append(
            {"at_s": round(fault.at_s, 1), "deed": fault.deed, "target": fault.target,
             "for_s": round(fault.for_s, 1), "to": done, "at_us": at_us}
        )  # fmt: skip


def _delays(outcome: Outcome, watched: Watched) -> None:
    """Note for each fault the longest any payment sent until the next one waited, less the pause itself."""
    sent, first = watched.sent_us, watched.first_us
    begins = [*(fault.pop("at_us") for fault in outcome.faults), 2**62]
    for fault, (begin, end) in zip(outcome.faults, pairwise(begins), strict=True):
        after = (sent >= begin) & (sent < end) & (first > 0)
        waited = float((first - sent)[after].max(initial=0)) / 1e6
        fault["recovery_s"] = round(max(0.0, waited - fault["for_s"]), 2)
