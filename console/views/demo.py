"""What `stopline demo` shows while it goes and at its end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.lab.scoreboard import Result, Scoreboard
from console.lab.showing import Moment
from console.lab.story import SHORT, Step
from pipelines.policy import Policy
from schemas.alert import Alert
from schemas.currencies import digits_of
from schemas.order import MeasureKind


def picture(board: Scoreboard, moment: Moment, currency: str) -> Group:
    """Return how the job and its money stand now."""
    result, one = board.result(), 10 ** (digits_of(currency) or 0)
    head = Text(
        f"{moment.rate:>8,.0f} payments/s   {moment.decided:>9,} decided   p99 {moment.p99_ms:,.0f} ms"
    )
    sums = Text(
        f"{len(board.alerts):>8,} alerts   {board.told:>8,} warnings   "
        f"saved {(result.stopped_minor + result.caught_minor) / one:,.0f} of {result.scam_minor / one:,.0f}"
    )
    law = Text(
        f"{moment.in_force:>8,} measures in force   {moment.stopped:>3,} ordered by police   "
        f"{moment.reported:,} reported by victims"
    )
    newest = [shown_line(alert) for alert in list(board.alerts.values())[-6:]]
    return Group(Panel(Group(head, sums, law), title="Stopline"), *newest)


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
        return f"{_money(minor, currency):>20}  {share:>5.1%}"

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
    easy = stress["easy_world"]
    return (
        f"This world is easy: in others like it the model holds {easy['held_on_arrival']:.0%} of scam money "
        f"on arrival. Where scammers choose tactics it never saw it holds {mix['held_on_arrival']:.0%}, and "
        f"{mix['held_before_exit']:.0%} before the money leaves the first account, at "
        f"{mix['innocents_per_10k']:.1f} of 10,000 good payments; of the worst tactic "
        f"{worst['held_on_arrival']:.0%}; an ordinary model {plain['held_on_arrival']:.0%}; knowable "
        f"{mix['oracle']:.0%} ({stress['command']}, {stress['date']}). Real scams are harder still."
    )


def ending(
    board: Scoreboard, case: list[Step], rules: Policy, stress: Mapping[str, Any] | None = None
) -> list[RenderableType]:
    """Return what is said at the end: a case, the sums, and how the same bundle did in hard worlds."""
    stopped = len(
        {
            measure.account_token
            for measure in board.measures.values()
            if case and measure.kind is MeasureKind.STOP and measure.case_family == case[0].case_id
        }
    )
    shown = [told(case, rules.currency, rules.law.timezone, stopped)] if case else []
    return [*shown, scoreboard(board.result(), rules.currency), Text(beside(stress), style="dim")]


def told(steps: list[Step], currency: str, zone: str, stopped: int = 0) -> Panel:
    """Tell one case as a story, in local time; `stopped` accounts by order of police."""
    lines: list[RenderableType] = []
    for step in steps[:SHORT]:
        lines += _said(step, currency, ZoneInfo(zone))
    if len(steps) > SHORT:
        lines.append(Text(f"  and {len(steps) - SHORT} payments more", style="dim"))
    paid = sum(step.amount_minor for step in steps if step.scam)
    kept = sum(step.amount_minor for step in steps if step.scam and step.held)
    caught = min(sum(step.amount_minor for step in steps if not step.scam and step.held), paid - kept)
    gone = _money(paid - kept - caught, currency)
    lines.append(
        Text(
            f"Of {_money(paid, currency)} {_money(kept, currency)} never left the victim, "
            f"{_money(caught, currency)} was kept at a mule, {gone} is gone."
        )
    )
    if stopped:
        noun = "account" if stopped == 1 else "accounts"
        lines.append(Text(f"It was reported, and police had {stopped} {noun} of this case stopped."))
    return Panel(Group(*lines), title="One case of these")


def _said(step: Step, currency: str, zone: ZoneInfo) -> list[RenderableType]:
    at = datetime.fromtimestamp(step.at_us / 1e6, zone)
    who = f"a payer{f' aged {step.payer_age}' if step.payer_age else ''}" if step.scam else "a mule"
    seen = f", {' and '.join(step.seen)}," if step.seen else ""
    does = "pays a scammer" if step.scam else "moves on"
    found: list[RenderableType] = [
        Text(f"{at:%d %b %H:%M}  {who}{seen} {does} {_money(step.amount_minor, currency)}")
    ]
    if step.warning:
        found.append(_below(f"warned: {step.warning.text}", "yellow"))
    if step.alert:
        why = step.alert.reasons[0].text
        done = "delayed" if step.alert.outcome == "DELAY" else "held"
        found.append(_below(f"{done}: {why}", "green" if step.held else ""))
    elif not step.warning:
        found.append(_below("not seen", "red"))
    return found


def _below(said: str, style: str) -> Padding:
    return Padding(Text(said, style=style), (0, 0, 0, 14))


def _money(minor: int, currency: str) -> str:
    digits = digits_of(currency) or 0
    return f"{minor / 10**digits:,.0f} {currency}"
