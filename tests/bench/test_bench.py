"""The harness itself: rates, growth, quantiles, verdicts, and a baseline that computes what we compute."""

import itertools
import math
import multiprocessing
import shutil

import msgspec
import numpy as np
import pytest

from fixtures.world import simulate
from models import SHIPPED
from pipelines import policy
from pipelines.telemetry import Latency
from schemas.payment import Payment
from tests.bench import alerts, baseline, figures, hostile, load, native, profile
from tests.bench.child import Child, answer
from tests.bench.job import Sample

SMALL = load.World(seed=3, days=2, accounts=300)
UNKNOWN = Latency(math.nan, math.nan, math.nan)


def sample(at_s: float, decided: int = 0, *, cpu_s: float = 0.0, rss_mb: float = 0.0) -> Sample:
    return Sample(at_s, decided, decided, {"decided": decided}, cpu_s, cpu_s / 2, rss_mb, UNKNOWN)


def messages(count: int) -> list[bytes]:
    return [value for _, value, _ in load.stream(SMALL, count)]


def payments(count: int) -> list[Payment]:
    return [msgspec.json.decode(message, type=Payment) for message in messages(count)]


def test_a_rate_counts_from_a_share_of_the_backlog_to_its_last_message() -> None:
    samples = [
        sample(0.0), sample(50.0, 50, cpu_s=40.0), sample(51.0, 100, cpu_s=41.0),
        sample(53.0, 900, cpu_s=43.0), sample(54.0, 1_000, cpu_s=44.0), sample(99.0, 1_000, cpu_s=99.0),
    ]  # fmt: skip

    found = figures.rate(samples, total=1_000, skip=0.1)

    assert found.events_per_s == pytest.approx(900 / 3)
    assert found.cpu_us == pytest.approx(3 / 900 * 1e6)
    assert found.thread_us == pytest.approx(1.5 / 900 * 1e6)


def test_a_rate_of_one_jump_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        figures.rate([sample(0.0), sample(1.0, 1_000)], total=1_000, skip=0.1)


def test_growth_leaves_out_the_first_fifth_and_does_not_mind_a_spike() -> None:
    memory = [900.0 if second < 20 else 500.0 + second / 10 for second in range(101)]
    memory[100] = 5_000.0

    grown = figures.growth_mb([sample(float(second), rss_mb=mb) for second, mb in enumerate(memory)])

    assert grown == pytest.approx(7.2, abs=0.1)


def test_quantiles_are_those_of_the_samples_and_none_without_any() -> None:
    assert figures.quantiles(list(range(1_001))) == {"p50": 500.0, "p99": 990.0, "p999": 999.0}
    assert figures.quantiles([]) == {"p50": None, "p99": None, "p999": None}


def test_a_warning_is_timed_from_when_its_payment_was_due_in_its_own_lap() -> None:
    sent = load.Sent(4, {}, 1.0, 1.0, events_us=np.arange(10, 50, 10), due_us=np.arange(4) * 1_000)
    seen = [(10, 500), (30, 2_250), (40, 3_750), (41, 9_000)]  # before those that count, two, and nobody's

    assert alerts.delays_ms(seen, sent, since_us=2_000) == [0.25, 0.75]
    assert alerts.delays_ms([], sent, since_us=0) == []


def test_a_bar_is_reached_or_not_and_a_figure_that_is_missing_never_reaches_it() -> None:
    report = {
        "events_per_s": 100_000, "ratio": 29.9, "offered_per_s": 20_000, "latency_ms": {"p99": None},
        "rss_growth_mb": -3.0,
    }  # fmt: skip

    with_clues = report | {"clues": True, "severity_4_latency_ms": {"p99": 1_001.0}}
    assert [bar.reached for bar in figures.bars(report)] == [True, False, False, True]
    assert [bar.reached for bar in figures.bars(with_clues)] == [True, False, False, True, False]


def test_laps_repeat_the_same_accounts_later_and_end_before_now() -> None:
    lap = simulate(SMALL.seed, SMALL.days, SMALL.accounts).payments.num_rows
    twice = payments(lap + 5)
    first, again = twice[:5], twice[lap:]

    assert [(a.debtor, a.amount_minor) for a in first] == [(b.debtor, b.amount_minor) for b in again]
    assert twice[lap].accepted_at_us - twice[0].accepted_at_us == SMALL.days * load.DAY_US
    assert all(a.accepted_at_us <= b.accepted_at_us for a, b in itertools.pairwise(twice))
    assert all(
        (each.payee_added_at_us, each.limit_changed_at_us) == (-1, -1)
        or max(each.payee_added_at_us, each.limit_changed_at_us) <= each.accepted_at_us
        for each in twice
    )


@pytest.mark.slow
def test_the_baseline_computes_the_same_features() -> None:
    assert baseline.difference(messages(2_500), policy.load()) < 1e-6  # suspicions have four octets


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, native.TOOLS)), reason="needs cargo")
def test_the_native_rival_computes_the_same_features_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = messages(2_500)

    assert native.hindered() is None
    assert native.difference(sent, SHIPPED, policy.load()) < 1e-6
    monkeypatch.setattr(native.card, "INTERCEPT", 1.0)  # told to the rival, and ours is compiled
    assert native.difference(sent, SHIPPED, policy.load()) > 1e-3


def test_the_comparison_notices_a_baseline_that_computes_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baseline, "HORIZONS_S", [3601.0, *baseline.HORIZONS_S[1:]])

    assert baseline.difference(messages(500), policy.load()) > 1e-6


def test_a_profile_names_files_and_stages_and_subtracts_an_earlier_reading() -> None:
    profiler = profile.Profiler()
    profiler.call(messages, 10)
    before = profiler.times()
    profiler.call(figures.quantiles, list(range(100_000)))
    spent = profile.since(profiler.times(), before)
    calls = {(file, name): each.calls for (file, name, _), each in spent.items()}

    assert calls["tests/bench/figures.py", "quantiles"] == 1
    assert calls["tests/bench/test_bench.py", "messages"] == 0
    assert set(profile.stages(spent)) == set(profile.STAGES)


@pytest.mark.parametrize(("file", "function"), profile.STAGES.values())
def test_every_stage_of_a_profile_names_a_function_that_is_there(file: str, function: str) -> None:
    assert f"def {function}(" in (profile.ROOT / file).read_text(encoding="utf-8")


def double(number: int, to: "multiprocessing.connection.Connection") -> None:
    to.send(2 * number)


def fail(to: "multiprocessing.connection.Connection") -> None:
    raise SystemExit(3)


@pytest.mark.slow
def test_a_child_answers_and_one_that_ends_without_is_named() -> None:
    assert answer(double, 21) == 42
    with Child(fail) as child, pytest.raises(RuntimeError, match="fail ended with code 3"):
        child.receive()


@pytest.mark.slow
def test_new_and_hostile_tokens_go_through_the_hot_path_and_are_forgotten_at_the_bound() -> None:
    for kind in hostile.TOKENS:
        found = hostile.measure(kind, 45_000, 10_000, chunks=2)
        assert found.forgotten > 20_000
        assert found.rss_peak_mb - found.rss_before_mb < found.bound_mb
