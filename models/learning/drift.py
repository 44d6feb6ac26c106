"""Drift: whether today's payments, scores and alerts still look like those the model was trained on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.learning import evaluate

FloatArray = NDArray[np.float64]

#: Siddiqi, "Credit Risk Scorecards" (2006).
WATCH, SHIFTED = 0.1, 0.25
#: An alert rate that halves or doubles is looked at before anybody is held by it.
ALERT_RATE_FACTOR = 2.0


@dataclass(frozen=True)
class Drift:
    """Population stability index of each feature and the score, and alert rates per 10,000 payments."""

    features: Mapping[str, float]
    score: float
    alerts_before: float
    alerts_now: float

    @property
    def verdict(self) -> str:
        """One of `stable`, `watch`, `shifted`; shifted means: the model does not act until trained again."""
        worst = max([self.score, *self.features.values()])
        low, high = sorted((self.alerts_before, self.alerts_now))
        if worst >= SHIFTED or high > ALERT_RATE_FACTOR * low:
            return "shifted"
        return "watch" if worst >= WATCH else "stable"


def drift(
    names: Sequence[str],
    before: FloatArray,
    now: FloatArray,
    *,
    score_before: ArrayLike,
    score_now: ArrayLike,
    threshold: float,
    weight_before: evaluate.Weight = None,
    weight_now: evaluate.Weight = None,
) -> Drift:
    """Compare two sets of rows, float64[n, k] each with columns `names`, and their scores.

    `before` are the rows the thresholds were chosen on, `threshold` the score from which an alert is raised.
    """

    def moved(expected: ArrayLike, actual: ArrayLike) -> float:
        return evaluate.psi(expected, actual, expected_weight=weight_before, actual_weight=weight_now)

    return Drift(
        features={name: moved(before[:, i], now[:, i]) for i, name in enumerate(names)},
        score=moved(score_before, score_now),
        alerts_before=evaluate.alert_rate(score_before, threshold, weight_before),
        alerts_now=evaluate.alert_rate(score_now, threshold, weight_now),
    )


def to_json(report: Drift) -> str:
    """Write a report for machines."""
    return json.dumps({"verdict": report.verdict, **asdict(report)}, indent=1)


def to_markdown(report: Drift) -> str:
    """Write a report for people, the features that moved most first."""
    ranked = sorted(report.features.items(), key=lambda item: -item[1])
    lines = [
        f"# Drift: {report.verdict}",
        "",
        f"Alerts per 10,000 payments: {report.alerts_before:.1f} before, {report.alerts_now:.1f} now.",
        "",
        f"| | population stability index (watch from {WATCH}, shifted from {SHIFTED}) |",
        "| --- | ---: |",
        f"| **score** | {report.score:.3f} |",
        *(f"| {name} | {value:.3f} |" for name, value in ranked),
    ]
    return "\n".join(lines) + "\n"
