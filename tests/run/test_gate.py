"""No bundle acts that cannot, or that is worse than the one that acts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from console.cli import app
from console.lab import gate
from console.lab.gate import Compared, require_passed, silent_points
from models import SHIPPED
from models.scoring.bundle import Bundle, load
from pipelines import policy
from schemas.errors import ConfigError
from tests.hotpath.test_serving import variant


def test_a_candidate_that_holds_less_beyond_chance_is_named_with_both_shares() -> None:
    sent = np.full(200, 10.0)
    held, half = sent.copy(), np.where(np.arange(200) < 100, 10.0, 0.0)

    assert Compared("the log", sent, half, held).worse() == (
        "the log: 50.0% of scam value held, the live bundle 100.0%"
    )
    assert Compared("the log", sent, held, half).worse() == ""


def test_a_difference_that_one_scam_makes_is_chance() -> None:
    sent = np.array([1_000.0, *np.full(30, 10.0)])
    live, candidate = sent.copy(), sent.copy()
    candidate[0] = 0

    assert Compared("the log", sent, candidate, live).worse() == ""


def deaf(bundle: Bundle) -> Bundle:
    never = dict.fromkeys(bundle.credit.thresholds, float("inf"))
    return replace(bundle, credit=replace(bundle.credit, thresholds=never))


def test_a_bundle_whose_points_cannot_fire_is_refused_with_the_outcome() -> None:
    rules, shipped = policy.load(), load(SHIPPED)

    assert silent_points(shipped, rules) == []
    with pytest.raises(ConfigError, match="DELAY on credit legs can never be reached"):
        require_passed(deaf(shipped), None, rules)


def test_a_bundle_passes_beside_itself_and_a_blind_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, shipped = policy.load(), load(SHIPPED)
    small = gate.FROZEN._replace(worlds=1, accounts=1_500, scam_rate=0.008)
    monkeypatch.setattr(gate.in_frozen_worlds, "__defaults__", (small,))
    require_passed(shipped, shipped, rules)
    blind = replace(shipped, debit=replace(shipped.debit, trees=shipped.credit.trees))
    blind = replace(blind, debit=replace(blind.debit, features=shipped.credit.features))

    with pytest.raises(ConfigError, match="debit legs of stress world 90001"):
        require_passed(blind, shipped, rules)


def test_a_reason_passes_the_gate_and_is_recorded(tmp_path: Path) -> None:
    places = ["--registry", str(tmp_path / "r"), "--key", str(tmp_path / "k.jwk")]

    def command(*words: str) -> str:
        done = CliRunner().invoke(app, ["registry", *words, *places], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    command("keygen")
    command("promote", str(SHIPPED))
    command("promote", str(variant(SHIPPED, tmp_path / "new")), "--force", "the live one is on fire")

    (line,) = (tmp_path / "r" / "forced.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "the live one is on fire"
