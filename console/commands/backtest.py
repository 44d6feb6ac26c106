"""`stopline backtest`: how steady a model is over time, seeds and label delays, and what each reason adds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.lab.recorded import (
    FeedbackPlaces,
    KafkaSecurity,
    KnownBy,
    PolicyFile,
    labelled_log,
    log_feedback,
    numbers,
    of_world,
)
from fixtures.world import simulate
from models.learning.backtest import Step, ablate, spread, walk
from models.learning.stream import LegRows, of_recorded
from models.learning.train import Windows
from models.scoring.bundle import LEGS
from pipelines import policy
from schemas.feedback import Feedback

app = typer.Typer(add_completion=False)

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


@app.command()
def backtest(
    *,
    decision_log: Annotated[
        Path | None,
        typer.Option("--decision_log", help="Test on this log; else on simulated worlds."),
    ] = None,
    feedback: FeedbackPlaces = [],  # noqa: B006
    kafka_security: KafkaSecurity = [],  # noqa: B006
    known_by: KnownBy = "",
    policy_file: PolicyFile = policy.DEFAULT,
    seeds: Annotated[str, typer.Option(help="Seeds of the worlds.")] = "1,2",
    days: Annotated[int, typer.Option(help="Days of each world.")] = 45,
    accounts: Annotated[int, typer.Option(help="Accounts of each world.")] = 3_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.002,
    delays: Annotated[str, typer.Option(help="Days until a label is known.")] = "0,1,7",
    windows: Annotated[str, typer.Option(help="Days of train,validation,test.")] = "10,5,5",
    steps: Annotated[int, typer.Option(help="Windows to walk through.", min=1)] = 3,
    trees: Annotated[int, typer.Option(help="Boosted trees per leg.", min=1)] = 60,
    ablations: Annotated[
        bool, typer.Option("--ablate", help="Leave out one group of features after the other instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every window as JSON.")] = False,
) -> None:
    """Train up to a day, test on the days after, move on; for each label delay and seed.

    Figures are means over windows and seeds with least and largest. Thresholds come from validation days
    before the test, so the promised ratio and the measured one differ: that difference is the point.

    Example: stopline backtest --seeds 1,2 --accounts 3000 --delays 0,1,7
    """
    wanted = "train,validation,test in days, such as 10,5,5"
    train, validation, test = numbers(windows, "--windows", wanted, 3, positive=3)
    drawn = numbers(seeds, "--seeds", "whole numbers with commas between, such as 1,2", whole=True)
    known_after = numbers(delays, "--delays", "days with commas between, such as 0,1,7")
    given = log_feedback(decision_log, feedback, kafka_security, known_by)
    found: list[tuple[int, Step]] = []
    for delay in known_after:
        split = Windows(train, validation, test, delay)
        for seed, rows in _sources(
            decision_log, given, known_by, policy_file, delay,
            worlds=(drawn, days, accounts, scam_rate),
        ):  # fmt: skip
            with Console(stderr=True).status(f"delay {delay:g} days, seed {seed}"):
                tested = (
                    ablate(rows, split, max_iter=trees)
                    if ablations
                    else walk(rows, split, steps=steps, max_iter=trees)
                )
                found += [(seed, step) for step in tested]
    if as_json:
        print(json.dumps([{"seed": seed, **step._asdict()} for seed, step in found], indent=1))
        return
    for leg in LEGS:
        steps_of_leg = [step for _, step in found if step.leg == leg]
        Console().print((_by_group if ablations else _by_delay)(leg, steps_of_leg))


def _sources(
    decision_log: Path | None,
    given: list[Feedback],
    known_by: str,
    policy_file: Path,
    delay: float,
    *,
    worlds: tuple[list[float], int, int, float],
) -> Iterator[tuple[int, dict[str, LegRows]]]:
    """Yield rows with the seed they come from, 0 for a log."""
    rules = policy.load(policy_file)
    if decision_log is not None:
        yield 0, labelled_log(decision_log, given, rules, known_by=known_by, delay_days=delay)
        return
    seeds, days, accounts, scam_rate = worlds
    for seed in map(int, seeds):
        world = simulate(seed=seed, days=days, accounts=accounts, scam_rate=scam_rate)
        yield seed, of_recorded(of_world(world, rules))


def _by_delay(leg: str, steps: list[Step]) -> Table:
    """Return figures in rows, delays in columns: mean, least and largest over windows and seeds."""
    delays = list(dict.fromkeys(step.delay for step in steps))
    table = Table("", *(f"{delay:g} days" for delay in delays), title=f"{leg} leg, by label delay")
    of = {delay: [step for step in steps if step.delay == delay] for delay in delays}
    table.add_row("tests", *(f"{len(each)}" for each in of.values()))
    table.add_row("scams", *(f"{sum(step.scams for step in each):,}" for each in of.values()))
    for title, path in FIGURES:
        table.add_row(title, *(_cell([_figure(step.test, path) for step in each]) for each in of.values()))
    return table


def _by_group(leg: str, steps: list[Step]) -> Table:
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
