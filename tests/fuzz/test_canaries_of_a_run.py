"""Jobs that are sent canaries in every field keep them out of logs, metrics, status and of what they say."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.request import urlopen

import confluent_kafka as ck
import msgspec
import pytest

from console.lab.brokers import topic_values
from pipelines.kafka.local.brokers import EmbeddedBroker, free_port
from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from schemas import topics
from tests.fuzz import jobs
from tests.fuzz.offices import of_topics
from tests.fuzz.test_canaries import CANARY, NAMED, signed, singing
from tests.measures.kit import make_order

#: What people or banks are to get, and records of what was decided: values may stand there, as data.
DATA = (".jsonl", ".frames", ".parquet", "broker.log")


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address, group="fuzz")
        with closing(open_admin(settings)) as admin:
            admin.create_topics(jobs.all_topics())
        yield settings
        process.close_connections()


def sing(settings: KafkaSettings, read: list[str]) -> dict[str, int]:
    """Send every canary to every topic that is read, in values, keys, headers; return how many each has."""
    producer, seeds = ck.Producer({"bootstrap.servers": settings.brokers}), of_topics()
    for topic in read:
        bodies = list(seeds[topic]())[:3]
        if topic == topics.ORDERS:
            bodies = [msgspec.json.encode(make_order("S1"))]
        for value in (each for body in bodies if body.startswith(b"{") for each in singing(body)):
            sung = signed(value) if topic == topics.ORDERS else value
            producer.produce(topic, sung, CANARY.encode(), headers={NAMED: CANARY.encode()})
    producer.flush(60)
    return {at[0]: end for at, _, end in captured_bounds(settings, read)}


@pytest.mark.slow
def test_canaries_stay_out_of_logs_metrics_and_files_of_running_jobs(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    subjects = jobs.subjects(tmp_path)
    sent = sing(kafka, list(dict.fromkeys(topic for each in subjects.values() for topic in each.read)))
    metrics = {job: free_port() for job in subjects}
    waiting, told = dict(subjects), []
    with ExitStack() as stack:
        for job, each in subjects.items():
            own = ("--decision_log", str(tmp_path / "decisions")) if job == "run" else ()
            words = ("--kafka_brokers", kafka.brokers, "--kafka_group", "fuzz", *own)
            served = ("--status", "json", "--metrics", f"127.0.0.1:{metrics[job]}")
            jobs.started(stack, (*jobs.COMMAND, *each.words, *words, *served), tmp_path, f"{job}.log")
        jobs.good(kafka, "canaries")
        deadline = time.monotonic() + jobs.SETTLE_S
        while waiting and time.monotonic() < deadline:
            time.sleep(1)
            waiting = {job: each for job, each in waiting.items() if not each.went_on(kafka, "canaries")}
        assert not waiting, {job: (tmp_path / f"{job}.log").read_text()[-1000:] for job in waiting}
        for port in metrics.values():
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                told.append(answer.read().decode())
    logs = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in DATA]
    told += [path.read_bytes().decode(errors="replace") for path in logs]

    assert len(logs) > len(subjects)
    assert not [text[max(text.index("CANARY") - 200, 0) :][:300] for text in told if "CANARY" in text]
    letters = [json.loads(value) for value in topic_values(kafka, "dead_letters")]
    assert len(letters) > 1000
    assert not [letter for letter in letters if "CANARY" in json.dumps(letter | {"value": ""})]
    assert not list(named(kafka, sent))


def named(kafka: KafkaSettings, sent: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """What the jobs wrote that holds a name of a field that no contract has; letters hold it as base64."""
    for each in jobs.all_topics():
        for chunk in chunks_within(kafka, captured_bounds(kafka, [each.name])):
            for value, offset in zip(chunk.values, chunk.offsets.tolist(), strict=True):
                if NAMED.encode() in value and offset >= sent.get(each.name, 0):
                    yield each.name, value
