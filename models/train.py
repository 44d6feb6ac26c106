"""Training: one classifier with settings that hold at very low fraud rates, and splits that respect time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from schemas.errors import ModelError

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

BoolArray = NDArray[np.bool_]


def fit_classifier(
    X: ArrayLike, y: ArrayLike, *, seed: int = 0, sample_weight: ArrayLike | None = None, **grid: Any
) -> HistGradientBoostingClassifier:
    """Fit boosted trees to `X`, float[n, k] with nan for missing, and `y`, 0 or 1 per row.

    `grid` overrides single settings of `SAFE_SETTINGS`.

    Raises:
        ModelError: the labels do not hold both classes.

    """
    classes = np.unique(np.asarray(y)).tolist()
    if classes != [0, 1]:
        raise ModelError(f"Training needs labels 0 and 1, got {classes}; widen the training window.")
    classifier = HistGradientBoostingClassifier(**{**SAFE_SETTINGS, **grid}, random_state=seed)
    return classifier.fit(X, y, sample_weight=sample_weight)


@dataclass(frozen=True)
class TimeSplit:
    """Row masks of one evaluation.

    Fit on `train`, choose thresholds and settings on `validation`, fit again on `refit`, report on `test`.
    """

    train: BoolArray
    validation: BoolArray
    refit: BoolArray
    test: BoolArray


def time_split(
    day: ArrayLike,
    *,
    test_start: int,
    test_days: int = 7,
    train_days: int = 63,
    validation_days: int = 7,
    delay_days: int = 7,
) -> TimeSplit:
    """Split rows by their `day` so that no label is used before it is known, `delay_days` after its row.

        train ... delay ... validation ... delay ... test
                     refit ............... delay ... test

    `train` and `refit` are `train_days` long, the delay stands before validation as before the test.
    """
    day = np.asarray(day)
    known = test_start - delay_days
    validation_start = known - validation_days
    train_end = validation_start - delay_days

    def between(first: int, end: int) -> BoolArray:
        return (day >= first) & (day < end)

    return TimeSplit(
        train=between(train_end - train_days, train_end),
        validation=between(validation_start, known),
        refit=between(known - train_days, known),
        test=between(test_start, test_start + test_days),
    )
