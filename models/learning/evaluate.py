"""How good a score is, in the operators' own measures. Pure functions on numpy arrays.

Throughout, `y` is 0 or 1 per row (1 is fraud), `score` rises with suspicion, arrays have one entry per row,
`weight` says how many payments a sampled row stands for (1 each if None).
Choose thresholds on validation days and read these measures on test days.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

FloatArray = NDArray[np.float64]
Weight = ArrayLike | None

SMALLEST_SHARE = 1e-4

#: A count of true alerts is taken at its lower bound of 80 % confidence where few of them choose a threshold.
_CERTAIN_Z = 0.8416

#: At least so many of the scams are taken to be reported and found, whatever the scores say: a fifth is never
#: reported (domain report 3.3), and of the rest a fifth is labelled wrongly [assumed].
LEAST_LABELLED = 0.64


def weights(weight: Weight, rows: int) -> FloatArray:
    """Return the weights of `rows` rows, float64[rows]."""
    return np.ones(rows) if weight is None else np.asarray(weight, np.float64)


def auc(y: ArrayLike, score: ArrayLike, weight: Weight = None) -> float:
    """Chance that a fraud scores above a good payment, the area under the ROC curve (Hanley, McNeil 1982)."""
    return float(roc_auc_score(y, score, sample_weight=weight))


def average_precision(y: ArrayLike, score: ArrayLike, weight: Weight = None) -> float:
    """Sum of (R_i - R_{i-1}) P_i over the thresholds, without interpolation (scikit-learn's definition)."""
    return float(average_precision_score(y, score, sample_weight=weight))


def recall_at_fpr(y: ArrayLike, score: ArrayLike, fpr: float, weight: Weight = None) -> float:
    """Largest share of frauds found while at most `fpr` of the good payments are flagged."""
    rates, recalls, _ = roc_curve(y, score, drop_intermediate=False, sample_weight=weight)
    return float(recalls[rates <= fpr].max())


@dataclass(frozen=True)
class CardPrecision:
    """Card Precision@k and its ceiling, what perfect scores would reach on the same days."""

    value: float
    ceiling: float


def card_precision(
    day: ArrayLike, card: ArrayLike, y: ArrayLike, score: ArrayLike, *, k: int = 100
) -> CardPrecision:
    """Share of the `k` most suspicious cards of a day that were defrauded that day, averaged over the days.

    A card's score is its highest of the day; a card once found leaves the later days. Fraud Detection
    Handbook, chapter 4, "Precision top-k metrics". The ceiling is below 1 when a day has fewer than `k`
    defrauded cards.
    """
    day, card, y = np.asarray(day), np.asarray(card), np.asarray(y)
    score = np.asarray(score, dtype=np.float64)
    return CardPrecision(_card_precision(day, card, y, score, k), _card_precision(day, card, y, y, k))


def any_of_card(day: ArrayLike, card: ArrayLike, probability: ArrayLike) -> FloatArray:
    """Return, for each payment, the chance that any of its card's of that day is a fraud: 1 - prod(1 - p).

    >>> any_of_card([1, 1, 1, 2], [7, 7, 8, 7], [0.5, 0.5, 0.1, 0.2]).round(6).tolist()
    [0.75, 0.75, 0.1, 0.2]
    """
    pairs = np.column_stack([np.asarray(day, np.int64), np.asarray(card, np.int64)])
    _, place = np.unique(pairs, axis=0, return_inverse=True)
    good = np.log1p(-np.minimum(np.asarray(probability, np.float64), 1 - 1e-12))
    chance: FloatArray = -np.expm1(np.bincount(place.ravel(), good)[place.ravel()])
    return chance


def _card_precision(
    day: NDArray[np.int64],
    card: NDArray[np.int64],
    y: NDArray[np.int64],
    score: NDArray[np.generic],
    k: int,
) -> float:
    found = np.array([], dtype=card.dtype)
    shares = []
    for today in np.unique(day):
        rows = np.flatnonzero((day == today) & ~np.isin(card, found))
        rows = rows[np.argsort(score[rows], kind="stable")[::-1]]
        _, best = np.unique(card[rows], return_index=True)
        top = card[rows[np.sort(best)[:k]]]
        defrauded = np.intersect1d(top, card[rows[y[rows] == 1]])
        shares.append(len(defrauded) / k)
        found = np.union1d(found, defrauded)
    return float(np.mean(shares))


def threshold_at_ratio(
    y: ArrayLike, score: ArrayLike, ratio: float, weight: Weight = None, *, certain: bool = False
) -> float:
    """Lowest threshold at which `score >= threshold` gives at most `ratio` false alerts per true one.

    5 is the false-positive ratio 5:1 in which the United Kingdom's banks state scam detection (Pay.UK 2024).
    Infinite if no threshold reaches the ratio. With `certain` the true alerts are the lower bound, at
    80 % confidence, of what their number tells of their rate.
    """
    score, true, false = _alerts(y, score, weight)
    distinct, place = np.unique(true, return_inverse=True)
    counted = _at_least(distinct) if certain else distinct
    return _last(score, (false <= ratio * counted[place]) & (true > 0))


def _at_least(count: FloatArray) -> FloatArray:
    """Return the lower bound of Poisson means (Wilson and Hilferty, PNAS 17, 1931), float64[n]."""
    some = np.maximum(count, 1e-9)
    bound: FloatArray = some * np.maximum(1 - 1 / (9 * some) - _CERTAIN_Z / (3 * np.sqrt(some)), 0) ** 3
    return bound


def innocence(y: ArrayLike, score: ArrayLike, weight: Weight = None) -> FloatArray:
    """Return how many innocent payments each row stands for, float64[n]; 0 for a labelled scam.

    An unlabelled row of score p is a scam with chance (1 - c) / c * p / (1 - p), where c is the share of
    scams that are labelled (Elkan and Noto, KDD 2008). c is the labelled share of the most suspicious rows,
    as many as a quarter of the labelled scams, between `LEAST_LABELLED` and 1.
    """
    y, score = np.asarray(y), np.asarray(score, dtype=np.float64)
    count, scam = weights(weight, len(y)), y == 1
    top = np.argsort(-score, kind="stable")[: max(int(scam.sum()) // 4, 1)]
    labelled = (
        float(np.clip(np.average(scam[top], weights=count[top]), LEAST_LABELLED, 1.0)) if len(y) else 1.0
    )
    odds = score / np.maximum(1 - score, np.finfo(float).tiny)
    hidden = np.clip((1 - labelled) / labelled * odds, 0.0, 1.0)
    innocent: FloatArray = np.where(scam, 0.0, count * (1 - hidden))
    return innocent


def _at_most(count: FloatArray) -> FloatArray:
    """Return the upper bound of Poisson means at the same confidence, float64[n]."""
    more = count + 1
    bound: FloatArray = more * (1 - 1 / (9 * more) + _CERTAIN_Z / (3 * np.sqrt(more))) ** 3
    return bound


def threshold_at_innocent_holds(
    y: ArrayLike, score: ArrayLike, per_10_000: float, weight: Weight = None, *, certain: bool = False
) -> float:
    """Lowest threshold that holds at most `per_10_000` of 10,000 good payments; infinite if none does.

    With `certain` the payments held are the upper bound, at 80 % confidence, of what their number tells.
    """
    y = np.asarray(y)
    count = weights(weight, len(y))
    good = count[y != 1].sum()
    score, _, false = _alerts(y, score, weight)
    if certain and len(false):
        # Rows that stand for several payments tell no more than rows do.
        each = good / max((y != 1).sum(), 1)
        false = each * _at_most(false / each) if each else false
    return _last(score, false * 10_000 <= per_10_000 * good)


def _alerts(y: ArrayLike, score: ArrayLike, weight: Weight) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Each distinct score, highest first, with the true and false alerts at that threshold."""
    y, score = np.asarray(y), np.asarray(score, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)[: len(order)]
    count = weights(weight, len(y))[order]
    true, false = np.cumsum(count * (y[order] == 1)), np.cumsum(count * (y[order] != 1))
    return score[order][last_of_tie], true[last_of_tie], false[last_of_tie]


def _last(score: FloatArray, allowed: NDArray[np.bool_]) -> float:
    return float(score[np.flatnonzero(allowed)[-1]]) if allowed.any() else float("inf")


def value_detection(
    y: ArrayLike, score: ArrayLike, amount: ArrayLike, threshold: float, weight: Weight = None
) -> float:
    """Fraud value flagged (`score >= threshold`) divided by all fraud value; 0 without fraud."""
    value = np.asarray(amount, dtype=np.float64) * (np.asarray(y) == 1)
    value *= weights(weight, len(value))
    return float(value[np.asarray(score) >= threshold].sum() / max(value.sum(), np.finfo(float).tiny))


def alert_rate(score: ArrayLike, threshold: float, weight: Weight = None) -> float:
    """Rows at or above `threshold` per 10,000; 0 without rows."""
    score = np.asarray(score)
    if not len(score):
        return 0.0
    return 10_000 * float(np.average(score >= threshold, weights=weights(weight, len(score))))


def innocent_holds(y: ArrayLike, score: ArrayLike, threshold: float, weight: Weight = None) -> float:
    """Good payments held (`score >= threshold`) per 10,000 good payments."""
    good = np.asarray(y) != 1
    return alert_rate(np.asarray(score)[good], threshold, weights(weight, len(good))[good])


def false_positive_ratio(
    y: ArrayLike, score: ArrayLike, threshold: float, weight: Weight = None
) -> float | None:
    """Count false alerts per true one (`score >= threshold`); None without a true one."""
    alerted, scam = np.asarray(score) >= threshold, np.asarray(y) == 1
    count = weights(weight, len(scam))
    true = float(count[alerted & scam].sum())
    return float(count[alerted & ~scam].sum()) / true if true else None


@dataclass(frozen=True)
class CalibrationBin:
    """One group of rows of similar probability."""

    rows: int
    predicted: float
    observed: float


def calibration_table(
    y: ArrayLike, probability: ArrayLike, *, bins: int = 10, weight: Weight = None
) -> list[CalibrationBin]:
    """Mean predicted probability and observed fraud share in `bins` groups of as many rows, lowest first.

    Reliability table after DeGroot and Fienberg (1983).
    """
    y, probability = np.asarray(y), np.asarray(probability, dtype=np.float64)
    count = weights(weight, len(y))

    def mean(of: NDArray[Any], rows: NDArray[np.int64]) -> float:
        return float(np.average(of[rows], weights=count[rows]))

    groups = np.array_split(np.argsort(probability, kind="stable"), bins)
    return [
        CalibrationBin(len(rows), mean(probability, rows), mean(y == 1, rows)) for rows in groups if len(rows)
    ]


def psi(
    expected: ArrayLike,
    actual: ArrayLike,
    *,
    bins: int = 10,
    expected_weight: Weight = None,
    actual_weight: Weight = None,
    apart: float = 0.0,
) -> float:
    """Sum (a - e) ln(a / e) over the `bins` quantile groups of `expected`: the population stability index.

    Siddiqi, "Credit Risk Scorecards" (2006): below 0.1 stable, above 0.25 shifted. A missing value is a group
    of its own, and so is a value that holds more than one group's share; a share is at least 1e-4, so that an
    empty group counts but does not give infinity. Groups end at least `apart` of their beginning above it:
    what a few large accounts, most of the rows, grow by in a week is no shift.
    """
    expected, actual = (np.asarray(values, dtype=np.float64) for values in (expected, actual))
    known = ~np.isnan(expected)
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    count = weights(expected_weight, len(expected))[known]
    quantiles = np.array([])
    if expected_weight is None and known.any():
        quantiles = np.quantile(expected[known], inner)
    elif count.any():
        quantiles = np.quantile(expected[known], inner, method="inverted_cdf", weights=count)
    edges, often = np.unique(quantiles, return_counts=True)
    far = _far_enough(edges, apart)
    edges, often = edges[far], often[far]
    # A value that fills a group alone, such as a cap, is told from what lies below it.
    edges = np.unique(np.concatenate([edges, np.nextafter(edges[often > 1], -np.inf)]))
    e, a = _shares(expected, edges, expected_weight), _shares(actual, edges, actual_weight)
    return float(((a - e) * np.log(a / e)).sum())


def _far_enough(edges: FloatArray, apart: float) -> NDArray[np.intp]:
    """Return the places of edges of which each is so far above the last one kept."""
    kept: list[int] = []
    for place, edge in enumerate(edges.tolist()):
        if not kept or edge - edges[kept[-1]] >= apart * abs(edges[kept[-1]]):
            kept.append(place)
    return np.array(kept, np.intp)


def _shares(values: FloatArray, edges: FloatArray, weight: Weight) -> FloatArray:
    group = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    counts = np.bincount(group, weights(weight, len(values)), minlength=len(edges) + 2)
    shares: FloatArray = np.maximum(counts / max(counts.sum(), 1), SMALLEST_SHARE)
    return shares
