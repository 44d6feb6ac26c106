"""From a replayed scenario to a bundle: its decision log, its feedback, `stopline train`, `stopline card`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from console import cli
from console.recorded import of_decision_log, of_world, read_feedback
from fixtures.scenario import load
from fixtures.stream import feedback
from models.stream import NAMES, of_recorded
from pipelines import policy

WORLD = "{seed: 5, days: 14, accounts: 400, scam_rate: 0.02}"


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

    online = of_decision_log(log, leg, policy.load())

    order = np.argsort(offline.txn_id)
    place = order[np.searchsorted(offline.txn_id[order], online.txn_id)]
    assert len(online.at_us) == world.payments.num_rows
    np.testing.assert_array_equal(online.txn_id, offline.txn_id[place])
    for column, name in enumerate(NAMES[leg]):
        np.testing.assert_allclose(
            online.X[:, column], offline.X[place, column], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name
        )


def test_the_feedback_of_a_replayed_scenario_is_what_became_known_of_its_truth(log: Path) -> None:
    truth = load(str(log.parent / "world.yaml")).world().truth

    found = read_feedback([str(log / "feedback.jsonl")])

    assert found == feedback(truth)
    assert len(found) == sum(known >= 0 for known in truth["label_known_us"].to_pylist()) > 50


def test_a_bundle_trained_on_the_log_states_its_figures_and_whom_it_harms(
    log: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = log.parent / "bundle"
    words = (
        "--decision_log",
        log,
        "--feedback",
        log / "feedback.jsonl",
        "--windows",
        "5,2,2,1",
        "--trees",
        20,
    )

    assert run(monkeypatch, "train", *words, "--out", out) == 0
    assert "scams by leg" in capfd.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["credit"]["windows_days"] == {"train": 5, "validation": 2, "test": 2, "delay": 1}
    assert metrics["credit"]["scams"]["refit"] > 0
    card = (out / "card.md").read_text()
    assert "Who is harmed by a false stop" in card
    assert "Good payments held, by segment: debit leg" in card
    assert "Simulated data" not in card


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--decision_log", "none"], "has no labels of its own; add --feedback"),
        (["--decision_log", "none", "--feedback", "none.jsonl"], "none.jsonl cannot be read"),
        (["--feedback", "f.jsonl"], "belong to a decision log; name it with --decision_log"),
        (["--windows", "1,2,3"], "train,validation,test,delay in days"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_the_next_step(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", *words) == 1
    assert sentence in capfd.readouterr().err


def test_records_that_are_not_feedback_are_counted_and_left_out(
    log: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = (log / "feedback.jsonl").read_bytes().splitlines()[0]
    (tmp_path / "f.jsonl").write_bytes(b"\n".join([b"{", good, b'{"txn_id": "a"}']))

    assert len(read_feedback([str(tmp_path / "f.jsonl")])) == 1
    assert "2 of 3 records are no feedback and left out; record 1" in capfd.readouterr().err
