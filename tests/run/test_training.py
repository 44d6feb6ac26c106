"""From a replayed scenario to a bundle: its decision log, its feedback, `stopline train`, `stopline card`."""

import json
import re
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from console import cli
from console.lab.feedback import read_feedback
from console.lab.rows import DecisionLog, of_decision_log, of_world
from fixtures.scenario import load
from fixtures.stream import feedback
from models.learning.stream import of_recorded
from pipelines import policy
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from schemas import topics

WORLD = "{seed: 5, days: 13, accounts: 400, scam_rate: 0.02}"


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> object:
    monkeypatch.setattr(sys, "argv", ["stopline", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "world.yaml").write_text(WORLD)
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "replay", folder / "world.yaml", "--decision_log", folder / "log") == 0
    return folder / "log"


@pytest.mark.parametrize("leg", ["credit", "debit"])
def test_the_log_of_a_replayed_scenario_holds_the_features_computed_offline(log: Path, leg: str) -> None:
    world = load(str(log.parent / "world.yaml")).world()
    offline = of_recorded(of_world(world, policy.load()))[leg]

    online = of_decision_log(DecisionLog(log), leg, policy.load())

    order = np.argsort(offline.txn_id)
    place = order[np.searchsorted(offline.txn_id[order], online.txn_id)]
    assert len(online.at_us) == world.payments.num_rows
    np.testing.assert_array_equal(online.txn_id, offline.txn_id[place])
    assert online.features == offline.features
    for column, name in enumerate(online.features):
        np.testing.assert_allclose(
            online.X[:, column], offline.X[place, column], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name
        )


def test_the_feedback_of_a_replayed_scenario_is_what_became_known_of_its_truth(log: Path) -> None:
    world = load(str(log.parent / "world.yaml")).world()

    found = read_feedback([str(log / "feedback.jsonl")])

    labels = [each for each in found if each.kind == "LABEL"]
    assert found == feedback(world.truth, world.payments)
    assert len(labels) == sum(known >= 0 for known in world.truth["label_known_us"].to_pylist()) > 50


def test_a_world_without_an_expectation_is_not_compared_with_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "replay", log.parent / "world.yaml") == 1
    said = capfd.readouterr().err
    assert "expected.jsonl is not there to compare with; write it with --update" in said


@pytest.fixture(scope="module")
def trained(log: Path) -> Path:
    out = log.parent / "bundle"
    words = ("--decision_log", log, "--feedback", log / "feedback.jsonl", "--windows", "5,2,2,1")
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "train", *words, "--trees", 20, "--out", out) == 0
    return out


