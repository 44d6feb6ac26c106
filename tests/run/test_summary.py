"""The stress figures beside a bundle, and what `demo` and `card` make of them."""

import pytest

from console.lab import summary
from console.views.demo import beside
from schemas.errors import ConfigError

FIGURES = {
    "held_on_arrival": 0.5, "held_before_exit": 0.75, "innocents_per_10k": 4.9, "disturbed_per_victim": 50.0,
    "oracle": 0.8, "interval": {},
}  # fmt: skip


def found(version: str) -> dict:
    return {"bundle": version, "mixes": "test", **dict.fromkeys(summary.SECTIONS, FIGURES)}


def test_figures_are_kept_with_their_command_and_day_and_shown_by_demo_and_card(tmp_path):
    summary.keep(tmp_path, found("abc"), command="stopline stress models/shipped", day="2026-11-30")

    kept = summary.kept(tmp_path, "abc")

    assert kept is not None
    for said in (beside(kept), "\n".join(summary.lines(kept))):
        assert "stopline stress models/shipped" in said
        assert "2026-11-30" in said
        assert "50" in said
        assert "75" in said


def test_figures_of_another_bundle_are_not_shown(tmp_path):
    assert summary.kept(tmp_path, "abc") is None
    summary.keep(tmp_path, found("abc"), command="x", day="y")

    assert summary.kept(tmp_path, "def") is None
    assert "stopline stress" in beside(None)


def test_damaged_figures_are_refused_with_the_command_that_mends_them(tmp_path):
    (tmp_path / summary.NAME).write_text("{")

    with pytest.raises(ConfigError, match="measure again with `stopline stress"):
        summary.kept(tmp_path, "abc")
