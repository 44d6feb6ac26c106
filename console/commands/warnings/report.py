"""`stopline warnings report`: what warnings do in a simulated world, with intervals."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.lab.warned import measured
from console.options import Country, Language, ModelBundle, PolicyFile
from console.views import warned
from fixtures.scenario import Scenario
from models import SHIPPED
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def report(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world and of its citizens.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1)] = 3,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 2_000,
    scam_rate: Annotated[float, typer.Option(help="Victims' transfers per payment.")] = 0.005,
    model_bundle: ModelBundle = SHIPPED,
    policy_file: PolicyFile = None,
    country: Country = "",
    language: Language = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Warn the payers of a simulated world, let citizens answer by stated assumptions, and count.

    Stop rate by channel, kind and severity; losses after a warning; genuine payments abandoned; d'; time
    to first contact; cost per unit averted; parties told against those held out. Assumptions are printed,
    none is fitted.

    Example: stopline warnings report --seed 3
    """
    rules = policy.load(policy.named(policy_file, country), language=language)
    world = Scenario(seed=seed, days=days, accounts=accounts, scam_rate=scam_rate)
    found = measured(world, model_bundle, rules)
    if as_json:
        typer.echo(json.dumps(warned.plain(found), ensure_ascii=False))
    else:
        Console().print(warned.table(found))