def test_a_bundle_trained_on_the_log_states_its_figures_and_whom_it_harms(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["credit"]["windows_days"] == {"train": 5, "validation": 2, "test": 2, "delay": 1}
    assert metrics["credit"]["scams"]["refit"] > 0

    assert run(monkeypatch, "card", trained) == 0
    card = capfd.readouterr().out
    assert "Who is harmed by a false stop" in card
    assert "Good payments held, by segment: debit leg" in card
    assert "Simulated data" not in card


def test_a_bundle_is_measured_on_a_log_as_json_with_plots(
    log: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ("--decision_log", log, "--feedback", log / "feedback.jsonl", "--delay-days", 1)

    assert run(monkeypatch, "evaluate", trained, *words, "--plots", tmp_path, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    for leg in ("credit", "debit"):
        assert found["legs"][leg]["auc"] > 0.9
        assert set(found["legs"][leg]["segments"]) == {"age band"}
        assert {"at_5_to_1", "policy DELAY"} <= set(found["legs"][leg]["points"])
    assert found["learned_from"]["payments"] > 0 and not found["learned_from"]["measured"]
    assert found["cases_frozen"] <= found["cases"] > 0
    both = found["together"]["policy DELAY"]
    assert both["held_as_it_arrived"] + both["caught_leaving_a_mule"] + both["lost"] == pytest.approx(1)
    assert both["held_as_it_arrived"] == found["legs"]["credit"]["points"]["policy DELAY"]["value_detection"]
    assert len(list(tmp_path.glob("*.svg"))) == len(list(tmp_path.glob("*.png"))) == 7


@pytest.mark.slow
def test_several_worlds_are_trained_on_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def payments(*words: object) -> int:
        small = ("--days", 14, "--accounts", 300, "--scam-rate", 0.02, "--windows", "5,3,3,1", "--trees", 2)
        assert run(monkeypatch, "train", "--out", tmp_path / "b", "--replace", *small, *words) == 0
        said = re.search(r"([\d,]+)\s+payments,\s+scams", capfd.readouterr().out)
        assert said
        return int(said[1].replace(",", ""))

    alone = [payments("--seed", seed) for seed in (5, 6)]

    assert payments("--seed", 5, "--worlds", 2) == sum(alone)
    assert "2 simulated worlds" in (tmp_path / "b" / "card.md").read_text()


def test_a_log_drifts_only_where_its_newest_days_differ(
    log: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, "drift", trained, "--decision_log", log, "--days", 3, "--json")
    legs = [json.loads(text + "}") for text in capfd.readouterr().out.split("\n}\n")[:2]]

    assert legs[0]["features"]["channel"] < 0.1
    assert code == int("shifted" in {leg["verdict"] for leg in legs})


def test_a_log_is_walked_through_by_its_dated_labels(
    log: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--decision_log", log, "--feedback", log / "feedback.jsonl", "--windows", "3,2,2", "--trees", 5)

    assert run(monkeypatch, "backtest", *words, "--delays", "1", "--steps", 2, "--json") == 0
    steps = json.loads(capfd.readouterr().out)

    assert [(step["leg"], step["delay"]) for step in steps] == [("credit", 1)] * 2 + [("debit", 1)] * 2
    assert all(step["scams"] > 0 for step in steps)
    assert min(step["test"]["auc"] for step in steps[1::2]) > 0.8


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--decision_log", "none", "--feedback", "f.jsonl"], "none is no folder; name the one given to"),
        (["--decision_log", "."], "has no labels of its own; add --feedback"),
        (["--decision_log", ".", "--feedback", "none.jsonl"], "none.jsonl cannot be read"),
        (["--feedback", "f.jsonl"], "belong to a log; name it with --decision_log"),
        (["--windows", "1,2,3"], "train,validation,test,delay in days"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_the_next_step(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", *words) == 1
    assert sentence in capfd.readouterr().err


def test_feedback_of_a_broker_that_is_not_there_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--decision_log", ".", "--feedback", "kafka://127.0.0.1:1")

    assert run(monkeypatch, "train", *words) == 3
    assert "nobody listens at 127.0.0.1:1; start a local broker" in capfd.readouterr().err


def test_a_world_too_short_for_the_windows_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "backtest", "--accounts", 300, "--days", 5, "--seeds", 1, "--delays", 0) == 1
    assert "give more days or shorter windows" in capfd.readouterr().err


def test_a_bundle_is_replaced_only_if_asked_and_nothing_else_ever_is(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("")

    assert run(monkeypatch, "train", "--out", trained) == 1
    assert run(monkeypatch, "train", "--out", tmp_path, "--replace") == 1

    said = capfd.readouterr().err
    assert f"{trained} exists; name a new folder with --out" in said
    assert f"{tmp_path} is no bundle, so it is not replaced" in said
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--windows", "1,2"], "--windows takes train,validation,test in days, such as 10,5,5, got '1,2'"),
        (["--windows", "0,2,2"], "--windows takes train,validation,test in days"),
        (["--windows", "3,nan,2"], "--windows takes train,validation,test in days"),
        (["--delays", "-1"], "--delays takes days with commas between, such as 0,1,7, got '-1'"),
        (["--seeds", "one"], "--seeds takes whole numbers with commas between, such as 1,2, got 'one'"),
        (["--seeds", "1.5"], "--seeds takes whole numbers with commas between, such as 1,2, got '1.5'"),
        (["--feedback", "f.jsonl"], "belong to a log; name it with --decision_log"),
    ],
)
def test_numbers_that_a_backtest_cannot_use_are_refused_before_anything_is_read(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "backtest", *words) == 1
    assert sentence in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("shadow", "--decision-log"),
        ("evaluate", "models/shipped", "--decision_log"),
        ("drift", "models/shipped", "--decision_log"),
        ("backtest", "--decision_log"),
    ],
)
def test_a_log_that_is_not_there_is_told_by_every_command_that_reads_one(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words, "nowhere") == 1
    assert "stopline: nowhere is no folder; name the one given to" in capfd.readouterr().err


def test_records_that_are_not_feedback_are_counted_and_left_out(
    log: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = (log / "feedback.jsonl").read_bytes().splitlines()[0]
    (tmp_path / "f.jsonl").write_bytes(b"\n".join([b"{", good, b'{"txn_id": "a"}']))

    assert len(read_feedback([str(tmp_path / "f.jsonl")])) == 1
    assert "2 of 3 records are no feedback and left out; record 1" in capfd.readouterr().err


def test_feedback_is_read_from_the_topic_too(log: Path) -> None:
    lines = (log / "feedback.jsonl").read_bytes().splitlines()
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(topics.FEEDBACK, 2)])
        producer = open_producer(settings)
        for line in lines:
            producer.send(topics.FEEDBACK, line[17:27], line, (), 0)
        producer.flush()

        found = read_feedback([f"kafka://{broker.address}"])
        process.close_connections()

    assert sorted(map(msgspec.json.encode, found)) == sorted(lines)
