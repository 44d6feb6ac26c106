"""`stopline desk run`: the pages, on this machine."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from console import options as given
from console.ending import unwind_on_signals
from console.lab.brokers import brokers_at
from console.lab.serving import FOLDER, opened
from console.lab.trying import InForce, Trials
from console.web import serve
from measures.law.country_file import read_laws
from models import SHIPPED
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def run(
    kafka_brokers: given.Brokers,
    *,
    kafka_security: given.KafkaSecurity = [],  # noqa: B006 - Typer's way
    country: given.Country = "",
    policy_file: given.PolicyFile = None,
    law_dir: given.LawDir = None,
    model_bundle: given.ModelBundle = SHIPPED,
    folder: Annotated[Path, typer.Option(help="Of store, audit chain and session key.")] = FOLDER,
    store: Annotated[
        str,
        typer.Option(help="postgresql://user@host/database, for the store alone; password in PGPASSFILE."),
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; only behind a proxy another one.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 is any that is free.", min=0, max=65535)
    ] = 8040,
    name: Annotated[list[str], typer.Option(help="Name that a proxy passes on; may be repeated.")] = [],  # noqa: B006
    seat: Annotated[
        list[str],
        typer.Option(help="name:role or name:institution:CODE to let in by a link; may be repeated."),
    ] = list(serve.SEATS),  # noqa: B006 - Typer's way
    institution: Annotated[
        str, typer.Option(help="Whose people sit here; what they ask to have blocked is its word.")
    ] = "desk",
    oidc: Annotated[Path | None, typer.Option(help="YAML of the provider that signs people in.")] = None,
    clock: given.DeskTime = "wall",
    words: Annotated[Path | None, typer.Option(help="Folder of your own words, a file a language.")] = None,
    guard: given.GuardFiles = [],  # noqa: B006 - Typer's way
    partitions: given.Partitions = 4,
    create_topics: given.CreateTopics = False,
) -> None:
    """Show cases, and let people decide them: queue, case, phone report, refused messages, model, health.

    Every fact is read from Kafka and every decision is sent there; the folder can be deleted at any time but
    for the audit chain. Each link lets one person in once.

    Example: stopline desk run --kafka_brokers 127.0.0.1:9092 --seat lead-1:lead --seat auditor-1:auditor
    """
    seats, laws = serve.people(seat, "" if institution == "desk" else institution), read_laws(law_dir)
    settings = brokers_at(kafka_brokers, kafka_security)
    rules = policy.load(file := policy.named(policy_file, country), laws)
    unwind_on_signals()
    desk = opened(
        settings, rules, laws, folder, store=store, clock=clock, guards=guard, institution=institution,
        partitions=partitions, create_topics=create_topics,
    )  # fmt: skip
    in_force = InForce(settings, file, model_bundle, law_dir)
    with closing(Trials(in_force)) as trials, desk as opened_desk:
        site = serve.site_of(opened_desk, folder, words, policy_stamp=rules.stamp, oidc=oidc, trials=trials)
        with serve.served(site, host, port, names=name) as address:
            for line in serve.links(site, address, seats):
                typer.echo(line)
            serve.wait(typer.echo)
            typer.echo("The desk closes its store.")
