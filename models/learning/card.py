"""The model card: what the model is for, whom it can harm, how it was trained, when to take it back.

Sections follow Mitchell et al., "Model Cards for Model Reporting" (2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.learning import evaluate
from models.learning.drift import ALERT_RATE_FACTOR, SHIFTED, WATCH
from models.scoring.bundle import LegParts

PURPOSE = """\
Scores every payment for the chance that it pays a scam (credit leg) or carries scam money away (debit leg).
The score alone moves nothing: the policy file turns it into a warning, a delay, a hold or a stop, and people
decide what follows. Not for credit decisions, marketing, or judging a person."""

HARM = """\
A false stop harms people who did nothing: rent or wages arrive late, a purchase fails at the till, a shop
loses its working money for the day, an account holder is treated as a suspect. It weighs most on those with
one account and no savings, on people who are new to a bank and so have little history, on small traders and
helpers whose money comes in like a mule's, and on the old, whom the model may warn more often. Every measure
names its reason, its legal basis, the remedy and the documents needed; innocent holds are counted below."""

SYNTHETIC = """\
The training world is simulated. Scores on simulated payments flatter: on the Fraud Detection Handbook's
synthetic cards the published average precision is 0.69, on real cards under the same protocol about 0.10.
Scams are far more frequent in its rows than the 1 to 5 in 100,000 of life, so false per true alert is too low
in the tables below; `stopline stress` gives figures at the rate of life, on tactics it was not trained on.
Before it acts anywhere, train it on that institution's own labelled payments and run it as shadow."""

ROLLBACK = """\
`stopline registry rollback` puts the previous signed bundle back and names it; start the job again with it.
Roll back first and ask afterwards when good payments held exceed twice the rate below."""


@dataclass(frozen=True)
class Segment:
    """A group of customers and how many of its good payments a threshold holds.

    `low_per_10k` to `high_per_10k` is the 95 % interval of Wilson (JASA 22, 1927).
    """

    name: str
    good_payments: int
    innocent_holds_per_10k: float
    low_per_10k: float
    high_per_10k: float


def segments(
    names: ArrayLike, y: ArrayLike, score: ArrayLike, threshold: float, weight: evaluate.Weight = None
) -> list[Segment]:
    """Innocent holds in each segment, the most disturbed first; `names` has one segment name per row."""
    names, y, score = np.asarray(names), np.asarray(y), np.asarray(score)
    count = evaluate.weights(weight, len(y))
    found = []
    for name in np.unique(names):
        rows = names == name
        good = round(count[rows & (y != 1)].sum())
        held = evaluate.innocent_holds(y[rows], score[rows], threshold, count[rows])
        found.append(Segment(str(name), good, held, *_interval(held / 10_000, good)))
    return sorted(found, key=lambda segment: (-segment.innocent_holds_per_10k, segment.name))


def _interval(share: float, size: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of a share of `size` payments, per 10,000."""
    if not size:
        return 0.0, 10_000.0
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return 10_000 * max(centre - half, 0.0), 10_000 * min(centre + half, 1.0)


def card(
    title: str,
    legs: Mapping[str, LegParts],
    *,
    window: str,
    by_segment: Mapping[str, list[Segment]],
    synthetic: bool,
) -> str:
    """Write the card of a bundle as Markdown.

    Args:
        title: name of the model.
        legs: the trained legs with their metrics, as `models.learning.train.fit_leg` returns them.
        window: the training window in words, for example `2026-01-01 to 2026-03-04`.
        by_segment: innocent holds per segment of each leg; a leg may be absent.
        synthetic: whether the training rows were simulated.

    """
    parts = [f"# {title}", _section("Intended use", PURPOSE), _section("Who is harmed by a false stop", HARM)]
    training = f"Rows of {window}."
    for leg, leg_parts in legs.items():
        training += "\n" + _training(leg, leg_parts)
    parts.append(_section("Training window and label delay", training))
    if synthetic:
        parts.append(_section("Simulated data", SYNTHETIC))
    for leg, leg_parts in legs.items():
        parts.append(_section(f"Measured on the test days: {leg} leg", _measured(leg_parts.metrics["test"])))
    parts.append(_section("Why these thresholds", _thresholds(legs)))
    for leg, found in by_segment.items():
        parts.append(_section(f"Good payments held, by segment: {leg} leg", _segments(found)))
    limits = (
        f"Watch from a population stability index of {WATCH} of any feature or the score; from {SHIFTED}, or "
        f"when the alert rate changes by a factor of {ALERT_RATE_FACTOR:g}, the model does not act until it "
        "is trained again."
    )
    parts += [_section("Drift limits", limits), _section("Rollback", ROLLBACK)]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _training(leg: str, parts: LegParts) -> str:
    metrics, days = parts.metrics, parts.metrics["windows_days"]
    apart = metrics.get("thresholds_from_rows_apart", 0)
    chosen = (
        f"{apart:,} payments of worlds of another mix" if apart else f"{days['validation']:g} validation days"
    )
    return (
        f"- {leg}: {metrics['rows']['refit']:,} rows with {metrics['scams']['refit']:,} scams over "
        f"{days['train']:g} days, {len(parts.features)} features; a label counts {days['delay']:g} days "
        f"after its payment; thresholds from {chosen}, metrics from "
        f"{days['test']:g} later days."
    )


def _measured(test: Mapping[str, Any]) -> str:
    lines = [
        f"AUC {_number(test['auc'])}, average precision {_number(test['average_precision'])}, "
        f"recall at 0.1 % false positives {_number(test['recall_at_fpr_0.1%'])}.",
        "",
        "| operating point | scam value found | false per true alert | good payments held per 10,000 |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, point in test["points"].items():
        lines.append(
            f"| {name} | {100 * point['value_detection']:.1f} % | {_number(point['false_per_true'], 2)} | "
            f"{point['innocent_holds_per_10k']:.2f} |"
        )
    return "\n".join(lines)


def _thresholds(legs: Mapping[str, LegParts]) -> str:
    lines = [
        "`at_5_to_1` and `at_10_to_1` are the lowest scores with at most five or ten false alerts per true "
        "one, the ratios in which banks state scam detection. `innocent_N_per_10k` are the lowest scores "
        "that hold at most N of 10,000 good payments. All were chosen on rows no tree had seen, never on the "
        "test days; on simulated rows of another mix, ratios count scams as rare as in life.",
        "",
        "| leg | point | score |",
        "| --- | --- | ---: |",
    ]
    for leg, parts in legs.items():
        lines += [f"| {leg} | {name} | {value:.4f} |" for name, value in parts.thresholds.items()]
    return "\n".join(lines)


def _segments(found: list[Segment]) -> str:
    lines = ["| segment | good payments | held per 10,000 |", "| --- | ---: | ---: |"]
    lines += [f"| {s.name} | {s.good_payments:,} | {s.innocent_holds_per_10k:.2f} |" for s in found]
    return "\n".join(lines)


def _number(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}f}"
