import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning import evaluate as ev

Y = np.array([0, 1, 0, 0, 1, 0, 0, 0])
SCORE = np.array([0.1, 0.9, 0.8, 0.2, 0.7, 0.75, 0.3, 0.0])


def test_auc_and_average_precision_of_a_small_example():
    assert ev.auc(Y, SCORE) == pytest.approx(10 / 12)
    assert ev.average_precision(Y, SCORE) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


def test_recall_counts_only_thresholds_within_the_false_positive_rate():
    assert ev.recall_at_fpr(Y, SCORE, 0.0) == 0.5
    assert ev.recall_at_fpr(Y, SCORE, 0.34) == 1.0


@pytest.mark.parametrize(("ratio", "threshold"), [(0, 0.9), (0.5, 0.9), (1, 0.7), (3, 0.0)])
def test_the_lowest_threshold_within_a_false_positive_ratio_is_taken(ratio, threshold):
    assert ev.threshold_at_ratio(Y, SCORE, ratio) == threshold


def test_an_unreachable_ratio_gives_a_threshold_that_never_fires():
    assert ev.threshold_at_ratio([1, 0, 0], [0.1, 0.9, 0.8], 1) == np.inf
    assert ev.threshold_at_ratio([0, 0], [0.1, 0.9], 5) == np.inf
    assert ev.threshold_at_ratio([], [], 5) == np.inf


def test_tied_scores_are_alerted_together():
    assert ev.threshold_at_ratio([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.1], 1) == np.inf
    assert ev.threshold_at_innocent_holds([0, 0, 1], [0.5, 0.5, 0.9], 5_000) == 0.9


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60)


@given(scored, st.sampled_from([0, 1, 5, 10]))
def test_thresholds_keep_their_ratio_and_no_lower_one_does(rows, ratio):
    y, score = (np.array(column, float) for column in zip(*rows, strict=True))
    chosen = ev.threshold_at_ratio(y, score, ratio)

    for threshold in np.unique(score):
        false = ev.false_positive_ratio(y, score, threshold)
        kept = false is not None and false <= ratio
        assert not (kept and threshold < chosen)
        assert kept or threshold != chosen


@given(scored, st.sampled_from([0, 1_000, 5_000]))
def test_thresholds_keep_their_innocent_share_and_no_lower_one_does(rows, share):
    y, score = (np.array(column, float) for column in zip(*rows, strict=True))
    chosen = ev.threshold_at_innocent_holds(y, score, share)

    for threshold in np.unique(score):
        kept = ev.innocent_holds(y, score, threshold) <= share
        assert not (kept and threshold < chosen)
        assert kept or threshold != chosen


def test_value_detection_weighs_frauds_by_their_amount():
    amount = np.array([5, 100, 5, 5, 300, 5, 5, 5])

    assert ev.value_detection(Y, SCORE, amount, 0.8) == 0.25
    assert ev.value_detection(Y, SCORE, amount, 0.0) == 1.0
    assert ev.value_detection(np.zeros(8), SCORE, amount, 0.0) == 0.0


def test_innocent_holds_are_per_ten_thousand_good_payments():
    assert ev.innocent_holds(Y, SCORE, 0.75) == pytest.approx(10_000 * 2 / 6)
    assert ev.innocent_holds([1, 1], [0.9, 0.8], 0.5) == 0.0


def test_card_precision_drops_found_cards_and_knows_its_ceiling():
    day = np.array([0, 0, 0, 0, 1, 1, 1])
    card = np.array([7, 7, 8, 9, 7, 8, 9])
    y = np.array([0, 1, 0, 0, 1, 0, 1])
    score = np.array([0.1, 0.9, 0.8, 0.2, 0.95, 0.9, 0.8])

    found = ev.card_precision(day, card, y, score, k=2)

    # Day 0: cards 7 (defrauded) and 8. Day 1: 7 is out; 8 and 9, 9 is defrauded.
    assert found.value == 0.5
    assert found.ceiling == 0.5


def test_a_calibrated_score_has_equal_predicted_and_observed_shares():
    draw = np.random.default_rng(0)
    p = draw.random(200_000)
    table = ev.calibration_table(draw.random(200_000) < p, p)

    assert [group.rows for group in table] == [20_000] * 10
    for group in table:
        assert group.predicted == pytest.approx(group.observed, abs=0.02)


def test_psi_is_zero_for_itself_and_large_for_a_shift():
    draw = np.random.default_rng(0)
    same, other = draw.normal(size=(2, 50_000))

    assert ev.psi(same, same) == 0
    assert ev.psi(same, other) < 0.01
    assert ev.psi(same, other + 1) > 0.25


def test_psi_sees_values_that_go_missing():
    values = np.random.default_rng(0).normal(size=10_000)
    holes = values.copy()
    holes[:5_000] = np.nan

    assert ev.psi(values, holes) > 0.25
    assert np.isfinite(ev.psi(np.full(10, np.nan), values))


def test_the_stability_index_of_weighted_rows_is_that_of_rows_repeated_as_often():
    draw = np.random.default_rng(5)
    one, other, weight = draw.random(500), draw.random(500) ** 1.3, draw.integers(1, 11, 500)
    repeated = ev.psi(np.repeat(one, weight), np.repeat(other, weight))

    assert ev.psi(one, other, expected_weight=weight, actual_weight=weight) == pytest.approx(
        repeated, rel=0.05
    )
    even = ev.psi(one, other, expected_weight=np.ones(500), actual_weight=np.ones(500))
    assert even == pytest.approx(ev.psi(one, other), rel=0.05)


@pytest.mark.parametrize("cap", [1.0, 0.95, 0.5])
def test_psi_sees_values_that_leave_a_cap_as_it_sees_those_that_come_to_it(cap):
    draw = np.random.default_rng(3)
    capped = np.where(draw.random(10_000) < cap, 3.0, draw.random(10_000) * 3)
    fallen = np.where(capped == 3.0, 0.0, capped)

    assert ev.psi(capped, fallen) > 1
    assert ev.psi(fallen, capped) > 1
    assert ev.psi(capped, draw.permutation(capped)) == 0
