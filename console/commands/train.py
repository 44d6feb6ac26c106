"""`stopline train`: a model bundle from a decision log with feedback, or from simulated worlds."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from console.lab.feedback import log_feedback
from console.lab.imported import labelled_import, read_import
from console.lab.rows import DecisionLog, Worlds, labelled_log
from console.lab.training import Settings, recipe, require_room, simulated, write_bundle
from console.lab.values import windows_of
from console.views import training
from models.learning.stream import SHORT
from models.learning.train import Windows
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def train_bundle(
    *,
    out: Annotated[Path, typer.Option(help="Directory of the new bundle.")] = Path("var/bundle"),
    decision_log: options.LogFolder = None,
    payments: options.Payments = None,
    feedback: options.FeedbackPlaces = [],  # noqa: B006
    kafka_security: options.KafkaSecurity = [],  # noqa: B006
    known_by: options.KnownBy = "",
    skip_damaged: options.SkipDamaged = False,
    windows: options.Windows = "",
    policy_file: options.PolicyFile = None,
    country: options.Country = "",
    seed: Annotated[int, typer.Option(help="Seed of the first world and of the trees.", min=0)] = 1,
    worlds: Annotated[int, typer.Option(help="Worlds to simulate, seed after seed.", min=1, max=1_000)] = 1,
    days: Annotated[int, typer.Option(help="Days to simulate; the split needs 27.")] = 28,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 20_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    mix: Annotated[str, typer.Option(help="How scammers work: a mix's name or YAML file.")] = "",
    clues: options.Clues = 0.0,
    choose: Annotated[str, typer.Option(help="Mix of other worlds to choose thresholds on.")] = "",
    trees: Annotated[int, typer.Option(help="Boosted trees per leg.", min=1)] = 150,
    replace: Annotated[bool, typer.Option(help="Replace a bundle that is there.")] = False,
) -> None:
    """Train a bundle on a decision log, on imported payments, or on simulated worlds.

    Ordered by time: fit on the first days, choose thresholds on validation days, measure on the last ones.
    Of a log, a label counts from the day it became known, a payment without one is good only once the delay
    has passed, and sampled rows count for those left out. In simulated worlds labels count after the delay.

    Example: stopline train --decision_log var/log --feedback feedback.jsonl --out var/bundle
    """
    console, rules = Console(), policy.load(policy.named(policy_file, country))
    labels = log_feedback(decision_log, feedback, kafka_security, "" if payments else known_by)
    given = None if payments is None else read_import(payments, console.print)
    usual = given.windows() if given else SHORT if decision_log is None else Windows()
    split = windows_of(windows, usual)
    require_room(out, replace=replace)
    apart = None
    if given is not None:
        rows = labelled_import(given, rules, known_by=known_by, delay_days=split.delay)
        source = f"payments imported to {given.folder.name}"
    elif decision_log is None:
        made = Worlds(range(seed, seed + worlds), days, accounts, scam_rate, mix, clues)
        with console.status(f"simulating {days} days of {accounts:,} accounts, {worlds} times"):
            rows, apart = simulated(made, choose, rules)
        source = recipe(made, trees, windows, choose)
    else:
        with console.status(f"reading {decision_log}"):
            log = DecisionLog(decision_log, skip_damaged, console.print)
            rows = labelled_log(log, labels, rules, known_by=known_by, delay_days=split.delay)
        source = "a decision log"
    synthetic = decision_log is None and payments is None
    with console.status(f"training on {len(rows['credit'].y):,} payments"):
        how = Settings(source, synthetic, split, seed, trees)
        bundle = write_bundle(out, rows, how, apart)
    for said in (training.table(out), training.summary(bundle.version, out, rows), *training.cautions(out)):
        console.print(said)
