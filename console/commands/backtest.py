"""`stopline backtest`: how steady a model is over time, seeds and label delays, and what each reason adds."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.lab.feedback import log_feedback
from console.lab.rows import DecisionLog, Worlds
from console.lab.values import numbers
from console.lab.walking import Log, Walk, walked
from console.options import (
    Country,
    FeedbackPlaces,
    KafkaSecurity,
    KnownBy,
    LogFolder,
    PolicyFile,
    SkipDamaged,
)
from console.views import backtest as views
from models.scoring.bundle import LEGS
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def backtest(
    *,
    decision_log: LogFolder = None,
    feedback: FeedbackPlaces = [],  # noqa: B006
    kafka_security: KafkaSecurity = [],  # noqa: B006
    known_by: KnownBy = "",
    skip_damaged: SkipDamaged = False,
    policy_file: PolicyFile = None,
    country: Country = "",
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
    """Train up to a day, test on the days after, move on.

    For each label delay and seed. Figures are means over windows and seeds with least and largest. Thresholds
    come from validation days before the test, so the promised ratio and the measured one differ: that
    difference is the point.

    Example: stopline backtest --seeds 1,2 --accounts 3000 --delays 0,1,7
    """
    wanted = "train,validation,test in days, such as 10,5,5"
    train, validation, test = numbers(windows, "--windows", wanted, 3, positive=3)
    drawn = numbers(seeds, "--seeds", "whole numbers with commas between, such as 1,2", whole=True)
    known_after = numbers(delays, "--delays", "days with commas between, such as 0,1,7")
    given = log_feedback(decision_log, feedback, kafka_security, known_by)
    worlds = Worlds([*map(int, drawn)], days, accounts, scam_rate)
    source: Worlds | Log = worlds
    if decision_log is not None:
        log = DecisionLog(decision_log, skip_damaged, Console(stderr=True).print)
        source = Log(log, given, known_by)
    how = Walk(train, validation, test, steps, trees, ablations)
    rules = policy.load(policy.named(policy_file, country))
    with Console(stderr=True).status("testing") as status:
        found = walked(source, rules, known_after, how, status.update)
    if as_json:
        print(json.dumps([{"seed": seed, **step._asdict()} for seed, step in found], indent=1))
        return
    for leg in LEGS:
        steps_of_leg = [step for _, step in found if step.leg == leg]
        Console().print((views.by_group if ablations else views.by_delay)(leg, steps_of_leg))
