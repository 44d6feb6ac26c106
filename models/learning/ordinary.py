"""The ordinary bank model that ours is measured against in the same world.

What a bank has without ledgers of payees: the payment's own columns, the payer's velocities, signals of his
device; boosted trees as ours are, or logistic regression. Scams weigh by value, as in ours.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.features import FloatArray
from models.learning.stream import LegRows
from models.learning.train import LEG_SETTINGS, by_value, fit_classifier, leaf_penalty, probability

COLUMNS = (
    "amount", "roundness", "hour_of_day", "channel", "purpose", "age_band", "balance_share",
    "payee_age_h", "payee_check", "account_open_d",
    "remote_control", "screen_share", "call_in_progress", "new_device_h", "limit_raised_h",
    "amount_to_largest", "amount_to_usual", "payer_gap_h", "payer_count_1h", "payer_count_1d",
    "payer_count_30d", "payer_hour_to_month", "payer_day_to_month",
)  # fmt: skip

Learner = Literal["trees", "logistic"]


#: Scores rows of the credit leg, float64[n].
Scorer = Callable[[LegRows], FloatArray]


def fit_ordinary(rows: LegRows, learner: Learner = "trees", seed: int = 0) -> Scorer:
    """Fit the ordinary model to the labelled rows of the credit leg.

    Raises:
        ModelError: the labels do not hold both classes.

    """
    used = rows.y >= 0
    X, y = rows.columns(COLUMNS)[used], rows.y[used]
    weight = rows.payments()[used] * by_value(y, rows.value[used])
    if learner == "logistic":
        line = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            StandardScaler(),
            LogisticRegression(max_iter=300),
        ).fit(_finite(X), y, logisticregression__sample_weight=weight)
        return lambda other: np.asarray(line.predict_proba(_finite(other.columns(COLUMNS)))[:, 1])
    settings = {**LEG_SETTINGS, "l2_regularization": leaf_penalty(int((y == 1).sum()))}
    trees = fit_classifier(X, y, seed=seed, sample_weight=weight, **settings)
    return lambda other: probability(trees, other.columns(COLUMNS))


def _finite(X: ArrayLike) -> FloatArray:
    """Return what a line can take: ratios to almost nothing are cut off."""
    return np.clip(np.asarray(X, np.float64), -1e4, 1e4)
