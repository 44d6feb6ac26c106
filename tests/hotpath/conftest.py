"""A small world, a bundle trained on it in a second, and the main job run over an embedded broker."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import confluent_kafka as ck
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fixtures.stream import messages
from fixtures.world import simulate
from models import features
from models.learning.train import fit_classifier, median_good
from models.ledgers.history import History, history
from models.scoring import bundle
from models.scoring.bundle import Bundle, LegParts
from pipelines import policy
from pipelines.hot.decide import Decider
from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build, write
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.policy import Policy
from schemas import topics
from schemas.rows import Rows
from schemas.rows.values import Values
from tests.payments import transfers

PARTITIONS = 3

#: All four outcomes have a threshold of their own.
POLICY = """
version: "test"
jurisdiction: CN
language: zh-Hans
currencies: {CNY: 1.0}
credit: {warn: warn_here, delay: delay_here, hold: hold_here, stop: stop_here}
debit: {warn: warn_here, delay: delay_here, hold: hold_here, stop: stop_here}
"""
POINTS = {"warn_here": 0.95, "delay_here": 0.97, "hold_here": 0.98, "stop_here": 0.99}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Stream:
    """A recorded stream: messages in order of time, their rows, and the facts of the whole history."""

    keys: list[bytes]
    values: list[bytes]
    timestamps_us: list[int]
    rows: Rows
    history: History


class Sent(NamedTuple):
    """A record as it stands in a topic."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int


#: Topic -> partition -> records.
Written = dict[str, list[list[Sent]]]


@pytest.fixture(scope="session")
def stream() -> Stream:
    world = simulate(seed=3, days=3, accounts=1_000, scam_rate=0.01)
    blocks = list(messages(world.payments))
    values = [value for block in blocks for value in block.values]
    rows = transfers(values)
    return Stream(
        keys=[key for block in blocks for key in block.keys],
        values=values,
        timestamps_us=[at for block in blocks for at in block.timestamps_us],
        rows=rows,
        history=history(rows, rows["amount_minor"].astype(np.float64)),
    )


@pytest.fixture(scope="session")
def bundle_path(stream: Stream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_bundle(stream, tmp_path_factory.mktemp("bundle") / "b")


def trained_bundle(stream: Stream, path: Path, only: tuple[str, ...] = ()) -> Path:
    """A bundle that calls payments of guided payers scams; what it knows does not matter here.

    It has all features there are, or `only` some.
    """
    label = (stream.rows["signals"] > 0) | (stream.rows["purpose"] == 2)
    parts = {}
    with threadpool_limits(1):
        for leg, seen in stream.history._asdict().items():
            versions = features.versions(leg)
            named = {name: versions[name] for name in only or versions if name in versions}
            X = features.matrix(named, seen)
            learned = fit_classifier(X, label.astype(int), max_iter=15)
            scores = learned.predict_proba(X)[:, 1]
            groups = {
                code: tuple(name for name in group if name in named)
                for code, group in features.groups(leg).items()
            }
            parts[leg] = LegParts(
                classifier=learned,
                features=named,
                thresholds={name: float(np.quantile(scores, share)) for name, share in POINTS.items()},
                baseline=median_good(X, label),
                groups={code: group for code, group in groups.items() if group},
                metrics={},
            )
    origin = {"card": "# Card\n", "training_data": "0" * 64, "git_commit": "f" * 40}
    bundle.save(path, parts, created=int(stream.rows["at_us"].max()), **origin)
    return path


@pytest.fixture(scope="session")
def trained(bundle_path: Path) -> Bundle:
    return bundle.load(bundle_path)


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = tmp_path_factory.mktemp("policy") / "test.yaml"
    path.write_text(POLICY)
    return policy.load(path)


@pytest.fixture(scope="session")
def decider(rules: Policy, bundle_path: Path) -> Decider:
    return Decider(rules, bundle_path, log_share=1.0)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, PARTITIONS) for name in topics.WRITTEN])
        yield settings
        process.close_connections()


