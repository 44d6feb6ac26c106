"""`stopline rings find` and `evaluate`: suspected accounts that belong together."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from console.lab import ring_sample, ring_truth, rings
from console.options import BEAM_FLAGS, BeamCommand
from console.views import rings as view
from fixtures import mix
from fixtures.world import START_US, simulate
from models.features import computable
from models.scoring import bundle
from pipelines import policy
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.units import DAY_US

app = typer.Typer(add_completion=False)


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def find(
    context: typer.Context,
    *,
    ring: Annotated[str, typer.Option(help="Id of a ring to show whole.")] = "",
    write: Annotated[bool, typer.Option(help="Send what changed to topic `cases`.")] = False,
) -> None:
    """Look for rings in alerts, traces, clues and feedback, by value still freezable.

    Money, victims and numbers tie accounts that are suspected themselves; what more than fifty share ties
    nobody. Ids stay from one look to the next, merges and splits are told. Run it as often as you need it.

    Example: stopline rings find --write --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    looked = rings.look(kafka)
    if write:
        rings.write(kafka, looked.told)
    Console().print(view.one(rings.one(looked.rings, ring)) if ring else view.overview(looked))
    if not ring:
        typer.echo(view.said(looked, written=write))


@app.command()
def evaluate(
    model_bundle: options.BundleFolder,
    *,
    seed: Annotated[int, typer.Option(help="Seed of the first world; none trained on.", min=0)] = 61,
    worlds: Annotated[int, typer.Option(help="How many worlds.", min=1, max=1_000)] = 3,
    days: Annotated[int, typer.Option(help="Days of a world to look at.", min=1)] = 7,
    history_days: Annotated[int, typer.Option(help="Days before that only fill the ledgers.", min=0)] = 14,
    accounts: Annotated[int, typer.Option(help="Accounts of a world.")] = 8_000,
    mixed: Annotated[str, typer.Option("--mix", help="How scammers work: a mix by name or file.")] = "test",
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    clues: Annotated[float, typer.Option(help="Share of people whose operator tells of calls.")] = 0.0,
    missing: Annotated[float, typer.Option(help="Share of links left out.", min=0, max=1)] = 0.0,
    amlsim: Annotated[Path | None, typer.Option(help="AMLSim's transactions, in place of worlds.")] = None,
    country: options.Country = "",
) -> None:
    """Hold rings found among a bundle's alerts against who really worked together in simulated worlds.

    The oracle finds by the same rules, but knows every scam and every mule.

    Example: stopline rings evaluate models/shipped --worlds 3 --missing 0.5
    """
    if amlsim:
        Console().print(view.sample(ring_sample.measured(amlsim, missing=missing, seed=seed)))
        return
    of, loaded = policy.load(policy.named(None, country)), bundle.load(model_bundle, features=computable())
    playing, found, oracles = mix.load(mixed), [], []
    for number in range(seed, seed + worlds):
        world = simulate(number, history_days + days, accounts, scam_rate=scam_rate, mix=playing, clues=clues)
        begins_us = START_US + history_days * DAY_US
        found.append(ring_truth.measured(world, begins_us, loaded, of, missing=missing, seed=number))
        oracles.append(ring_truth.oracle(world, begins_us, missing=missing, seed=number))
    Console().print(view.figures(found, oracles, seed))
