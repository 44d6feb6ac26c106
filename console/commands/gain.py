"""`stopline gain`: what one bundle holds more than another in the same worlds."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from console.lab.gaining import gained
from console.lab.living import Size
from console.views import tables
from fixtures import mix
from models.features import computable
from models.scoring import bundle
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def gain(
    model_bundle: options.BundleFolder,
    *,
    over: Annotated[Path, typer.Option(help="Directory of the other one.")],
    mixes: Annotated[str, typer.Option(help="Mix: train, choose, test or a YAML file like them.")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the first world.", min=0)] = 52_000,
    worlds: Annotated[int, typer.Option(help="Worlds, of seeds one after the other.", min=2, max=1_000)] = 8,
    accounts: Annotated[int, typer.Option(help="Accounts of a world.")] = 4_000,
    days: Annotated[int, typer.Option(help="Days; the first seven only fill the ledgers.", min=9)] = 21,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    clues: options.Clues = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Compare two bundles in the same worlds.

    What is compared is the value held at 5 innocents of 10,000, and the value alerted at 5 and at 10 false
    alerts per true one at the base rate of life, in worlds whose scammers choose tactics. The
    difference is given with its 95 % interval over worlds; both live through the same ones. With `--clues`
    operators tell of calls and devices there, which a bundle trained with clues looks at.

    Example: stopline gain var/with_clues --over models/shipped --clues 0.7 --worlds 4
    """
    size = Size(seed, worlds, days=days, accounts=accounts, scam_rate=scam_rate, clues=clues)
    one, other = (bundle.load(path, features=computable()) for path in (model_bundle, over))
    with Console(stderr=True).status(f"living through {worlds} worlds of {accounts:,} accounts"):
        found = gained(one, other, mix.load(mixes), size, policy.load(policy.DEFAULT))
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found]))
        return
    names = ("scam value", one.version, f"over {other.version}", "more", "95 % interval")
    table = tables.figures(
        *names,
        title=f"held at 5 innocents of 10,000, or found at a ratio, clues of {clues:.0%}",
        names="scam value",
    )
    for each in found:
        low, high = each.interval
        table.add_row(
            each.what.replace("_", " "), f"{each.bundle:.1%}", f"{each.other:.1%}", f"{each.more:+.1%}",
            f"{low:+.1%} to {high:+.1%}",
        )  # fmt: skip
    Console(highlight=False).print(table)
