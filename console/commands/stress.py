"""`stopline stress`: what a bundle does where scammers choose tactics it was never trained on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from console.lab import summary
from console.lab.living import Size
from console.lab.stressing import GROWN_WORLDS, Mixes, stressed
from console.views import stress as view
from fixtures import mix
from models.features import computable
from models.scoring import bundle
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def stress(
    model_bundle: options.BundleFolder,
    *,
    mixes: Annotated[
        str, typer.Option(help="Mix to measure in: train, choose, test or a YAML file like them.")
    ] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the first world measured in.", min=0)] = 50_000,
    worlds: Annotated[int, typer.Option(help="Worlds of each kind.", min=1, max=1_000)] = 10,
    accounts: Annotated[int, typer.Option(help="Accounts of a world.")] = 4_000,
    days: Annotated[
        int, typer.Option(help="Days of a world; the first seven only fill the ledgers.", min=9)
    ] = 21,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    clues: options.Clues = 0.0,
    grown: Annotated[
        int, typer.Option(help="Worlds of the mix `train` that the ordinary model learns from.", min=1)
    ] = GROWN_WORLDS,
    out: Annotated[Path | None, typer.Option(help="File to write the figures to, as JSON.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Put a summary beside the bundle, for `demo` and `card`.")
    ] = False,
) -> None:
    """Measure a bundle in worlds whose scammers choose tactics, beside an ordinary bank model and an oracle.

    Held are at most 5 of 10,000 good payments, on both legs together. Disturbed customers per victim are
    those at the base rate of life, 3 scams in 100,000 payments; the worlds hold many more so that they have
    cases. The oracle is a model that knows the law of the worlds and the truth of every earlier payment.

    Example: stopline stress models/shipped --mixes test --worlds 2
    """
    console, rules = Console(highlight=False), policy.load(policy.DEFAULT)
    loaded = bundle.load(model_bundle, features=computable())
    chosen = Mixes(mix.load("train"), mix.load("choose"), mix.load(mixes))
    size = Size(seed, worlds, days=days, accounts=accounts, scam_rate=scam_rate, clues=clues)
    with Console(stderr=True).status(f"living through {7 * worlds + grown} worlds of {accounts:,} accounts"):
        found = stressed(loaded, chosen, size, rules, grown_worlds=grown)
    found = {"bundle": loaded.version, "mixes": mixes, **size._asdict(), **found}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")
    if keep:
        command = f"stopline stress {model_bundle} --mixes {mixes} --worlds {worlds} --seed {seed}"
        summary.keep(model_bundle, found, command=command, day=datetime.now(UTC).date().isoformat())
    for table in view.tables(found):
        console.print(table)
