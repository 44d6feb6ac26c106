"""`stopline stress`, from a mixes file to the figures."""

import json

import pytest
from typer.testing import CliRunner

from console.cli import app

KEYS = {"held_on_arrival", "held_before_exit", "innocents_per_10k", "disturbed_per_victim", "oracle"}
MIX = """
tactics:
  quiet: {signals: 0, name_match: 1, mules: one_use, payee_ahead_h: [30, 50]}
  loud: {}
"""


@pytest.mark.slow
def test_figures_stand_beside_the_oracle_in_mixes_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(MIX)
    arguments = ["models/shipped", "--mixes", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "s.json")]
    small = ["--worlds", "1", "--accounts", "800", "--days", "10", "--scam-rate", "0.006"]

    done = CliRunner().invoke(app, ["stress", *arguments, *small], catch_exceptions=False)

    assert done.exit_code == 0
    found = json.loads((tmp_path / "s.json").read_text())
    for section in (
        "mix",
        "worst_tactic",
        "required_fields_only",
        "base_rate",
        "ordinary_model",
        "easy_world",
    ):
        assert set(found[section]) >= KEYS
        assert 0 <= found[section]["saved_by_delay"] <= found[section]["held_on_arrival"]
        assert 0 <= found[section]["held_on_arrival"] <= found[section]["held_before_exit"] <= 1
    assert found["mix"]["innocents_per_10k"] <= 5
    assert set(found["tactics"]) <= {"quiet", "loud"}
    assert set(found["harm"]) == {"age_band", "tenure", "institution", "age_band_debit"}
    assert found["even_by_age"]["innocents_per_10k"] <= 5.1
