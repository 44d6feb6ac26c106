"""What the stream computes is what training computes, and a replay says the same every time."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from models import features
from models.features import Legs
from models.ledgers.history import history
from models.scoring.bundle import Bundle
from pipelines.hot import payers as payers_module
from pipelines.hot.accounts import Accounts
from pipelines.hot.decide import Decider
from pipelines.hot.decision_log.read import read
from pipelines.hot.payers import Payers
from pipelines.hot.stage import Output
from pipelines.hot.tracer import Tracer
from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.sink import OutRecord
from pipelines.policy import HOLD, OUTCOMES, WARN, Policy, decide, thresholds
from pipelines.state.shards import bound, by_shard, shard_of, unbound, unpack
from pipelines.streams.table import STREAMS, ledgers_of
from schemas import topics
from schemas.alert import Alert
from schemas.warning import Warning
from tests.hotpath.conftest import Stream, Written, chunk_of
from tests.hotpath.states import Shards

LEGS = ("CREDIT", "DEBIT")

each_leg = pytest.mark.parametrize("leg", LEGS)


@pytest.fixture(scope="module")
def recorded(stream: Stream, produce: Callable[..., str]) -> str:
    """The stream with a broken message after every 500."""
    keys, values, times = list(stream.keys), list(stream.values), list(stream.timestamps_us)
    for place in range(len(keys) - len(keys) % 500, 0, -500):
        keys.insert(place, b"%d" % place)
        values.insert(place, b"broken %d" % place)
        times.insert(place, times[place - 1])
    return produce(keys, values, times)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def first(recorded: str, replay: Callable[..., Written], log: Path) -> Written:
    return replay(recorded, log)


@pytest.fixture(scope="module")
def second(recorded: str, replay: Callable[..., Written], first: Written) -> Written:
    return replay(recorded)


def offline(stream: Stream, leg: str) -> Legs:
    return stream.history.credit if leg == "CREDIT" else stream.history.debit


def model_of(trained: Bundle, leg: str):  # type: ignore[no-untyped-def]
    return trained.credit if leg == "CREDIT" else trained.debit


def expected_scores(stream: Stream, trained: Bundle, leg: str) -> np.ndarray:
    scores: np.ndarray = model_of(trained, leg).score(
        features.matrix(model_of(trained, leg).features, offline(stream, leg))
    )
    return scores


def by_txn(table: pa.Table, stream: Stream) -> pa.Table:
    """The table's rows in the order of the stream."""
    place = {txn.decode(): number for number, txn in enumerate(stream.rows["txn_id"].tolist())}
    order = np.argsort([place[txn] for txn in table["txn_id"].to_pylist()])
    return table.take(order)


def assert_features(table: pa.Table, legs: Legs, leg: str) -> None:
    names = features.versions(leg.lower())
    X = features.matrix(names, legs)
    for column, name in enumerate(names):
        np.testing.assert_allclose(
            table[name].to_numpy(), X[:, column], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name
        )


@each_leg
@pytest.mark.usefixtures("first")
def test_a_replayed_stream_has_the_features_of_training(stream: Stream, log: Path, leg: str) -> None:
    table = by_txn(read(log, leg).rows, stream)  # type: ignore[arg-type]

    assert table["txn_id"].to_pylist() == stream.rows["txn_id"].astype(str).tolist()
    assert_features(table, offline(stream, leg), leg)


@each_leg
@pytest.mark.usefixtures("first")
def test_a_replayed_stream_has_the_scores_and_outcomes_of_the_bundle(
    stream: Stream, log: Path, trained: Bundle, rules: Policy, leg: str
) -> None:
    table = by_txn(read(log, leg).rows, stream)  # type: ignore[arg-type]
    scores = expected_scores(stream, trained, leg)
    least = thresholds(rules.credit, model_of(trained, leg).thresholds)

    np.testing.assert_allclose(table["score"].to_numpy(), scores, rtol=1e-9, atol=1e-9)
    assert table["outcome"].to_pylist() == decide(scores, least).tolist()
    assert set(table["outcome"].to_pylist()) == set(range(len(OUTCOMES)))


def test_two_replays_write_the_same_bytes_in_the_same_order(first: Written, second: Written) -> None:
    assert first == second
    silent = {name for name, partitions in first.items() if not any(partitions)}
    assert silent == {topics.ALARMS, topics.TRACES}


def test_ids_are_unique_and_stand_in_the_headers(first: Written) -> None:
    for name, of, field in (("alerts", Alert, "alert_id"), ("warnings", Warning, "warning_id")):
        sent = [record for partition in first[name] for record in partition]
        ids = [getattr(msgspec.json.decode(record.value, type=of), field) for record in sent]
        assert len(set(ids)) == len(ids)
        assert [dict(record.headers)["ce_id"].decode() for record in sent] == ids


