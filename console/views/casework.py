"""What came of the orders of `stopline lifecycle demo`."""

from rich.panel import Panel
from rich.table import Table

from console.lab.casework import Answered
from schemas.measure import Notice


def table(found: Answered) -> Table:
    """Return the outcomes, most frequent first."""
    shown = Table("what came of the orders", "number", title="Stop orders", title_justify="left")
    for name, count in found.outcomes.most_common():
        shown.add_row(name, f"{count:,}")
    shown.add_row("unanswered", f"{found.orders - found.outcomes.total():,}", end_section=True)
    shown.add_row("measures in force on", f"{found.accounts:,} accounts")
    shown.add_row("onward transfers reported", f"{found.onward:,}")
    shown.add_row("next accounts named", f"{found.next_accounts:,}")
    return shown


def told(notice: Notice) -> Panel:
    """Return what the holder of a stopped account reads, in his language."""
    lines = (notice.reason, notice.legal_basis, notice.remedy_channel, *notice.documents_needed)
    return Panel("\n".join(lines), title="What a holder is told", title_align="left")
