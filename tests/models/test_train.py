import numpy as np
import pytest
from sklearn.utils.stats import _weighted_percentile

from models.learning.evaluate import average_precision
from models.learning.train import (
    DAY_US,
    Apart,
    Windows,
    by_value,
    fit_classifier,
    fit_leg,
    measure,
    median_good,
    operating_points,
    probability,
    rows_digest,
    sorted_percentile,
    time_split,
)
from models.scoring.bundle import save
from schemas.errors import ModelError

WINDOWS = Windows(train=20, validation=5, test=5, delay=3)


def rare_scams(rows: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ten noisy features of which two matter, at a share of scams."""
    draw = np.random.default_rng(seed)
    y = (draw.random(rows) < share).astype(int)
    X = draw.normal(size=(rows, 10))
    X[:, 0] += 2 * y
    X[:, 1] += 1.5 * y
    return X, y


def stream(days: float = 40, rows: int = 20_000) -> dict:
    X, y = rare_scams(rows, 0.02)
    return {
        "X": X,
        "y": y,
        "features": {f"f{i}": 1 for i in range(10)},
        "groups": {"loud": ["f0"], "other": ["f1", "f2"]},
        "time": np.linspace(0, days * DAY_US, rows).astype(np.int64),
        "amount": np.full(rows, 10.0),
    }


@pytest.mark.slow
def test_safe_settings_hold_where_scikit_learn_s_defaults_collapse():
    X, y = rare_scams(60_000, 0.003)
    Xt, yt = rare_scams(60_000, 0.003, seed=1)
    defaults = {
        "learning_rate": 0.1,
        "max_iter": 100,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 0,
    }

    safe = average_precision(yt, fit_classifier(X, y).predict_proba(Xt)[:, 1])
    collapsed = average_precision(yt, fit_classifier(X, y, **defaults).predict_proba(Xt)[:, 1])

    assert safe > 1.5 * collapsed


def test_labels_of_one_class_are_refused():
    with pytest.raises(ModelError, match="widen the training window"):
        fit_classifier(np.zeros((10, 1)), np.zeros(10))


def test_no_label_is_used_before_it_is_known():
    day = np.arange(60) + 0.5
    split = time_split(day, test_start=50, windows=WINDOWS)

    assert day[split.test].tolist() == [50.5, 51.5, 52.5, 53.5, 54.5]
    assert day[split.validation].tolist() == [42.5, 43.5, 44.5, 45.5, 46.5]
    assert (day[split.train].min(), day[split.train].max()) == (19.5, 38.5)
    assert (day[split.refit].min(), day[split.refit].max()) == (27.5, 46.5)


def test_labels_of_the_test_days_and_of_the_delay_before_them_change_nothing_in_the_model():
    rows = stream()
    hidden = rows["time"] >= (40 - 5 - 3) * DAY_US
    poisoned = {**rows, "y": np.where(hidden, 1 - rows["y"], rows["y"])}

    honest, other = (fit_leg(**r, windows=WINDOWS, max_iter=20) for r in (rows, poisoned))

    np.testing.assert_array_equal(
        probability(honest.classifier, rows["X"]), probability(other.classifier, rows["X"])
    )
    assert honest.thresholds == other.thresholds
    assert honest.metrics["test"] != other.metrics["test"]


def test_the_order_of_rows_does_not_change_the_windows():
    rows = stream()
    shuffled = np.random.default_rng(0).permutation(len(rows["y"]))
    mixed = {name: rows[name][shuffled] for name in ("X", "y", "time", "amount")}

    assert (
        fit_leg(**rows, windows=WINDOWS, max_iter=5).metrics["rows"]
        == fit_leg(**{**rows, **mixed}, windows=WINDOWS, max_iter=5).metrics["rows"]
    )


def test_the_more_scams_a_leg_learns_from_the_more_each_leaf_is_held_back_unless_told_otherwise():
    few = fit_leg(**stream(rows=5_000), windows=WINDOWS, max_iter=1)
    many = fit_leg(**stream(rows=100_000), windows=WINDOWS, max_iter=1)
    told = fit_leg(**stream(rows=5_000), windows=WINDOWS, max_iter=1, l2_regularization=7.0)

    assert few.metrics["scams"]["refit"] / 50 < 3 < many.metrics["scams"]["refit"] / 50 < 30
    assert few.classifier.l2_regularization == 3
    assert many.classifier.l2_regularization == many.metrics["scams"]["refit"] / 50
    assert told.classifier.l2_regularization == 7


def test_a_trained_leg_becomes_a_bundle_with_measured_points(tmp_path):
    parts = fit_leg(**stream(), windows=WINDOWS, max_iter=30)
    bundle = save(
        tmp_path / "b",
        {"credit": parts, "debit": parts},
        card="",
        training_data="",
        git_commit="",
        created=0,
    )

    test = parts.metrics["test"]
    assert test["auc"] > 0.9
    assert (
        test["points"]["at_10_to_1"]["value_detection"] >= test["points"]["at_5_to_1"]["value_detection"] > 0
    )
    assert test["points"]["innocent_5_per_10k"]["innocent_holds_per_10k"] < 50
    assert set(bundle.credit.thresholds) == {
        "at_5_to_1",
        "at_10_to_1",
        "innocent_1_per_100k",
        "innocent_1_per_10k",
        "innocent_2_per_10k",
        "innocent_5_per_10k",
    }


@pytest.mark.slow
def test_probabilities_are_calibrated_without_further_steps():
    X, y = rare_scams(100_000, 0.02)
    Xt, yt = rare_scams(100_000, 0.02, seed=1)
    p = probability(fit_classifier(X, y), Xt)

    top = measure(yt, p, np.ones(len(yt)), {})["calibration"][-1]
    assert top["predicted"] == pytest.approx(top["observed"], rel=0.15)


def test_too_few_days_are_refused_with_the_empty_window_named():
    with pytest.raises(ModelError, match="train window empty"):
        fit_leg(**stream(days=12), windows=WINDOWS)


def test_a_feature_that_most_good_payments_lack_is_missing_in_the_baseline():
    X = np.array([[1.0, np.nan], [3.0, np.nan], [2.0, 5.0], [100.0, 9.0]])

    np.testing.assert_array_equal(median_good(X, [0, 0, 0, 1]), [2.0, np.nan])


@pytest.mark.slow
def test_operating_points_keep_their_promise_on_the_rows_they_were_chosen_on():
    X, y = rare_scams(30_000, 0.02)
    p = probability(fit_classifier(X, y), X)
    points = measure(y, p, np.ones(len(y)), operating_points(y, p))["points"]

    assert points["at_5_to_1"]["false_per_true"] <= 5
    assert points["at_10_to_1"]["false_per_true"] <= 10
    assert points["innocent_1_per_10k"]["innocent_holds_per_10k"] <= 1
    assert points["innocent_5_per_10k"]["innocent_holds_per_10k"] <= 5


def test_measures_without_frauds_are_none_and_not_an_error():
    report = measure(np.zeros(50), np.linspace(0, 1, 50), np.ones(50), {"p": 0.9})

    assert report["auc"] is None
    assert report["points"]["p"]["false_per_true"] is None


def test_the_rows_digest_changes_with_any_value_type_or_shape():
    a = np.arange(6.0)
    digests = {rows_digest(x) for x in (a, a + 1, a.astype(np.float32), a.reshape(2, 3))}

    assert len(digests) == 4
    assert rows_digest(a) == rows_digest(a.copy())


@pytest.mark.parametrize("weights", [np.ones(100), np.random.default_rng(0).choice([1.0, 10.0], 100)])
def test_weighted_percentiles_of_sorted_values_are_those_of_scikit_learn(weights):
    values = np.sort(np.random.default_rng(1).normal(size=100))

    for rank in np.linspace(0, 100, 41)[1:-1]:
        expected = _weighted_percentile(values, weights, rank, average=True)
        assert sorted_percentile(values, weights, rank, average=True) == pytest.approx(expected)


@pytest.mark.parametrize("column", [np.nan, 7.0], ids=["nobody sends it", "one value only"])
def test_a_column_that_tells_nothing_is_passed_over(column):
    rows = stream(rows=6_000)
    rows["X"][:, 3] = column

    parts = fit_leg(**rows, windows=WINDOWS, max_iter=10)
    other = rows["X"].copy()
    other[:, 3] = np.linspace(-9, 9, len(other))

    assert parts.metrics["test"]["auc"] > 0.9
    np.testing.assert_array_equal(
        probability(parts.classifier, rows["X"]), probability(parts.classifier, other)
    )


def test_a_column_known_in_a_handful_of_many_rows_is_passed_over():
    X, y = rare_scams(250_000, 0.01)
    X[:, 3] = np.nan
    X[7, 3] = 1.0

    trees = fit_classifier(X[:, [0, 3]], y, sample_weight=np.ones(len(y)), max_iter=2)

    assert np.unique(probability(trees, np.array([[0.0, 1.0], [0.0, 5.0], [0.0, np.nan]]))).size == 1


def test_ten_scams_make_a_model_that_says_on_how_little_it_stands():
    rows = stream(rows=20_000)
    day = rows["time"] / DAY_US
    kept = np.flatnonzero((rows["y"] == 1) & (day > 28) & (day < 32))[:10]
    rows["y"] = np.isin(np.arange(len(day)), kept).astype(int)

    parts = fit_leg(**rows, windows=WINDOWS, max_iter=10)

    assert parts.metrics["scams"] == {"train": 0, "validation": 10, "refit": 10, "test": 0}
    assert parts.metrics["thresholds_seen_in_training"]
    assert np.isfinite(parts.thresholds["innocent_5_per_10k"])
    assert parts.metrics["test"]["auc"] is None


@pytest.mark.slow
def test_a_point_that_no_score_reaches_is_named():
    rows = stream(rows=6_000)
    day = rows["time"] / DAY_US
    rows["y"] = np.where((day > 26) & (day < 33), 0, rows["y"])

    parts = fit_leg(**rows, windows=WINDOWS, max_iter=10)

    assert {"at_10_to_1", "at_5_to_1"} <= set(parts.metrics["points_that_cannot_fire"])
    assert parts.thresholds["at_5_to_1"] == np.inf


def test_few_true_alerts_ask_for_a_higher_score_than_the_same_share_of_many():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    y = np.array([1, 0, 0, 0, 0, 0, 1])

    few = operating_points(y, score)["at_5_to_1"]
    many = operating_points(np.repeat(y, 50), np.repeat(score, 50))["at_5_to_1"]

    assert few > many == 0.3


@pytest.mark.slow
def test_scams_nobody_reported_do_not_push_the_thresholds_up():
    X, y = rare_scams(60_000, 0.01)
    Xt, truth = rare_scams(60_000, 0.01, seed=1)
    draw = np.random.default_rng(2)
    found, found_too = (np.where(draw.random(len(of)) < 0.7, of, 0) for of in (y, truth))
    p = probability(fit_classifier(X, found), Xt)

    naive = operating_points(found_too, p)["innocent_5_per_10k"]
    corrected = operating_points(found_too, p, reported=True)["innocent_5_per_10k"]
    right = operating_points(truth, p)["innocent_5_per_10k"]

    held, of_all = ((p >= point) & (truth == 1) for point in (corrected, right))
    assert held.sum() > 0.8 * of_all.sum() > 0
    assert naive > corrected
    at = measure(truth, p, np.ones(len(p)), {"it": corrected})["points"]["it"]
    assert at["innocent_holds_per_10k"] < 20


@pytest.mark.slow
def test_of_few_good_payments_more_score_below_a_point_of_innocent_holds_than_it_allows():
    draw = np.random.default_rng(0)

    def held(rows: int) -> float:
        score = draw.random(rows)
        least = operating_points(np.zeros(rows), score)["innocent_5_per_10k"]
        return 10_000 * float((score >= least).mean())

    assert held(40_000) < 4.5
    assert held(40_000) < held(4_000_000) <= 5


def test_a_scam_weighs_about_as_its_amount_and_scams_together_as_many_as_there_are():
    y, amount = np.array([0, 1, 1, 1, 0]), np.array([1e9, 1_000.0, 10_000.0, 100_000.0, 5.0])

    weight = by_value(y, amount)

    assert weight[y == 0].tolist() == [1, 1]
    assert weight[y == 1].sum() == pytest.approx(3)
    assert weight[1] < weight[2] < weight[3] < 10 * weight[2]


@pytest.mark.slow
def test_trees_that_learn_by_value_put_the_larger_of_two_doubtful_payments_first():
    draw = np.random.default_rng(2)
    rows = 30_000
    amount = np.exp(draw.normal(8, 1.5, rows))
    y = (draw.random(rows) < 0.02).astype(np.int8)
    parts = fit_leg(
        X=np.log(amount)[:, None], y=y, features={"amount": 1}, groups={"AMOUNT_UNUSUAL": ["amount"]},
        time=np.linspace(0, 40, rows) * DAY_US, amount=amount, windows=WINDOWS, max_iter=40,
    )  # fmt: skip

    small, large = probability(parts.classifier, np.log([[500.0], [50_000.0]]))

    assert large > 5 * small


def test_thresholds_are_chosen_on_rows_apart_where_there_are_any():
    X, y = rare_scams(50_000, 0.01, seed=9)
    rows = {**stream(), "groups": {"CONTEXT": ["f0"]}}

    parts = fit_leg(**rows, windows=WINDOWS, max_iter=20, apart=Apart(X, y, np.ones(len(y))))

    score = probability(parts.classifier, X)
    assert parts.metrics["thresholds_from_rows_apart"] == len(y)
    assert parts.thresholds == operating_points(y, score, np.ones(len(y)))
