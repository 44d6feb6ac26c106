"""Cases, reasons and measures as tables."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table

from desk.case_file import CaseFile
from desk.clock import span
from desk.queue import Row
from measures.law.notices import money
from schemas.alert import Alert


def time_of(at_us: int | None) -> str:
    """Write an instant in UTC, to the minute."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M") if at_us else "–"


def cases(rows: Sequence[Row]) -> Table:
    """Return the queue, a case a row."""
    table = Table("law", "service", "amount", "probability", "recommended", "state", "case")
    for row in rows:
        marks = (("second decision", row.pending), ("escalated", row.escalated), ("appeal", row.appeals))
        state = ", ".join(word for word, said in (*marks, ("held", row.live)) if said) or "nothing holds it"
        law = "–" if row.law_left_us is None else span(row.law_left_us)
        table.add_row(
            law, span(row.service_left_us), money(row.amount_minor, row.currency), f"{row.probability:.0%}",
            f"{row.outcome.lower()} {row.leg.lower()}", state, row.case_id,
        )  # fmt: skip
    return table


def reasons(alerts: Iterable[Alert]) -> Table:
    """Return why each alert was raised, the strongest reason first."""
    table = Table("when (UTC)", "payment", "score", "reason", "log-odds")
    for alert in alerts:
        for number, reason in enumerate(alert.reasons):
            first = (time_of(alert.at_us), alert.txn_id, f"{alert.score:.1%}") if not number else ("", "", "")
            table.add_row(*first, reason.text, f"{reason.contribution:+.1f}")
    return table


def measures(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return measures, one a row."""
    table = Table("kind", "rule", "state", "held", "next (UTC)", "what", "account", "measure")
    for row in rows:
        table.add_row(
            row["kind"], row["rule"], row["state"], money(row["held_minor"], row["currency"]),
            time_of(row["due_us"]), row["due_kind"].lower(), f"{row['account'][:4]}····", row["measure_id"],
        )  # fmt: skip
    return table


def case(file: CaseFile) -> Group:
    """Return a case: its sum, why, where the money went, what is in force, what happened."""
    row, way = file.row, Table("layer", "account", "came", "left", "held", "free", title="the money's way")
    for number, layer in enumerate(file.way.layers):
        for stop in layer:
            sums = (stop.came_minor, stop.left_minor, stop.held_minor, stop.freezable_minor)
            way.add_row(
                str(number), f"{stop.account[:4]}····", *(money(each, stop.currency) for each in sums)
            )
    timeline = Table("when (UTC)", "what", "about", title="what happened")
    for moment in file.timeline[:40]:
        timeline.add_row(time_of(moment.at_us), moment.kind, moment.about)
    open_ = "open" if row["open"] else f"closed {row['decision'].lower()}"
    head = f"{row['case_id']}  {open_}  {money(row['amount_minor'], row['currency'])}"
    return Group(head, reasons(file.alerts[:5]), way, timeline)
