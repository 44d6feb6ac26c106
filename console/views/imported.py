"""What `stopline import` prints."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import RenderableType

from console.lab.imports.converting import Report
from console.views.tables import figures
from schemas.units import DAY_US


def told(report: Report) -> Iterator[RenderableType]:
    """Yield what became of a table: its rows, what was refused, what was found, what to look at."""
    days = (report.to_us - report.from_us) / DAY_US
    began = datetime.fromtimestamp(report.from_us / 1e6, UTC).isoformat(timespec="seconds")
    labels = ", ".join(f"{number:,} {verdict}" for verdict, number in report.labels.items()) or "none"
    yield (
        f"{report.rows:,} rows: {report.payments:,} payments, {report.left_out:,} left out, "
        f"{report.refused.total():,} refused; {days:.1f} days from {began}; labels: {labels}"
    )
    if report.refused:
        table = figures("refused because", "rows", "first row", title="refused")
        for why, rows in report.refused.most_common():
            table.add_row(why, f"{rows:,}", f"{report.first_refused[why]:,}")
        yield table
    for why, number in report.labels_refused.most_common():
        yield f"labels left out: {number:,} {why}"
    table = figures("optional field", "payments that have it", title="found")
    for name, found in sorted(report.found.items()):
        table.add_row(name, f"{found / report.payments:.1%}")
    yield table
    yield from (f"look at this: {remark}" for remark in report.remarks)
