"""Plots of an evaluation, written as PNG or SVG by the suffix of the file."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve

from models.learning import evaluate

# The same file from the same figures: no date, no random ids.
matplotlib.rcParams["svg.hashsalt"] = "stopline"

#: Share of money that has left a mule account by then: 28 % in 15 minutes, over half in an hour (RUSI 2025).
RACE_MINUTES, RACE_SHARE = (15, 60), (0.28, 0.53)


def precision_recall(path: Path, y: ArrayLike, score: ArrayLike, weight: evaluate.Weight = None) -> None:
    """Draw precision over recall."""
    precision, recall, _ = precision_recall_curve(y, score, sample_weight=weight)
    found = evaluate.average_precision(y, score, weight)
    figure, axes = _axes("recall", "precision", f"Average precision {found:.3f}")
    axes.step(recall, precision, where="post")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    _save(figure, path)


def calibration(path: Path, y: ArrayLike, probability: ArrayLike, weight: evaluate.Weight = None) -> None:
    """Draw observed shares of scams over predicted probabilities, on logarithmic axes."""
    groups = evaluate.calibration_table(y, probability, bins=20, weight=weight)
    table = [group for group in groups if group.observed > 0]
    figure, axes = _axes(
        "predicted probability", "observed share of scams", "Calibration, groups of equal size"
    )
    axes.plot([1e-6, 1], [1e-6, 1], color="grey", linewidth=1)
    axes.plot([group.predicted for group in table], [group.observed for group in table], "o")
    axes.set(xscale="log", yscale="log")
    _save(figure, path)


def value_at_ratio(
    path: Path, y: ArrayLike, score: ArrayLike, amount: ArrayLike, weight: evaluate.Weight = None
) -> None:
    """Draw the share of scam value found over false alerts per true one, with 5:1 and 10:1 marked."""
    ratios = np.arange(0.5, 20.5, 0.5)
    found = [
        evaluate.value_detection(
            y, score, amount, evaluate.threshold_at_ratio(y, score, ratio, weight), weight
        )
        for ratio in ratios
    ]
    figure, axes = _axes("false alerts per true alert", "scam value found", "Value detection rate")
    axes.plot(ratios, found)
    for ratio in (5, 10):
        axes.axvline(ratio, color="grey", linewidth=1, linestyle=":")
    axes.set(ylim=(0, 1.02))
    _save(figure, path)


def time_to_freeze(path: Path, minutes: ArrayLike) -> None:
    """Draw the share of scams frozen over time since the first credit, beside the money gone by then.

    `minutes` holds one entry per scam, nan for one never frozen.
    """
    minutes = np.asarray(minutes, np.float64)
    frozen = np.sort(minutes[~np.isnan(minutes)])
    figure, axes = _axes("minutes after the first scam credit", "share", "Time to freeze")
    axes.step(
        frozen, np.arange(1, len(frozen) + 1) / max(len(minutes), 1), where="post", label="scams frozen"
    )
    axes.plot(RACE_MINUTES, RACE_SHARE, "o", color="grey", label="mule inflow gone (published)")
    axes.set(xscale="symlog", ylim=(0, 1.02))
    axes.legend()
    _save(figure, path)


def _axes(x: str, y: str, title: str) -> tuple[Figure, matplotlib.axes.Axes]:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    metadata: dict[str, None] = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=metadata)
