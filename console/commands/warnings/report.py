"""`stopline warnings report`: what warnings did, with intervals."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.lab import deployed
from console.lab.brokers import brokers_at
from console.lab.dissuading import costs
from console.lab.talking import Figures
from console.lab.warned import measured
from console.options import Country, KafkaSecurity, Language, ModelBundle, PolicyFile
from console.views import warned
from fixtures.scenario import Scenario
from models import SHIPPED
from pipelines import policy
from pipelines.streams.clock import now_us
from schemas.units import DAY_US

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
    brokers: Annotated[
        str, typer.Option("--kafka_brokers", help="host:port; count what a deployment's topics say instead.")
    ] = "",
    security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    last_days: Annotated[int, typer.Option(help="Of a deployment: warnings of so many days.", min=1)] = 90,
    cost: Annotated[
        list[str], typer.Option(help="What a try costs, minor units: CHANNEL=COST; may be repeated.")
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Count what warnings did: in a deployment, or in a simulated world whose citizens answer as is assumed.

    Stop rate by channel, kind and severity; losses after a warning; genuine payments abandoned; d'; time
    to first contact; cost per unit averted; parties told against those held out. Assumptions are printed,
    none is fitted. Of a deployment topics warnings, contacts, feedback and payments are read as they stand.

    Example: stopline warnings report --seed 3
    """
    rules = policy.load(policy.named(policy_file, country), language=language)
    if brokers:
        since_us = now_us() - last_days * DAY_US
        found = deployed.measured(brokers_at(brokers, security), rules, costs(cost), since_us)
        show(found, warned.COUNTED, as_json=as_json)
        return
    world = Scenario(seed=seed, days=days, accounts=accounts, scam_rate=scam_rate)
    show(measured(world, model_bundle, rules), warned.ASSUMED, as_json=as_json)


def show(found: Figures, under: str, *, as_json: bool) -> None:
    """Print figures as a table or as JSON."""
    if as_json:
        typer.echo(json.dumps(warned.plain(found), ensure_ascii=False))
    else:
        Console().print(warned.table(found, under))
