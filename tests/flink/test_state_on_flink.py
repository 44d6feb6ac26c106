"""State on a real cluster: a column added between two releases, a newest checkpoint that is damaged."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam import coders
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec

from models.ledgers.ledger import Ledger
from models.ledgers.table import NEVER, Table
from pipelines.flink import jobs, journal, watch
from pipelines.flink.cluster import Cluster
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.state import evolve
from pipelines.state.evolve import Schema
from pipelines.state.identity import Identity
from pipelines.state.shard_state import COMPACT_BYTES, Tables
from pipelines.state.store import BeamStore
from schemas.rows import Rows

NAME = "toy"
FACT = np.dtype([("key", "u8", 2)])
ROWS = {
    1: np.dtype([("key", "u8", 2), ("count", "i8")]),
    2: np.dtype([("key", "u8", 2), ("seen_us", "i8"), ("count", "i8"), ("trust", "i4")]),
}
OF = Identity(cluster_id="A", shards=1, rows={})


def fold(table: Table, parts: list[Rows]) -> Rows:
    for facts in parts:
        places = table.locate(facts["key"])  # the table may grow
        np.add.at(table.rows["count"], places, 1)
    return parts[0]


class CountFn(beam.DoFn):
    """Counts messages by what they say, in the state of a release whose rows have this number."""

    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    LOG, OTHER = (BagStateSpec(name, coders.BytesCoder()) for name in ("log", "other_log"))

    def __init__(self, release: int, of: Identity) -> None:
        self._release = release
        self._of = of

    def setup(self) -> None:
        added = {"trust": 5}
        evolve.recorded()["toy_facts"] = {1: Schema("toy_facts", 1, FACT, {})}
        evolve.recorded()["toy_rows"] = {
            number: Schema("toy_rows", number, row, added if number == 2 else {})
            for number, row in ROWS.items()
            if number <= self._release
        }
        evolve.schema_of.cache_clear()
        self._ledger = Ledger("toy", ROWS[self._release], (FACT,), FACT, fold)

    def process(
        self,
        element: tuple[int, Chunk],
        head: Any = beam.DoFn.StateParam(HEAD),
        log: Any = beam.DoFn.StateParam(LOG),
        other: Any = beam.DoFn.StateParam(OTHER),
    ) -> Iterator[OutRecord]:
        store = BeamStore(Tables(), self._of)
        store.open(0, head, {"toy": (log, other)})
        values = [int(value) for value in element[1].values]
        facts = np.zeros(len(values), FACT)
        facts["key"][:, 0] = values
        store.add(self._ledger, 0, facts)
        store.save()
        table = store.known(self._ledger, 0).filled
        said = {"messages": int(table["count"].sum()), "accounts": len(table)}
        if self._release > 1:
            said |= {
                "trust": np.unique(table["trust"]).tolist(),
                "never": bool((table["seen_us"] == NEVER).all()),
            }
        yield OutRecord("told", b"", json.dumps(said).encode(), (), time.time_ns() // 1000)


def build(kafka: KafkaSettings, release: int, pipeline: beam.Pipeline, of: Identity = OF) -> None:
    (
        pipeline
        | ReadChunksKeyed(kafka, "asked", start="earliest", readers=1)
        | beam.Map(lambda chunk: (0, chunk)).with_output_types(tuple[int, Chunk])
        | "Count" >> beam.ParDo(CountFn(release, of)).with_output_types(OutRecord)
        | WriteRecords(kafka)
    )


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic("asked", 1), NewTopic("told", 1)])
        yield settings
        process.close_connections()


def ask(kafka: KafkaSettings, numbers: range) -> None:
    producer = open_producer(kafka)
    for number in numbers:
        producer.send("asked", b"", b"%d" % number, (), time.time_ns() // 1000)
    producer.flush()


def told(kafka: KafkaSettings) -> dict[str, Any]:
    """The last that the job told."""
    chunks = [*chunks_within(kafka, captured_bounds(kafka, ["told"]))]
    said: dict[str, Any] = json.loads(list(chunks[-1].values)[-1]) if chunks else {"messages": 0}
    return said


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_savepoint_is_restored_by_a_release_whose_rows_have_columns_more(
    kafka: KafkaSettings, running: Cluster
) -> None:
    size = COMPACT_BYTES // 12  # facts enough for a snapshot of rows, beside facts that follow it
    jobs.submit(NAME, partial(build, kafka, 1), cluster=running, of=OF)
    ask(kafka, range(size))
    until(lambda: told(kafka)["messages"] == size)
    ask(kafka, range(100))
    until(lambda: told(kafka)["messages"] == size + 100)
    savepoint = jobs.savepoint(jobs.require(NAME, running), running, stop=True)

    again = jobs.submit(NAME, partial(build, kafka, 2), cluster=running, of=OF)
    ask(kafka, range(10))
    until(lambda: told(kafka)["messages"] == size + 110)

    assert again.resumed_from == savepoint
    assert told(kafka)["accounts"] == size
    assert 5 in told(kafka)["trust"]  # of rows that the older release stored
    assert told(kafka)["never"]
    jobs.cancel(again.job, running)


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_newest_checkpoint_that_is_damaged_is_given_up_for_the_one_before(
    kafka: KafkaSettings, running: Cluster, how: str
) -> None:
    first = jobs.submit(NAME, partial(build, kafka, 1), cluster=running, of=OF)
    for done in range(3):
        ask(kafka, range(20_000))
        until(lambda done=done: told(kafka)["messages"] == 20_000 * (done + 1))  # type: ignore[misc]
        before = {path.name for path in journal.states(first.job.id, running)}
        until(lambda before=before: {p.name for p in journal.states(first.job.id, running)} != before)  # type: ignore[misc]
    jobs.cancel(first.job, running, for_good=False)
    newest = journal.newest_state(NAME, running)
    assert newest is not None
    damage(newest, how)
    ask(kafka, range(500))

    start = partial(jobs.submit, NAME, partial(build, kafka, 1), cluster=running, of=OF)
    said: list[str] = []
    for event in watch.follow(NAME, start, running, every_s=1.0):
        if isinstance(event, str):
            said.append(event)
        if told(kafka)["messages"] == 60_500:
            break

    assert any(f"state {newest} could not be used in 3 tries" in each for each in said), said
    assert newest.exists()
    jobs.cancel(jobs.require(NAME, running), running)


def damage(state: Path, how: str) -> None:
    if how == "cut":
        metadata = state / "_metadata"
        metadata.write_bytes(metadata.read_bytes()[: metadata.stat().st_size // 2])
        return
    largest = max(
        (path for path in state.iterdir() if path.name != "_metadata"), key=lambda p: p.stat().st_size
    )
    content = bytearray(largest.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 40):
        content[place] ^= 1
    largest.write_bytes(content)
