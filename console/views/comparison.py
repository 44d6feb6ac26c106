"""The figures of `stopline whatif`."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from console.lab.comparing import PolicyResult
from console.views.tables import figures
from pipelines.policy import Policy


def show(
    outcomes: Mapping[str, PolicyResult],
    rules: Mapping[str, Policy],
    payments: int,
    changed: Mapping[str, int],
) -> None:
    """Print what the live and the new policy did."""
    console = Console(highlight=False)
    console.print(_table(outcomes, rules, payments))
    console.print(
        f"acted on only under the new policy: {changed['more']:,} legs; only under the live one: "
        f"{changed['fewer']:,}; another measure: {changed['other']:,}",
        soft_wrap=True,
    )
    if not outcomes["live"].scam_minor:
        console.print("nothing is known of scams in this stream: add --feedback to see money saved")


def _table(outcomes: Mapping[str, PolicyResult], rules: Mapping[str, Policy], payments: int) -> Table:
    live, new = outcomes["live"], outcomes["new"]
    law = rules["live"].law
    table = figures(
        "", "live", "new", "difference",
        title=f"{payments:,} payments under {rules['live'].stamp} and {rules['new'].stamp}",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"

    def money(minor: int, sign: str = "") -> str:
        return f"{minor / 10**law.minor_digits:{sign},.0f} {law.currency}"

    saved = new.saved_minor - live.saved_minor
    table.add_row("scam money", money(live.scam_minor), money(new.scam_minor), "")
    table.add_row("  saved", money(live.saved_minor), money(new.saved_minor), money(saved, "+"))
    for name, text in (
        ("delayed", "legs delayed"), ("held", "legs held"), ("stopped", "legs stopped"),
        ("warned", "customers warned"), ("innocent_held", "good payments held"),
        ("customers_disturbed", "customers disturbed"), ("braked", "alarms: mass stop braked"),
    ):  # fmt: skip
        before, after = getattr(live, name), getattr(new, name)
        table.add_row(text, f"{before:,}", f"{after:,}", f"{after - before:+,}")
    return table
