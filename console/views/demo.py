"""What `stopline demo` shows while it goes and at its end."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.lab.scoreboard import Result, Scoreboard
from console.lab.showing import Moment
from schemas.alert import Alert
from schemas.currencies import digits_of


def picture(board: Scoreboard, moment: Moment, currency: str) -> Group:
    """Return how the job and its money stand now."""
    result, one = board.result(), 10 ** (digits_of(currency) or 0)
    head = Text(
        f"{moment.rate:>8,.0f} payments/s   {moment.decided:>9,} decided   p99 {moment.p99_ms:,.0f} ms"
    )
    sums = Text(
        f"{len(board.alerts):>8,} alerts   {sum(board.severities.values()):>8,} warnings   "
        f"saved {(result.stopped_minor + result.caught_minor) / one:,.0f} of {result.scam_minor / one:,.0f}"
    )
    newest = [shown_line(alert) for alert in list(board.alerts.values())[-6:]]
    return Group(Panel(Group(head, sums), title="Stopline"), *newest)


def shown_line(alert: Alert) -> Text:
    """Return an alert as one line of a terminal; words without blanks would go to the next as a whole."""
    return Text(line(alert), no_wrap=True, overflow="ellipsis")


def line(alert: Alert) -> str:
    """Say an alert in one line."""
    reason = alert.reasons[0].text if alert.reasons else ""
    digits = digits_of(alert.currency) or 0
    amount = f"{alert.amount_minor / 10**digits:>12,.{digits}f} {alert.currency}"
    return f"{alert.outcome:<5} {alert.leg:<6} {amount}  {reason}"


def scoreboard(result: Result, currency: str) -> Table:
    """Return the sums for people."""
    good = max(result.payments - result.scams, 1)
    lost_minor = result.scam_minor - result.stopped_minor - result.caught_minor

    def money(minor: int) -> str:
        share = minor / max(result.scam_minor, 1)
        return f"{minor / 10 ** (digits_of(currency) or 0):>16,.0f} {currency}  {share:>5.1%}"

    table = Table(show_header=False, title="Scoreboard")
    table.add_row("payments", f"{result.payments:,}")
    table.add_row("scam payments", f"{result.scams:,}")
    table.add_row("stopped at the victim", money(result.stopped_minor))
    table.add_row("caught leaving a mule", money(result.caught_minor))
    table.add_row("lost", money(lost_minor))
    table.add_row("victims warned", f"{result.victims_warned:,} of {result.victims:,}")
    per_10_000 = 10_000 * result.innocent_held / good
    table.add_row("good payments held", f"{result.innocent_held:,}  {per_10_000:.1f} per 10,000")
    table.add_row("others warned", f"{result.others_warned:,}")
    return table


def beside(stress: Mapping[str, Any] | None) -> str:
    """Say what the figures of an easy world are worth, with those of worlds whose scammers choose."""
    if stress is None:
        return "This world is easy; no figures of a hard one lie beside the bundle: stopline stress --keep."
    mix, worst, plain = (stress[name] for name in ("mix", "worst_tactic", "ordinary_model"))
    return (
        f"This world is easy. Where scammers choose tactics the model never saw it holds "
        f"{mix['held_on_arrival']:.0%} of scam money on arrival and {mix['held_before_exit']:.0%} before it "
        f"leaves the first account, at {mix['innocents_per_10k']:.1f} of 10,000 good payments; of the worst "
        f"tactic {worst['held_on_arrival']:.0%}; an ordinary model {plain['held_on_arrival']:.0%}; knowable "
        f"{mix['oracle']:.0%} ({stress['command']}, {stress['date']}). Real scams are harder still."
    )
