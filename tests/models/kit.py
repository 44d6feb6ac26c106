"""Small bundles for the tests of models."""

from pathlib import Path

import numpy as np

from models.learning.train import fit_classifier
from models.scoring.bundle import Bundle, LegParts, save

FEATURES = {"credit": {"amount": 1, "dwell": 1, "fan_in": 2}, "debit": {"amount": 1, "drain": 1}}
GROUPS = {
    "credit": {"large_amount": ["amount"], "mule_credit": ["dwell", "fan_in"]},
    "debit": {"large_amount": ["amount"], "drain": ["drain"]},
}


def leg_rows(leg: str, rows: int = 3_000) -> tuple[np.ndarray, np.ndarray]:
    """Features with missing values, and labels that depend on the first two of them."""
    draw = np.random.default_rng(len(leg))
    X = draw.normal(size=(rows, len(FEATURES[leg])))
    y = (X[:, 0] + X[:, 1] > 2).astype(int)
    X[draw.random(X.shape) < 0.05] = np.nan
    return X, y


def leg_parts(leg: str) -> LegParts:
    X, y = leg_rows(leg)
    return LegParts(
        classifier=fit_classifier(X, y, max_iter=10),
        features=FEATURES[leg],
        thresholds={"at_5_to_1": 0.4, "never": float("inf")},
        baseline=np.nanmedian(X[y == 0], axis=0),
        groups=GROUPS[leg],
        metrics={"auc": 0.9},
    )


def save_bundle(path: Path, **changes) -> Bundle:
    origin = {
        "card": "# Card\n",
        "training_data": "0" * 64,
        "git_commit": "f" * 40,
        "created": 1_600_000_000_000_000,
    }
    return save(path, {leg: leg_parts(leg) for leg in FEATURES}, **{**origin, **changes})
