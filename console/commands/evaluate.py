"""`stopline evaluate`: what a bundle does to payments whose truth is known."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from console.lab import measuring
from console.lab.feedback import log_feedback
from console.lab.imported import measured_import, read_import
from console.lab.rows import DecisionLog
from console.views import evaluation
from fixtures.world import START_US, simulate
from models.features import computable
from models.scoring import bundle
from pipelines import policy
from schemas.units import DAY_US

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    model_bundle: options.BundleFolder,
    *,
    decision_log: options.LogFolder = None,
    payments: options.Payments = None,
    feedback: options.FeedbackPlaces = [],  # noqa: B006
    kafka_security: options.KafkaSecurity = [],  # noqa: B006
    known_by: options.KnownBy = "",
    skip_damaged: options.SkipDamaged = False,
    delay_days: Annotated[
        float | None, typer.Option(help="Days until a payment without a label is good; 7 if a log.", min=0)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the world; not one trained on.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days of the world to measure on.", min=1)] = 7,
    history_days: Annotated[int, typer.Option(help="Days before that only fill the ledgers.", min=0)] = 21,
    accounts: Annotated[int, typer.Option(help="Accounts of the world.")] = 8_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    policy_file: options.PolicyFile = None,
    country: options.Country = "",
    plots_to: Annotated[
        Path | None, typer.Option("--plots", help="Folder to write curves to, as PNG and SVG.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a bundle on a decision log, on imported payments, or on a simulated world.

    Thresholds are the bundle's own, chosen before these payments. Per leg: AUC, average precision, scam value
    found, innocents held, wrongful-hold minutes, calibration, alerts, and holds by age band and region.
    Both legs together: scam money held as it arrived, caught leaving a mule, lost.
    Minutes count until a payment was found legitimate, else until the measure lapses by law.

    Example: stopline evaluate models/shipped --seed 5 --plots var/plots
    """
    rules, loaded = (
        policy.load(policy.named(policy_file, country)),
        bundle.load(model_bundle, features=computable()),
    )
    said = log_feedback(decision_log, feedback, kafka_security, "" if payments else known_by)
    if payments is not None:
        source = f"payments imported to {payments.name}"
        given = read_import(payments, Console(stderr=True).print)
        measured = measured_import(given, rules, known_by, delay_days)
    elif decision_log is None:
        source = f"a world of seed {seed}: {days} days of {accounts:,} accounts after {history_days} days"
        with Console(stderr=True).status(f"simulating {source}"):
            world = simulate(seed=seed, days=history_days + days, accounts=accounts, scam_rate=scam_rate)
            measured = measuring.of_world(world, rules, START_US + history_days * DAY_US)
    else:
        source = f"decision log {decision_log}"
        log = DecisionLog(decision_log, skip_damaged, Console(stderr=True).print)
        measured = measuring.of_log(rules, log, said, known_by, 7.0 if delay_days is None else delay_days)
    found = measuring.measure(loaded, rules, measured, source)
    if plots_to is not None:
        measuring.draw(plots_to, found)
    evaluation.show(found.figures, as_json=as_json)
