"""The figures of `stopline stress`, on rows small enough to count by hand."""

import numpy as np
import pytest

from models.learning import stress
from models.learning.ordinary import COLUMNS, fit_ordinary
from models.learning.stream import LegRows
from models.learning.stress import Point, Stressed


def rows(**columns) -> Stressed:
    """One case: 100 and 300 to a mule, who moves 350 on; four good payments of two customers."""
    plain = {
        "at_us": np.arange(7) * 60_000_000,
        "value": np.array([100.0, 300, 350, 10, 10, 10, 10]),
        "good": np.array([0, 0, 0, 1, 1, 1, 1], bool),
        "scam": np.array([1, 1, 0, 0, 0, 0, 0], bool),
        "leaves": np.array([0, 0, 1, 0, 0, 0, 0], bool),
        "case": np.array([0, 0, 0, -1, -1, -1, -1]),
        "tactic": np.array(["a", "a", "a", "", "", "", ""]),
        "coached": np.zeros(7, bool),
        "payer": np.array([1, 1, 2, 3, 3, 4, 4], np.uint64),
        "age_band": np.array(["60+"] * 5 + ["18-25"] * 2),
        "tenure": np.array(["over five years"] * 7),
        "institution": np.array(["BANK"] * 7),
        "world": np.zeros(7, np.int64),
        "cleared_us": np.arange(7) * 60_000_000 + 600_000_000,
        "credit": np.array([0.9, 0.2, 0, 0.8, 0.7, 0.1, 0.1]),
        "debit": np.array([0, 0, 0.9, 0, 0, 0, 0.0]),
    }
    return Stressed(**{**plain, **columns})


def test_money_counts_once_as_it_leaves_the_victim():
    found = stress.figures(rows(), Point(credit=0.5, debit=0.5))

    assert found["held_on_arrival"] == pytest.approx(100 / 400)
    assert found["held_before_exit"] == pytest.approx(1.0)
    assert stress.figures(rows(), Point(0.5, np.inf))["held_before_exit"] == pytest.approx(100 / 400)


def test_a_customer_with_two_payments_held_is_disturbed_once():
    found = stress.figures(rows(), Point(0.5, np.inf), base_rate=0.01)

    assert found["innocents_per_10k"] == 5_000
    assert found["disturbed_per_victim"] == pytest.approx((1 / 4) * 0.99 / ((1 / 2) * 0.01))
    assert stress.figures(rows(), Point(0.95, np.inf))["disturbed_per_victim"] == np.inf


def test_a_point_holds_no_more_good_payments_than_it_may():
    of = rows()
    for budget in (0, 2_500, 5_000, 10_000):
        point = stress.point_at(of, budget, 0)
        assert stress.figures(of, point)["innocents_per_10k"] <= budget


def test_value_at_a_ratio_counts_scams_as_rare_as_they_are_in_life():
    first = rows(credit=np.array([0.9, 0.85, 0, 0.8, 0.7, 0.1, 0.1]))

    assert stress.value_at_ratio(first, 5, base_rate=0.3) == 1.0
    late = rows(credit=np.array([0.9, 0.5, 0, 0.8, 0.7, 0.1, 0.1]))
    assert stress.value_at_ratio(late, 5, base_rate=1e-4) == pytest.approx(100 / 400)


def test_wrongful_holds_last_until_somebody_frees_them():
    assert stress.waits(rows(), Point(0.5, 0.5)) == {"wrongful_holds": 2, "median_min": 10, "p95_min": 10}
    assert stress.waits(rows(), Point(0.99, 0.99))["median_min"] is None


def test_tactics_are_told_apart_beside_the_same_good_payments():
    of = stress.joined([rows(), rows(tactic=np.array(["b"] * 3 + [""] * 4), world=np.ones(7, np.int64))])
    found = stress.by_tactic(of, Point(0.5, 0.5))

    assert set(found) == {"a", "b"}
    assert found["a"]["cases"] == 1
    assert found["a"]["innocents_per_10k"] == 5_000


def test_harm_is_told_by_group_with_an_interval_around_it():
    found = stress.harm(rows(), Point(0.5, 0.5))

    assert {each["name"]: each["innocent_holds_per_10k"] for each in found["age_band"]} == {
        "60+": 10_000,
        "18-25": 0,
    }
    for each in (*found["age_band"], *found["tenure"], *found["institution"]):
        assert each["low_per_10k"] <= each["innocent_holds_per_10k"] <= each["high_per_10k"]


