"""Ledgers refilled from the decision log: a job that starts from it decides as one that never stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from fixtures.stream import messages
from fixtures.world import simulate
from models import SHIPPED
from models.ledgers.history import both_legs, payer_facts
from models.ledgers.parties import PAYERS
from pipelines import policy
from pipelines.hot.decision_log.append import LogWriter
from pipelines.hot.decision_log.payments import Logged, block, payments
from pipelines.hot.decision_log.read import read
from pipelines.hot.one_stage import LEDGERS, InMemoryFn
from pipelines.jobs.main import hot_path
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.state.shard_state import Tables
from pipelines.state.store import BeamStore
from pipelines.streams.table import STREAMS, ledgers_of
from schemas.rows.transfers import TRANSFER
from schemas.rows.values import Values
from tests.hotpath.states import Bag, Value

ROWS, CUT, COMMITTED = 6_000, 4_000, 3_400


@pytest.fixture(scope="module")
def job() -> JobSettings:
    return JobSettings(
        kafka=KafkaSettings("127.0.0.1:1"), start="earliest", warmup_h=0.0, models=SHIPPED,
        policy=policy.load(), shards=1, decision_log=None, decision_log_share=0.0, warmup_from="log",
    )  # fmt: skip


@pytest.fixture(scope="module")
def sent() -> Chunk:
    world = simulate(seed=11, days=3, accounts=1_000, scam_rate=0.004)
    blocks = list(messages(world.payments.slice(0, ROWS)))
    values = [value for each in blocks for value in each.values]
    times = np.concatenate([np.asarray(each.timestamps_us) for each in blocks])
    count = len(values)
    return Chunk("payments", Values.of(values), np.zeros(count, np.int32), np.arange(count), times)


def part(chunk: Chunk, start: int, end: int) -> Chunk:
    some = slice(start, end)
    columns = chunk.partitions[some].copy(), chunk.offsets[some].copy(), chunk.timestamps[some].copy()
    return Chunk(chunk.topic, Values.of(list(chunk.values)[some]), *columns)


def outputs(stage: InMemoryFn, chunks: Sequence[Chunk]) -> Iterator[tuple[str, Any]]:
    stage.setup()
    for chunk in chunks:
        stage.start_bundle()
        stage.process(chunk)
        for output in stage.finish_bundle():
            assert isinstance(output, TaggedOutput)
            value = output.value
            yield output.tag, value.value if isinstance(value, WindowedValue) else value


def alerts(stage: InMemoryFn, chunks: Sequence[Chunk], log: LogWriter | None = None) -> set[bytes]:
    found = set()
    for tag, element in outputs(stage, chunks):
        if tag == "decisions" and log is not None:
            assert log.add(element)[1] == 0
        if tag == "alerts":
            found.add(element.value)
    return found


def test_a_job_started_from_the_log_raises_the_alerts_of_one_that_was_never_stopped(
    job: JobSettings, sent: Chunk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = replace(job, decision_log=tmp_path)
    before = [part(sent, at, at + 200) for at in range(0, CUT, 200)]
    again = [part(sent, at, at + 200) for at in range(COMMITTED, ROWS, 200)]
    undisturbed = InMemoryFn(hot_path(job))
    alerts(undisturbed, [part(sent, at, at + 200) for at in range(0, COMMITTED, 200)])
    expected = alerts(undisturbed, again)
    log = LogWriter(tmp_path)
    alerts(InMemoryFn(hot_path(job)), before, log)
    log.close()

    started = replace(job, logged=Logged(tmp_path, {0: COMMITTED}))
    found = alerts(InMemoryFn(hot_path(started)), again)
    forgetful = alerts(InMemoryFn(hot_path(job)), again)

    assert found == expected != forgetful
    assert f"refilled with {COMMITTED:,} payments of the decision log" in caplog.text


def test_ledgers_in_beams_state_are_refilled_like_those_in_memory(
    job: JobSettings, sent: Chunk, tmp_path: Path
) -> None:
    job = replace(job, decision_log=tmp_path)
    live, log = InMemoryFn(hot_path(job)), LogWriter(tmp_path)
    alerts(live, [part(sent, 0, 1_000)], log)  # not finished: its writer was killed
    store = BeamStore(Tables())
    store.open(0, Value(), {name: (Bag(), Bag()) for name in LEDGERS})

    hot_path(replace(job, logged=Logged(tmp_path, {0: 1_000}))).refill(store)

    for ledger in ledgers_of(STREAMS)[:2]:
        kept, refilled = (of.known(ledger, 0).filled for of in (live._memory(), store))
        assert len(kept) == len(refilled) > 100
        np.testing.assert_array_equal(np.sort(kept["last_us"]), np.sort(refilled["last_us"]))
    log.close()


def test_what_is_kept_of_a_payment_is_all_that_ledgers_are_made_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    given = np.frombuffer(rng.bytes(500 * TRANSFER.itemsize), TRANSFER).copy()
    given["currency"], given["txn_id"] = b"CNY", b"x"
    given["at_us"] = np.sort(rng.integers(0, 10**15, 500))
    given["at_us"][1:] = given["at_us"][:1] + np.arange(1, 500)
    given["partition"], given["offset"] = 3, np.arange(500)
    log = LogWriter(tmp_path)
    for some in (given[:300], given[250:]):  # fifty came again
        assert log.add(block(some))[1] == 0
    log.close()

    (found,) = payments(Logged(tmp_path, {3: 400}), 30)

    value = given["amount_minor"].astype(float)[:400]
    views = np.zeros(400, PAYERS.view)
    np.testing.assert_array_equal(payer_facts(found, value), payer_facts(given[:400], value))
    np.testing.assert_array_equal(both_legs(found, value, views), both_legs(given[:400], value, views))
    assert read(tmp_path, "CREDIT").rows.num_rows == 0


def test_a_damaged_file_of_payments_is_left_out_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = np.zeros(10, TRANSFER)
    given["currency"], given["offset"] = b"CNY", np.arange(10)
    log = LogWriter(tmp_path)
    log.add(block(given))
    log.close()
    (file,) = tmp_path.glob("day=*/payment-*")
    file.write_bytes(file.read_bytes()[:-9])

    assert [len(rows) for rows in payments(Logged(tmp_path, {0: 10}), 30)] == [0]
    assert f"{file} refills no ledger" in caplog.text
