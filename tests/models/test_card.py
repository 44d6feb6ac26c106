import numpy as np
import pytest

from models.learning.card import card, segments
from models.learning.plots import calibration, precision_recall, time_to_freeze, value_at_ratio
from models.learning.train import Windows, fit_leg
from schemas.units import DAY_US


@pytest.fixture(scope="module")
def leg():
    draw = np.random.default_rng(0)
    y = (draw.random(8_000) < 0.05).astype(int)
    X = draw.normal(size=(8_000, 2)) + 2 * y[:, np.newaxis]
    return fit_leg(
        X,
        y,
        ["a", "b"],
        {"loud": ["a"]},
        time=np.linspace(0, 30 * DAY_US, 8_000).astype(np.int64),
        amount=np.ones(8_000),
        windows=Windows(train=10, validation=5, test=5, delay=3),
        max_iter=20,
    )


def test_segments_count_only_good_payments_and_put_the_most_disturbed_first():
    found = segments(["young", "old", "old", "old"], [0, 0, 0, 1], [0.1, 0.9, 0.1, 0.9], 0.5)

    assert [(s.name, s.good_payments, s.innocent_holds_per_10k) for s in found] == [
        ("old", 2, 5_000.0),
        ("young", 1, 0.0),
    ]


def test_the_card_says_who_is_harmed_and_states_the_measured_figures(leg):
    found = segments(["65+", "18-24"], [0, 0], [0.9, 0.1], 0.5)
    text = card(
        "Test model",
        {"credit": leg},
        window="2026-01-01 to 2026-01-30",
        by_segment={"credit": found},
        synthetic=True,
    )

    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Test model",
        "## Intended use",
        "## Who is harmed by a false stop",
        "## Training window and label delay",
        "## Simulated data",
        "## Measured on the test days: credit leg",
        "## Why these thresholds",
        "## Good payments held, by segment: credit leg",
        "## Drift limits",
        "## Rollback",
    ]
    assert f"AUC {leg.metrics['test']['auc']:.3f}" in text
    assert f"| credit | at_5_to_1 | {leg.thresholds['at_5_to_1']:.4f} |" in text
    assert "a label counts 3 days after its payment" in text
    assert "| 65+ | 1 | 10000.00 |" in text


def test_a_model_of_real_payments_has_no_note_on_simulation(leg):
    text = card("M", {"credit": leg}, window="w", by_segment={}, synthetic=False)

    assert "Simulated" not in text


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_written_and_equal_from_run_to_run(tmp_path, suffix):
    draw = np.random.default_rng(0)
    y = (draw.random(2_000) < 0.1).astype(int)
    p = np.clip(0.1 + 0.3 * y + draw.normal(size=2_000) * 0.1, 0.001, 1)
    plots = {
        "pr": lambda path: precision_recall(path, y, p),
        "calibration": lambda path: calibration(path, y, p),
        "value": lambda path: value_at_ratio(path, y, p, np.ones(2_000)),
        "freeze": lambda path: time_to_freeze(path, [2, 5, np.nan, 90]),
    }
    for name, plot in plots.items():
        first, again = tmp_path / f"{name}.{suffix}", tmp_path / f"{name}2.{suffix}"
        plot(first)
        plot(again)

        assert first.stat().st_size > 5_000
        assert first.read_bytes() == again.read_bytes()
