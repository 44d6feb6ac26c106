"""The tables of `stopline backtest`."""

from typing import Any

from rich.table import Table

from models.learning.backtest import Step, spread

#: Title, and where the figure stands in a step's test.
FIGURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AUC", ("auc",)),
    ("AP", ("average_precision",)),
    ("value at 5:1", ("points", "at_5_to_1", "value_detection")),
    ("false per true there", ("points", "at_5_to_1", "false_per_true")),
    ("value at 10:1", ("points", "at_10_to_1", "value_detection")),
    ("value at 5 innocents", ("points", "innocent_5_per_10k", "value_detection")),
    ("innocents there", ("points", "innocent_5_per_10k", "innocent_holds_per_10k")),
)


def by_delay(leg: str, steps: list[Step]) -> Table:
    """Return figures in rows, delays in columns: mean, least and largest over windows and seeds."""
    delays = list(dict.fromkeys(step.delay for step in steps))
    table = Table("", *(f"{delay:g} days" for delay in delays), title=f"{leg} leg, by label delay")
    of = {delay: [step for step in steps if step.delay == delay] for delay in delays}
    table.add_row("tests", *(f"{len(each)}" for each in of.values()))
    table.add_row("scams", *(f"{sum(step.scams for step in each):,}" for each in of.values()))
    for title, path in FIGURES:
        table.add_row(title, *(_cell([_figure(step.test, path) for step in each]) for each in of.values()))
    return table


def by_group(leg: str, steps: list[Step]) -> Table:
    """Return the groups left out in rows: means over delays and seeds."""
    shown = [FIGURES[place] for place in (1, 2, 3, 5)]
    table = Table("without", *(title for title, _ in shown), title=f"{leg} leg, without a group of features")
    for without in dict.fromkeys(step.without for step in steps):
        mine = [step.test for step in steps if step.without == without]
        means = (spread([_figure(test, path) for test in mine])[0] for _, path in shown)
        table.add_row(without or "nothing", *(f"{mean:.3f}" for mean in means))
    return table


def _figure(test: Any, path: tuple[str, ...]) -> float | None:
    for name in path:
        test = test[name]
    return None if test is None else float(test)


def _cell(values: list[float | None]) -> str:
    mean, least, most = spread(values)
    digits = 3 if most <= 1 else 2
    return f"{mean:.{digits}f} ({least:.{digits}f}-{most:.{digits}f})"