@pytest.fixture(scope="session")
def job(kafka: KafkaSettings, rules: Policy, bundle_path: Path) -> JobSettings:
    return JobSettings(
        kafka=kafka,
        start="earliest",
        warmup_h=0.0,
        models=bundle_path,
        policy=rules,
        shards=4,
        decision_log=None,
        decision_log_share=1.0,
    )


@pytest.fixture(scope="session")
def produce(kafka: KafkaSettings) -> Callable[..., str]:
    """Send messages to a new topic and return its name: `produce(keys, values, timestamps_us)`."""

    def produce_(keys: list[bytes], values: list[bytes], timestamps_us: list[int]) -> str:
        topic = f"payments_{next(_numbers)}"
        with closing(open_admin(kafka)) as admin:
            admin.create_topics([NewTopic(topic, PARTITIONS)])
        producer = open_producer(kafka)
        for key, value, at_us in zip(keys, values, timestamps_us, strict=True):
            producer.send(topic, key, value or None, (), at_us)
        producer.flush()
        return topic

    return produce_


@pytest.fixture(scope="session")
def replay(job: JobSettings) -> Callable[..., Written]:
    """Run the main job over a topic and return what it wrote, per topic and partition.

    `replay(topic, decision_log=None, chunk_rows=700, bundle_chunks=2, rules=job.policy)`
    """

    def replay_(
        topic: str,
        decision_log: Path | None = None,
        chunk_rows: int = 700,
        bundle_chunks: int = 2,
        rules: Policy = job.policy,
    ) -> Written:
        settings = replace(job, decision_log=decision_log, policy=rules)
        places = [(name, number) for name in topics.WRITTEN for number in range(PARTITIONS)]
        with closing(open_admin(job.kafka)) as admin:
            starts = admin.end_offsets(places)
        read = ReadChunksBounded(job.kafka, topic, chunk_rows=chunk_rows, bundle_chunks=bundle_chunks)
        with beam.Pipeline(runner=in_process()) as pipeline:
            write(build(pipeline | "Read" >> read, settings), settings)
        with closing(open_admin(job.kafka)) as admin:
            ends = admin.end_offsets(places)
        return {
            name: [
                taken(job.kafka, name, number, starts[name, number], ends[name, number])
                for number in range(PARTITIONS)
            ]
            for name in topics.WRITTEN
        }

    return replay_


@pytest.fixture(scope="session")
def run(produce: Callable[..., str], replay: Callable[..., Written]) -> Callable[..., Written]:
    """Send messages to a new topic and replay it: `run(keys, values, timestamps_us, decision_log=None)`."""

    def run_(
        keys: list[bytes], values: list[bytes], timestamps_us: list[int], decision_log: Path | None = None
    ) -> Written:
        return replay(produce(keys, values, timestamps_us), decision_log)

    return run_


def taken(settings: KafkaSettings, topic: str, partition: int, start: int, end: int) -> list[Sent]:
    """Read the records from `start` to `end` with key and headers, which chunks leave out."""
    consumer = ck.Consumer({"bootstrap.servers": settings.brokers, "group.id": "tests"})
    consumer.assign([ck.TopicPartition(topic, partition, start)])
    found: list[Sent] = []
    deadline = time.monotonic() + 20
    while len(found) < end - start and time.monotonic() < deadline:
        for message in consumer.consume(1000, timeout=0.2):
            assert message.error() is None
            head = tuple(message.headers() or ())
            found.append(Sent(message.key(), message.value(), head, message.timestamp()[1]))
    consumer.close()
    assert len(found) == end - start
    return found


def chunk_of(values: list[bytes], *, timestamps_us: list[int] | None = None, first_offset: int = 0) -> Chunk:
    """A chunk of partition 1 of topic `payments`."""
    count = len(values)
    return Chunk(
        "payments",
        Values.of(values),
        np.full(count, 1, np.int32),
        np.arange(first_offset, first_offset + count, dtype=np.int64),
        np.zeros(count, np.int64) if timestamps_us is None else np.array(timestamps_us, np.int64),
    )