def test_every_leg_at_or_above_delay_has_its_alert(
    stream: Stream, first: Written, trained: Bundle, rules: Policy
) -> None:
    alerts = [
        msgspec.json.decode(sent.value, type=Alert) for partition in first["alerts"] for sent in partition
    ]
    expected = set()
    for leg in LEGS:
        scores = expected_scores(stream, trained, leg)
        outcome = decide(scores, thresholds(rules.credit, model_of(trained, leg).thresholds))
        expected |= {
            (stream.rows["txn_id"][row].decode(), leg, OUTCOMES[outcome[row]])
            for row in np.flatnonzero(outcome > WARN).tolist()
        }

    assert {(alert.txn_id, alert.leg, alert.outcome) for alert in alerts} == expected
    assert len(alerts) == len(expected) > 100
    assert HOLD in {OUTCOMES.index(alert.outcome) for alert in alerts}


@each_leg
def test_within_a_bundle_accounts_see_debits_and_credits_in_event_time_order(
    stream: Stream, job: JobSettings, tmp_path: Path, leg: str
) -> None:
    """The rows of one bundle arrive in any order; the features are those of the ordered stream."""
    count = 1_500
    order = np.random.default_rng(2).permutation(count)
    chunk = chunk_of(
        [stream.values[at] for at in order], timestamps_us=[stream.timestamps_us[at] for at in order]
    )
    ordered = stream.rows[:count]
    legs = history(ordered, ordered["amount_minor"].astype(np.float64))

    with beam.Pipeline(runner=in_process()) as pipeline:
        build(pipeline | beam.Create([chunk], reshuffle=False), replace(job, decision_log=tmp_path))

    table = by_txn(read(tmp_path, leg).rows, stream)  # type: ignore[arg-type]
    assert table.num_rows == count
    assert_features(table, legs.credit if leg == "CREDIT" else legs.debit, leg)


def stages(rules: Policy, decider: Decider, shards: int = 1) -> tuple[Shards, Shards]:
    """The two stages of a job, with their states."""
    tracer = Tracer(rules, shards, KafkaSettings("none:1"), ())
    accounts = Accounts(decider, tracer, shards, {}, STREAMS)
    return Shards(Payers(rules, shards, STREAMS), shards), Shards(accounts, shards)


def emitted(outputs: list[Output]) -> list[tuple[str, Any]]:
    return [(tag, element) for tag, element, _ in outputs]


def test_bundles_that_fail_and_are_retried_emit_what_undisturbed_ones_do(
    stream: Stream, rules: Policy, decider: Decider
) -> None:
    """Every bundle fails once after all its work, as when the sink cannot write."""

    def run(failing: bool) -> list[Any]:
        payers, accounts = stages(rules, decider)
        sent: list[Any] = []
        for rows in np.array_split(stream.rows[:3_000], 6):
            for fails in (True, False)[not failing :]:
                legs = payers.run((0, bound([rows])), failing=fails)
                out = accounts.run(*(block.element for block in legs), failing=fails)
            sent += emitted(out)
        return sent

    undisturbed = run(failing=False)

    assert run(failing=True) == undisturbed
    assert sum(isinstance(element, OutRecord) for _, element in undisturbed) > 50


def test_an_accounts_legs_come_in_order_of_event_time_however_many_blocks_they_make(
    stream: Stream, rules: Policy, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = ledgers_of(STREAMS).leg
    monkeypatch.setattr(payers_module, "BATCH_BYTES", 2 * 99 * leg.itemsize)
    shards, rows = 3, stream.rows[:3_000]
    payers, _ = stages(rules, decider, shards)
    parts = by_shard(rows, shard_of(rows["debtor"], shards))
    blocks = [out.element for out in payers.run(*((number, bound([part])) for number, part in parts))]

    for number in range(shards):
        mine = [unbound(packed) for shard, packed in blocks if shard == number]
        at_us = [unpack(packed, leg)["transfer"]["at_us"] for (packed,) in mine]
        assert len(at_us) == 30
        assert all(before.max() <= after.min() for before, after in pairwise(at_us))


def test_the_blocks_of_a_bundle_are_decided_as_one_block_would_be(
    stream: Stream, rules: Policy, decider: Decider
) -> None:
    def run(parts: int) -> list[Any]:
        payers, accounts = stages(rules, decider)
        split = np.array_split(stream.rows[:3_000], parts)
        legs = [block.element for rows in split for block in payers.run((0, bound([rows])))]
        return emitted(accounts.run(*legs))

    assert run(parts=5) == run(parts=1)
