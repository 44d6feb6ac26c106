"""`stopline fields`: what each optional field of a payment is worth to a bundle."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.lab.living import Size
from console.lab.stressing import fields_value
from console.options import BundleFolder
from console.views import stress as view
from fixtures import mix
from models.features import computable
from models.scoring import bundle
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def fields(
    model_bundle: BundleFolder,
    *,
    mixes: Annotated[
        str, typer.Option(help="Mix to measure in: train, choose, test or a YAML file like them.")
    ] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the first world measured in.", min=0)] = 50_000,
    worlds: Annotated[
        int, typer.Option(help="Worlds, simulated again for each field.", min=1, max=1_000)
    ] = 3,
    accounts: Annotated[int, typer.Option(help="Accounts of a world.")] = 4_000,
    days: Annotated[
        int, typer.Option(help="Days of a world; the first seven only fill the ledgers.", min=9)
    ] = 21,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure what each optional field is worth to a bundle.

    That is, how much scam value is held without the field, and with it as the only one. The same worlds are
    lived through with every institution sending the same fields. Held are at most 5 of 10,000 good payments.

    Example: stopline fields models/shipped --worlds 1
    """
    loaded = bundle.load(model_bundle, features=computable())
    size = Size(seed, worlds, days=days, accounts=accounts, scam_rate=scam_rate)
    with Console(stderr=True).status("living through the same worlds with and without each field"):
        found = fields_value(loaded, mix.load(mixes), size, policy.load(policy.DEFAULT))
    if as_json:
        print(json.dumps(found))
    else:
        Console(highlight=False).print(view.fields(found))
