"""`stopline check`: what a job would make of payments, before it is started."""

from typing import Annotated

import typer
from rich.console import Console

from console.lab.checking import checked
from console.lab.sampling import sampled
from console.options import Country, KafkaSecurity, LawDir, ModelBundle, PolicyFile
from console.views.checking import told
from measures.law.country_file import read_laws
from models import SHIPPED
from pipelines import policy
from pipelines.hot import serving

app = typer.Typer(add_completion=False)


@app.command()
def check(
    place: Annotated[
        str,
        typer.Argument(
            help="JSON Lines file, XML file of ISO 20022, folder of `stopline import`, or "
            "kafka://host:port/topic."
        ),
    ],
    *,
    model_bundle: ModelBundle = SHIPPED,
    policy_file: PolicyFile = None,
    country: Country = "",
    law_dir: LawDir = None,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
) -> None:
    """Take the first 1,000 payments through decode and model, and say what is wrong and how to mend it.

    Refused by reason, units that look wrong, fields that are unknown, misspelt or missing, currencies
    without a rate, and what the model would do about whose accounts. Nothing is sent or kept. Exit code 1 if
    a payment is refused. `first` is a line of the file, or an offset.

    Example: stopline check payments.jsonl --country uk
    """
    rules = policy.load(policy.named(policy_file, country), read_laws(law_dir))
    models = serving.check(model_bundle.resolve(), rules)
    found = checked(*sampled(place, kafka_security, rules.clock), rules, models)
    console = Console()
    for each in told(found):
        console.print(each, highlight=False)
    if found.refused:
        raise typer.Exit(1)
