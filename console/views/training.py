"""The figures of a new bundle."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from console.views.tables import figures
from models.learning.stream import LegRows

#: Fewer scams than these make a figure that is more chance than knowledge.
FEW = 50

#: Of a 95 % interval (Wilson's, at its widest).
Z = 1.96


def table(path: Path) -> Table:
    """Return what was measured on the last days of a bundle's rows."""
    metrics = json.loads((path / "metrics.json").read_text())
    table = figures(
        "leg", "AUC", "AP", "point", "scam value found", "innocent per 10,000",
        title="last days", names="point",
    )  # fmt: skip
    for leg, found in metrics.items():
        test = found["test"]
        for name, point in test["points"].items():
            table.add_row(
                leg, _digits(test["auc"], 4), _digits(test["average_precision"], 3), name,
                f"{point['value_detection']:.1%}", f"{point['innocent_holds_per_10k']:.2f}",
            )  # fmt: skip
    return table


def summary(version: str, out: Path, rows: Mapping[str, LegRows]) -> str:
    """Say which bundle came of how many payments and scams."""
    scams = ", ".join(f"{int((each.y == 1).sum()):,} {leg}" for leg, each in rows.items())
    return (
        f"bundle {version} in {out}: {rows['credit'].payments().sum():,.0f} payments, scams by leg: {scams}"
    )


def cautions(path: Path) -> Iterator[str]:
    """Say, for each leg and window, what few labels and fields that nobody sends mean."""
    metrics = json.loads((path / "metrics.json").read_text())
    for leg, found in metrics.items():
        yield from (f"{leg}: {said}" for said in _doubts(found))


def _doubts(found: Mapping[str, Any]) -> Iterator[str]:
    scams = found["scams"]
    if scams["refit"] < FEW:
        yield f"{scams['refit']} scams to learn from; {FEW} are few"
    if found["thresholds_seen_in_training"]:
        yield (
            "no scam in the first days: thresholds come from payments that the trees have seen, so more good "
            "payments will be held than a point's name says"
        )
    elif not found["thresholds_from_rows_apart"] and scams["validation"] < FEW:
        yield f"{scams['validation']} scams to choose thresholds by: points may be far off their names"
    if cannot := found["points_that_cannot_fire"]:
        yield f"by so few labels no score keeps to {', '.join(cannot)}: never fired"
    if scams["test"] < FEW:
        within = 100 * Z / (2 * math.sqrt(scams["test"] + Z * Z))
        yield f"{scams['test']} scams to measure with: a share is known to {within:.0f} points either way"
    nobody = sorted(name for name, share in found["missing"].items() if share == 1)
    if nobody:
        yield f"nobody sends {', '.join(nobody)}: the model learned to do without"


def _digits(value: float | None, digits: int) -> str:
    return "no scams" if value is None else f"{value:.{digits}f}"
