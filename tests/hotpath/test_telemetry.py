"""Telemetry: counts and quantiles an operator may trust."""

import math
import threading

import numpy as np
import pytest

from pipelines import telemetry
from pipelines.telemetry import Telemetry, quantiles

NOW_US = 1_756_656_000_000_000


@pytest.fixture(autouse=True)
def _still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry.time, "time_ns", lambda: NOW_US * 1000)


def received(elapsed_ms: np.ndarray) -> np.ndarray:
    return NOW_US - np.round(elapsed_ms * 1000).astype(np.int64)


@pytest.mark.parametrize("spread", ["lognormal", "uniform", "constant", "two humps"])
def test_quantiles_are_within_2_4_percent(spread: str) -> None:
    draw = np.random.default_rng(4)
    elapsed_ms = {
        "lognormal": draw.lognormal(5, 2, 50_000).clip(0.2, 900_000),
        "uniform": draw.uniform(1, 2_000, 50_000),
        "constant": np.full(1_000, 123.456),
        "two humps": np.concatenate([draw.normal(20, 1, 9_900), draw.normal(5_000, 50, 100)]),
    }[spread]
    kept = Telemetry()
    for block in np.array_split(elapsed_ms, 7):
        kept.decided(received(block))
    truth = np.quantile(elapsed_ms, [0.5, 0.99, 0.999], method="inverted_cdf")

    np.testing.assert_allclose(quantiles(kept.histogram()), truth, rtol=0.024)


def test_no_samples_have_no_quantiles_and_two_readings_differ_by_what_was_between() -> None:
    kept = Telemetry()
    assert all(math.isnan(each) for each in quantiles(kept.histogram()))

    kept.decided(received(np.full(10, 50.0)))
    earlier = kept.histogram()
    assert quantiles(earlier).p50_ms == pytest.approx(50, rel=0.024)
    assert all(math.isnan(each) for each in quantiles(kept.histogram() - earlier))
    assert kept.counts() == {"decided": 10}


def test_clocks_that_disagree_and_ages_beyond_the_scale_stay_inside_it() -> None:
    kept = Telemetry()
    kept.decided(np.array([NOW_US + 10**9, 0, -(2**62), 9 * 10**18], np.int64))

    assert kept.counts() == {"decided": 4}
    assert 0.09 < quantiles(kept.histogram()).p50_ms < 0.11 or quantiles(kept.histogram()).p50_ms > 9e5
    assert quantiles(kept.histogram()).p999_ms == pytest.approx(1e6, rel=0.03)


def test_counts_from_many_threads_add_up() -> None:
    kept = Telemetry()
    threads = [
        threading.Thread(target=lambda: [kept.count("alerts", 1) for _ in range(2_000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kept.counts() == {"alerts": 8_000}
