"""The figures of a new bundle."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from console.views.tables import figures
from models.learning.stream import LegRows


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


def _digits(value: float | None, digits: int) -> str:
    return "no scams" if value is None else f"{value:.{digits}f}"
