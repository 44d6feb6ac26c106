"""What warnings did, as a table."""

import math
from typing import Any

from rich.table import Table

from console.lab.dissuading import ANSWERS, MISTAKEN
from console.lab.talking import Figures, Row, Share, may_be_named

#: Under the figures of a simulated world, and of a deployment.
ASSUMED = (
    "assumed, not measured: victims reached stop at "
    + ", ".join(f"{name} {share:.0%}" for name, share in ANSWERS.items())
    + f"; others abandon a genuine payment {MISTAKEN:g} times as often"
)
COUNTED = (
    "counted from topics: a payment of which nothing was found counts as genuine, so look again when labels "
    "have come; what a try costs is assumed"
)


def table(found: Figures, under: str = ASSUMED) -> Table:
    """Return the figures, and under them what they stand on."""
    made = Table("what", "figure", title="what warnings did", caption=under)
    for name, value in _lines(found):
        made.add_row(name, value)
    return made


def plain(found: Figures) -> dict[str, Any]:
    """Return the figures as plain values; shares as count, of, value and interval."""
    out: dict[str, Any] = {}
    for name, value in found._asdict().items():
        rows = isinstance(value, tuple)
        out[name] = [{"name": row.name, **_plain(row.share)} for row in value] if rows else _plain(value)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Share):
        low, high = value.interval
        return {"count": value.count, "of": value.of, "value": _number(value.value),
                "low": _number(low), "high": _number(high)}  # fmt: skip
    return _number(value)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _lines(found: Figures) -> list[tuple[str, str]]:
    return [
        ("warnings", f"{found.warnings:,}"),
        ("told", f"{found.told:,}"),
        ("held out, severity 1 and 2", f"{found.held_out:,}"),
        ("stopped within 24 h, of delivered", _share(found.stop_rate)),
        *((f"  {row.name}", _share(row.share)) for row in found.by),
        *((f"guessed {row.name}, rightly", _guessed(row)) for row in found.named),
        ("victims stopped, of victims reached", _share(found.victims_stopped)),
        ("genuine payments abandoned (over-caution)", _share(found.over_caution)),
        ("discrimination d'", f"{found.discrimination:.2f}"),
        ("warned victims that lost within 7 days", _share(found.lost_7d)),
        ("warned victims that lost within 30 days", _share(found.lost_30d)),
        ("lost after a warning, 7 and 30 days", f"{found.lost_7d_minor:,} and {found.lost_30d_minor:,}"),
        ("median time to first contact", f"{found.first_contact_s:.1f} s"),
        ("cost per minor unit averted", f"{found.cost_per_averted:.4f}"),
        ("lost, severity 1 and 2, told", _share(found.told_lost)),
        ("lost, severity 1 and 2, held out", _share(found.held_out_lost)),
    ]


def _guessed(row: Row) -> str:
    return f"{_share(row.share)}; {'may' if may_be_named(row) else 'not to'} be in `named_classes`"


def _share(share: Share) -> str:
    if not share.of:
        return "none counted"
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%}), {share.count} of {share.of}"
