"""`stopline whatif`: what another policy would have done to a recorded stream, before it goes live."""

import json
from pathlib import Path
from typing import Annotated

import typer

from console.lab import comparing
from console.lab.brokers import brokers_at
from console.lab.feedback import read_feedback
from console.lab.values import instant_us
from console.options import Country, KafkaSecurity, ModelBundle
from console.views import comparison
from fixtures.scenario import load
from models import SHIPPED
from pipelines import policy
from pipelines.hot import serving
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def whatif(
    scenario: Annotated[str, typer.Argument(help="A scenario or a YAML file like theirs.")] = "",
    *,
    new: Annotated[Path, typer.Option("--policy", help="YAML policy to try.")],
    live: Annotated[Path | None, typer.Option(help="YAML policy in force.")] = None,
    country: Country = "",
    feedback: Annotated[
        list[str], typer.Option(help="What is known of a stream: JSONL file or kafka://host:port.")
    ] = [],  # noqa: B006
    kafka_brokers: Annotated[
        str, typer.Option("--kafka_brokers", help="Broker whose recorded payments to replay.")
    ] = "",
    kafka_security: KafkaSecurity = [],  # noqa: B006
    model_bundle: ModelBundle = SHIPPED,
    since: Annotated[
        str, typer.Option(help="Compare from this time on; payments before only fill the ledgers.")
    ] = "1970-01-01",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay a recorded stream under the live policy and a new one and show what would change.

    Both run through the main job itself; nothing is sent. Saved is scam money that was delayed, held or
    stopped at the victim or caught leaving a mule. Disturbed are customers whose good payment was held, or
    who were warned and were no victims. Of a stream the truth is its feedback: scams never reported are
    counted as good.

    Example: stopline whatif police_call --policy new.yaml
    """
    if bool(scenario) == bool(kafka_brokers):
        raise ConfigError("name what to replay: a scenario, or a broker with --kafka_brokers; one of them")
    rules = {"live": policy.load(policy.named(live, country)), "new": policy.load(new)}
    for each in rules.values():
        serving.check(model_bundle.resolve(), each)
    if scenario:
        recorded = comparing.of_scenario(load(scenario), rules["live"].currency)
    else:
        known = read_feedback(feedback, kafka_security)
        kafka = brokers_at(kafka_brokers, kafka_security)
        recorded = comparing.of_stream(kafka, instant_us(since), known, rules["live"])
    with recorded as recording:
        runs = {name: comparing.replayed(recording, model_bundle, each) for name, each in rules.items()}
    outcomes = {name: comparing.outcome(recording.board, run) for name, run in runs.items()}
    changed, payments = comparing.changed(runs), recording.board.payments
    if as_json:
        found = {name: each._asdict() for name, each in outcomes.items()}
        print(json.dumps({**found, "payments": payments, "changed": changed}, indent=1))
        return
    comparison.show(outcomes, rules, payments, changed)