def test_thresholds_of_their_own_hold_as_many_good_payments_of_every_age():
    score = np.array([0.9, 0.2, 0, 0.8, 0.7, 0.3, 0.1])
    band = np.array(["60+"] * 3 + ["18-25"] * 2 + ["60+"] * 2)
    of = rows(credit=score, age_band=band)
    one = stress.point_at(of, 5_000, 0)
    alike, even = stress.harm(of, one)["age_band"], stress.evened(of, band, 5_000, 0)

    assert {each["name"]: each["innocent_holds_per_10k"] for each in alike} == {"18-25": 10_000, "60+": 0}
    held = stress.harm(even, Point(0, 0))["age_band"]
    assert {each["name"]: each["innocent_holds_per_10k"] for each in held} == {"18-25": 5_000, "60+": 5_000}
    assert stress.figures(of, one)["held_on_arrival"] == pytest.approx(100 / 400)
    assert stress.figures(even, Point(0, 0))["held_on_arrival"] == pytest.approx(1.0)


def test_a_delay_saves_what_its_victims_do_not_send_after_all_and_nothing_of_those_told_what_to_answer():
    told = rows(coached=np.array([1, 1, 0, 0, 0, 0, 0], bool))
    point = Point(0.5, np.inf)

    assert stress.figures(rows(), point)["saved_by_delay"] == pytest.approx(stress.STOPS_ASKED * 100 / 400)
    assert stress.figures(told, point)["saved_by_delay"] == 0
    assert stress.figures(told, point)["held_on_arrival"] == pytest.approx(100 / 400)


def test_the_interval_over_worlds_holds_the_ratio_and_one_world_has_none():
    worlds = [rows(world=np.full(7, seed), value=np.array([100.0 * seed, 300, 350, 9, 9, 9, 9]))
              for seed in range(1, 9)]  # fmt: skip
    counts = stress.tallies(stress.joined(worlds), Point(0.5, 0.5))
    low, high = stress.interval(counts)["held_on_arrival"]

    assert low < stress.ratios(counts)["held_on_arrival"] < high
    assert stress.interval(counts[:1]) == {}


def test_what_is_not_exceeded_lies_further_from_the_ratio_the_fewer_were_counted():
    few = stress.Tally(good=1e6, disturbed=8, scams=1_000, victims=80)
    many = stress.Tally(good=1e8, disturbed=800, scams=100_000, victims=8_000)
    ratio = stress.ratios([few], base_rate=1e-4)["disturbed_per_victim"]

    assert ratio == pytest.approx(stress.ratios([many], base_rate=1e-4)["disturbed_per_victim"])
    assert 1.8 * ratio < stress.disturbed_at_most([few], base_rate=1e-4) < 2.5 * ratio
    assert ratio < stress.disturbed_at_most([many], base_rate=1e-4) < 1.1 * ratio
    assert stress.disturbed_at_most([few._replace(victims=0)]) == float("inf")


def test_a_careful_point_holds_its_promise_in_nineteen_of_twenty_other_samples():
    draw = np.random.default_rng(1)

    def sample() -> stress.Tally:
        return stress.Tally(good=1e6, disturbed=draw.poisson(8), scams=1_000, victims=draw.poisson(80))

    true = stress.ratios([stress.Tally(good=1e6, disturbed=8, scams=1_000, victims=80)])
    kept = [stress.disturbed_at_most([sample()]) >= true["disturbed_per_victim"] for _ in range(400)]

    assert np.mean(kept) >= 0.95


def test_the_worst_tactic_is_one_with_enough_cases_where_there_is_one():
    few, many = {"held_on_arrival": 0.1, "cases": 2.0}, {"held_on_arrival": 0.5, "cases": 40.0}

    assert stress.worst({"few": few, "many": many}) == "many"
    assert stress.worst({"few": few}) == "few"


@pytest.mark.parametrize("learner", ["trees", "logistic"])
def test_the_ordinary_model_learns_from_its_columns_and_takes_missing_ones(learner):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, len(COLUMNS)))
    y = (X[:, 0] + draw.normal(0, 0.3, len(X)) > 2).astype(np.int8)
    X[:, 5] = np.nan
    X[::3, 2] = np.inf
    of = LegRows(
        txn_id=np.zeros(len(y), "S35"), at_us=np.arange(len(y)), value=np.ones(len(y)),
        features=dict.fromkeys(COLUMNS, 1), X=X, y=y,
    )  # fmt: skip

    score = fit_ordinary(of, learner)(of)

    assert score[y == 1].mean() > 5 * score[y == 0].mean()
