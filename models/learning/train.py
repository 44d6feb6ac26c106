"""Training: one classifier with settings that hold at very low fraud rates, and splits that respect time."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting import binning

from models.features import fields
from models.learning import evaluate
from models.learning.disguise import disguised
from models.scoring.bundle import FloatArray, LegParts
from models.scoring.trees import Trees
from schemas.errors import ModelError
from schemas.internals import Change, change
from schemas.units import DAY_US

# At 0.1-1 % frauds scikit-learn's defaults collapse: a leaf of 20 rows with one fraud takes an almost
# unbounded step. Small steps, large leaves and a penalty hold (shown by tests/models/test_train.py). Early
# stopping would draw its validation rows at random, across time.
SAFE_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 150,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
}

# Of the legs' features, chosen on simulated worlds. Most of what one tells the others tell too, and trees
# that may always take the best learn little of the rest.
LEG_SETTINGS: dict[str, Any] = {"learning_rate": 0.1, "max_features": 0.3}

#: A scam weighs as this power of its amount, at most so many times as much as the mean one: chosen on the mix
#: `choose`.
VALUE_POWER, VALUE_MOST = 0.75, 10.0

#: A column known in no more than this share of rows is passed over.
LEAST_KNOWN = 1e-4

BoolArray = NDArray[np.bool_]

#: From a time, microseconds UTC, to the labels known by then: 1 scam, 0 good, -1 not to be used.
Known = Callable[[float], NDArray[np.int8]]


def sorted_percentile(values: FloatArray, weight: FloatArray, rank: float, average: bool) -> float:
    """Return the weighted percentile of sorted values: "averaged_inverted_cdf" of Hyndman and Fan (1996)."""
    below = np.cumsum(weight)
    wanted = rank / 100 * below[-1]
    place = min(int(np.searchsorted(below, wanted)), len(values) - 1)
    above = min(place + 1, len(values) - 1) if average and below[place] == wanted else place
    return float(values[place] + values[above]) / 2


change(
    "scikit-learn",
    "1.9",
    # It sorts a weighted column, sorted already, anew for each of its 254 thresholds.
    [Change(binning, "_weighted_percentile", sorted_percentile, "training takes minutes more")],
)


def fit_classifier(
    X: ArrayLike, y: ArrayLike, *, seed: int = 0, sample_weight: ArrayLike | None = None, **grid: Any
) -> HistGradientBoostingClassifier:
    """Fit boosted trees to `X`, float[n, k] with nan for missing, and `y`, 0 or 1 per row.

    A column known in no more than `LEAST_KNOWN` of rows (a field that nobody sends) is passed over: no tree
    asks for it. `grid`
    overrides single settings of `SAFE_SETTINGS`.

    Raises:
        ModelError: the labels do not hold both classes.

    """
    classes = np.unique(np.asarray(y)).tolist()
    if classes != [0, 1]:
        raise ModelError(f"Training needs labels 0 and 1, got {classes}; widen the training window.")
    classifier = HistGradientBoostingClassifier(**{**SAFE_SETTINGS, **grid}, random_state=seed)
    count = evaluate.weights(sample_weight, len(np.asarray(y)))
    return classifier.fit(_with_values(np.asarray(X), count), y, sample_weight=sample_weight)


def _with_values(X: NDArray[Any], weight: FloatArray) -> NDArray[Any]:
    """Return `X` with zeros in columns that hold almost no value.

    scikit-learn 1.9.1 bins 200,000 rows drawn by weight, and fails on a column without a value among them.
    """
    least = LEAST_KNOWN * weight.sum()
    empty = np.array([weight[~np.isnan(column)].sum() <= least for column in X.T], bool)
    if empty.any():
        X = X.copy(order="F")
        X[:, empty] = 0.0
    return X


def leaf_penalty(scams: int) -> float:
    """Return the `l2_regularization` of a leg's fit: one for each fifty scams, at least 3, at most 30.

    On simulated worlds 3 to 10 found most with a hundred scams to learn from, 30 with two thousand and more.
    """
    return min(max(scams / 50, 3.0), 30.0)


def by_value(y: ArrayLike, amount: ArrayLike) -> FloatArray:
    """Return how much each row weighs by its amount, float64[n]: good ones 1, scams 1 in the mean.

    Where a few of 10,000 good payments may be held, most money is held if what ranks payments is the chance
    of a scam times about its amount.
    """
    y, amount = np.asarray(y), np.asarray(amount, np.float64)
    value = np.maximum(amount[y == 1], 1.0) ** VALUE_POWER
    weight: FloatArray = np.ones(len(y))
    weight[y == 1] = np.minimum(value / value.mean(), VALUE_MOST) if len(value) else 1.0
    return weight


@dataclass(frozen=True)
class TimeSplit:
    """Row masks of one evaluation.

    Fit on `train`, choose thresholds and settings on `validation`, fit again on `refit`, report on `test`.
    """

    train: BoolArray
    validation: BoolArray
    refit: BoolArray
    test: BoolArray


@dataclass(frozen=True)
class Windows:
    """Lengths in days of the parts of a time split; `delay` is how long a label takes to become known."""

    train: float = 63
    validation: float = 7
    test: float = 7
    delay: float = 7


def time_split(day: ArrayLike, *, test_start: float, windows: Windows = Windows()) -> TimeSplit:
    """Split rows by their `day` so that no label is used before it is known.

        train ... delay ... validation ... delay ... test
                     refit ............... delay ... test

    `train` and `refit` are equally long, the delay stands before validation as before the test.
    """
    day = np.asarray(day)
    known = test_start - windows.delay
    validation_start = known - windows.validation
    train_end = validation_start - windows.delay

    def between(first: float, end: float) -> BoolArray:
        return np.asarray((day >= first) & (day < end))

    return TimeSplit(
        train=between(train_end - windows.train, train_end),
        validation=between(validation_start, known),
        refit=between(known - windows.train, known),
        test=between(test_start, test_start + windows.test),
    )


class Apart(NamedTuple):
    """Rows to choose thresholds on that no tree has seen, of other worlds than those trained on.

    Attributes:
        X: features, float64[n, k], columns as in training.
        y: 1 for a scam, 0 for good, int8[n].
        weight: how many payments of life each row stands for, float64[n].

    """

    X: FloatArray
    y: NDArray[np.int8]
    weight: FloatArray


def operating_points(
    y: ArrayLike, score: ArrayLike, weight: evaluate.Weight = None, *, reported: bool = False
) -> dict[str, float]:
    """Return the named thresholds of a bundle, chosen on the rows of a validation window.

    Ratios count as many true alerts as are certain at 80 %. Where the labels are what people
    `reported` and found out, innocent holds count an unlabelled row by the chance that it is innocent
    (`evaluate.innocence`): scams nobody reported stand at the top of the scores, and counted as innocent
    they would push every threshold above all others. Innocent holds, too, count at the upper bound of what
    their number tells at 80 %, where the rows are enough for any.
    """
    innocent = evaluate.innocence(y, score, weight) if reported else weight
    return {
        "at_5_to_1": evaluate.threshold_at_ratio(y, score, 5, weight, certain=True),
        "at_10_to_1": evaluate.threshold_at_ratio(y, score, 10, weight, certain=True),
        "innocent_1_per_100k": _at_innocent_holds(y, score, 0.1, innocent),
        "innocent_1_per_10k": _at_innocent_holds(y, score, 1, innocent),
        "innocent_2_per_10k": _at_innocent_holds(y, score, 2, innocent),
        "innocent_5_per_10k": _at_innocent_holds(y, score, 5, innocent),
    }


def _at_innocent_holds(y: ArrayLike, score: ArrayLike, per_10_000: float, innocent: evaluate.Weight) -> float:
    sure = evaluate.threshold_at_innocent_holds(y, score, per_10_000, innocent, certain=True)
    if np.isfinite(sure):
        return sure
    return evaluate.threshold_at_innocent_holds(y, score, per_10_000, innocent)


def fit_leg(
    X: FloatArray,
    y: ArrayLike,
    features: Mapping[str, int],
    groups: Mapping[str, Sequence[str]],
    *,
    time: ArrayLike,
    amount: ArrayLike,
    known: Known | None = None,
    weight: evaluate.Weight = None,
    windows: Windows = Windows(),
    seed: int = 0,
    apart: Apart | None = None,
    **grid: Any,
) -> LegParts:
    """Train one leg on rows up to now, and measure it on the newest `windows.test` days.

    Thresholds come from the validation days of a first fit, the shipped trees from a second fit on everything
    whose label was known before the test days, the metrics from the test days alone. Trees grown on log-loss
    give probabilities, tilted towards large amounts (`by_value`); the metrics hold their calibration table.

    Args:
        X: float64[n, k], nan for missing, columns in the order of `features`.
        y: int[n], 1 for a scam, 0 for good, -1 for a row to leave out; all that is known today.
        features: name -> version of each column.
        groups: reason code -> names of the features that speak for it.
        time: int64[n], event time in microseconds UTC, any order.
        amount: float[n], value of each payment in one currency.
        known: what was known at an earlier time; None if `y` was known once `windows.delay` had passed.
        weight: how many payments each row stands for; None is one.
        windows: lengths of the split.
        seed: seed of the trees' binning.
        apart: rows to choose the thresholds on instead of the validation days.
        grid: settings that override `LEG_SETTINGS`, `leaf_penalty` and `SAFE_SETTINGS`.

    Raises:
        ModelError: a window holds no rows, or the days before the test no scam or no good payment.

    """
    y, amount = np.asarray(y, np.int8), np.asarray(amount, np.float64)
    day = np.asarray(time, np.int64) / DAY_US
    if not day.size:
        raise ModelError(f"no rows are left to train on with {windows}; give more days or shorter windows.")
    # The newest row belongs to the last test day.
    test_start = day.max() - windows.test + 1 / DAY_US
    split = time_split(day, test_start=test_start, windows=windows)
    count = evaluate.weights(weight, len(y))
    early, late = (
        y if known is None else known(float(at) * DAY_US)
        for at in (test_start - windows.delay - windows.validation, test_start)
    )
    train, validation, refit, test = (
        np.flatnonzero(rows & (labels >= 0))
        for rows, labels in (
            (split.train, early), (split.validation, late), (split.refit, late), (split.test, y)
        )
    )  # fmt: skip
    used = {"train": train, "validation": validation, "refit": refit, "test": test}
    for name, rows in used.items():
        if not len(rows):
            raise ModelError(
                f"{np.ptp(day):.1f} days of rows leave the {name} window empty with {windows}; "
                "give more days or shorter windows."
            )

    def fit(rows: NDArray[np.intp], labels: NDArray[np.int8]) -> HistGradientBoostingClassifier:
        penalty = leaf_penalty(int((labels[rows] == 1).sum()))
        settings = {**LEG_SETTINGS, "l2_regularization": penalty, **grid}
        weighed = count[rows] * by_value(labels[rows], amount[rows])
        seen, target, often = disguised(
            X[rows], labels[rows], weighed, names=list(features), groups=groups, seed=seed
        )
        return fit_classifier(seen, target, seed=seed, sample_weight=often, **settings)

    final = fit(refit, late)
    # Where the first days hold no scam, the thresholds come from rows that the trees have seen.
    seen = len(np.unique(early[train])) < 2
    if apart is not None:
        seen, thresholds = False, operating_points(apart.y, probability(final, apart.X), apart.weight)
    else:
        first = final if seen else fit(train, early)
        thresholds = operating_points(
            late[validation], probability(first, X[validation]), count[validation], reported=known is not None
        )
    return LegParts(
        classifier=final,
        features=features,
        thresholds=thresholds,
        baseline=median_good(X[refit], late[refit]),
        groups=groups,
        metrics={
            "windows_days": asdict(windows),
            "rows": {name: len(rows) for name, rows in used.items()},
            "scams": {
                name: int((labels[rows] == 1).sum())
                for (name, rows), labels in zip(used.items(), (early, late, late, y), strict=True)
            },
            "thresholds_seen_in_training": seen,
            "thresholds_from_rows_apart": 0 if apart is None else len(apart.y),
            "points_that_cannot_fire": sorted(
                name for name, threshold in thresholds.items() if not np.isfinite(threshold)
            ),
            "missing": fields.missing(X[refit], features),
            "test": measure(y[test], probability(final, X[test]), amount[test], thresholds, count[test]),
        },
    )


def probability(classifier: HistGradientBoostingClassifier, X: FloatArray) -> FloatArray:
    """Score rows as the stream will, float64[n, k] -> float64[n]."""
    scores: FloatArray = 1 / (1 + np.exp(-Trees.of(classifier).raw(X)))
    return scores


def median_good(X: FloatArray, y: ArrayLike) -> FloatArray:
    """Median of each feature over good payments; nan where most of them have no value."""
    good = X[np.asarray(y) != 1]
    missing = np.isnan(good).mean(axis=0) > 0.5
    medians: FloatArray = np.full(X.shape[1], np.nan)
    medians[~missing] = np.nanmedian(good[:, ~missing], axis=0)
    return medians


def measure(
    y: ArrayLike,
    score: ArrayLike,
    amount: ArrayLike,
    thresholds: Mapping[str, float],
    weight: evaluate.Weight = None,
) -> dict[str, Any]:
    """Report the measures of `evaluate` at each operating point; a measure without frauds is None."""
    both = 0 < np.mean(np.asarray(y) == 1) < 1
    return {
        "auc": evaluate.auc(y, score, weight) if both else None,
        "average_precision": evaluate.average_precision(y, score, weight) if both else None,
        "recall_at_fpr_0.1%": evaluate.recall_at_fpr(y, score, 0.001, weight) if both else None,
        "calibration": [asdict(group) for group in evaluate.calibration_table(y, score, weight=weight)],
        "points": {
            name: {
                "value_detection": evaluate.value_detection(y, score, amount, threshold, weight),
                "innocent_holds_per_10k": evaluate.innocent_holds(y, score, threshold, weight),
                "false_per_true": evaluate.false_positive_ratio(y, score, threshold, weight),
                "alerts_per_10k": evaluate.alert_rate(score, threshold, weight),
            }
            for name, threshold in thresholds.items()
        },
    }


def rows_digest(*arrays: NDArray[Any]) -> str:
    """SHA-256 of training arrays with their shapes and types, to name the training data in a manifest."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
