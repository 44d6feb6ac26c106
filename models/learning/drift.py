"""Drift: whether today's payments, scores and alerts still look like those the model was trained on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from models.learning import evaluate

FloatArray = NDArray[np.float64]

#: Siddiqi, "Credit Risk Scorecards" (2006).
WATCH, SHIFTED = 0.1, 0.25
#: An alert rate that halves or doubles is looked at before anybody is held by it, where the alerts are enough
#: to be sure of it at 95 %.
ALERT_RATE_FACTOR, SURE = 2.0, 0.95

#: What the ledgers remember fills for two of their longest time constants; until then it moves by itself.
FILLING_DAYS = 60.0
#: Groups of what is remembered are at least so wide: a few large accounts grow through narrower ones.
APART = 0.25


@dataclass(frozen=True)
class Drift:
    """Population stability index of each feature and the score, and alert rates per 10,000 payments.

    `filling` are features that cannot be judged yet; `sure` tells whether the alert rate certainly moved by
    more than `ALERT_RATE_FACTOR`.
    """

    features: Mapping[str, float]
    score: float
    alerts_before: float
    alerts_now: float
    filling: Sequence[str] = ()
    sure: bool = False

    @property
    def verdict(self) -> str:
        """One of `stable`, `watch`, `shifted`; shifted means: the model does not act until trained again."""
        worst = max([self.score, *self.features.values()])
        if worst >= SHIFTED or self.sure:
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
    filled: NDArray[np.bool_] | None = None,
    remembered: Iterable[str] = (),
) -> Drift:
    """Compare two sets of rows, float64[n, k] each with columns `names`, and their scores.

    `before` are the rows the thresholds were chosen on, `threshold` the score from which an alert is raised.
    Features that are `remembered` are compared with the rows of `before` whose ledgers were `filled`,
    bool[n]; without such rows they are `filling`.
    """
    count = evaluate.weights(weight_before, len(before))
    full = np.ones(len(before), bool) if filled is None else filled
    known = frozenset(remembered)
    filling = [name for name in names if name in known and not full.any()]

    def moved(place: int) -> float:
        old = full if names[place] in known else np.ones(len(before), bool)
        return evaluate.psi(
            before[old, place],
            now[:, place],
            expected_weight=None if weight_before is None else count[old],
            actual_weight=weight_now,
            apart=APART if names[place] in known else 0.0,
        )

    return Drift(
        features={name: moved(place) for place, name in enumerate(names) if name not in filling},
        score=evaluate.psi(score_before, score_now, expected_weight=weight_before, actual_weight=weight_now),
        alerts_before=evaluate.alert_rate(score_before, threshold, weight_before),
        alerts_now=evaluate.alert_rate(score_now, threshold, weight_now),
        filling=filling,
        sure=_surely_moved(np.asarray(score_before), np.asarray(score_now), threshold, count, weight_now),
    )


def _surely_moved(
    before: NDArray[np.float64],
    now: NDArray[np.float64],
    threshold: float,
    weight_before: FloatArray,
    weight_now: evaluate.Weight,
) -> bool:
    """Tell whether the alert rate is certainly more than the factor above or below what it was.

    Of two counts whose rates stand in a given ratio, the second given their sum is binomial.
    """
    weight = evaluate.weights(weight_now, len(now))
    old, new = int((before >= threshold).sum()), int((now >= threshold).sum())
    if not old + new:
        return False
    share = weight.sum() / max(weight_before.sum() + weight.sum(), 1e-9)
    odds = share / max(1 - share, 1e-9)
    up, down = (odds * factor / (1 + odds * factor) for factor in (ALERT_RATE_FACTOR, 1 / ALERT_RATE_FACTOR))
    more, fewer = binom.sf(new - 1, old + new, up), binom.cdf(new, old + new, down)
    return bool(min(more, fewer) < 1 - SURE)


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
    if report.filling:
        lines += [
            "",
            f"Not judged before the ledgers have run {FILLING_DAYS:g} days: {', '.join(report.filling)}.",
        ]
    return "\n".join(lines) + "\n"
