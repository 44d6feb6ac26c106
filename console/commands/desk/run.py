"""`stopline desk run`: the pages, on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.ending import end_on_signals
from console.lab.feeds import brokers_at
from console.lab.serving import FOLDER, opened
from console.options import (
    Brokers,
    Country,
    CreateTopics,
    GuardFiles,
    KafkaSecurity,
    LawDir,
    Partitions,
    PolicyFile,
)
from console.web import serve
from measures.law.country_file import read_laws
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def run(
    kafka_brokers: Brokers,
    *,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    country: Country = "",
    policy_file: PolicyFile = None,
    law_dir: LawDir = None,
    folder: Annotated[Path, typer.Option(help="Where store, audit chain and session key are kept.")] = FOLDER,
    host: Annotated[
        str, typer.Option(help="Address to listen on; only behind a proxy another one.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 is any that is free.", min=0, max=65535)
    ] = 8040,
    name: Annotated[list[str], typer.Option(help="Name that a proxy passes on; may be repeated.")] = [],  # noqa: B006
    seat: Annotated[
        list[str], typer.Option(help="name:role of somebody to let in by a printed link; may be repeated.")
    ] = list(serve.SEATS),  # noqa: B006 - Typer's way
    institution: Annotated[
        str, typer.Option(help="Whose people sit here; what they ask to have blocked is its word.")
    ] = "desk",
    oidc: Annotated[Path | None, typer.Option(help="YAML of the provider that signs people in.")] = None,
    clock: Annotated[
        Literal["wall", "stream"], typer.Option(help="stream: by the newest event, for simulated days.")
    ] = "wall",
    words: Annotated[Path | None, typer.Option(help="Folder of your own words, a file a language.")] = None,
    guard: GuardFiles = [],  # noqa: B006 - Typer's way
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
) -> None:
    """Show cases, and let people decide them: queue, case, phone report, refused messages, model, health.

    Every fact is read from Kafka and every decision is sent there; the folder can be deleted at any time but
    for the audit chain. Each link lets one person in once.

    Example: stopline desk run --kafka_brokers 127.0.0.1:9092 --seat lead-1:lead --seat auditor-1:auditor
    """
    seats, settings, laws = serve.people(seat), brokers_at(kafka_brokers, kafka_security), read_laws(law_dir)
    rules = policy.load(policy.named(policy_file, country), laws)
    end_on_signals(typer.echo)
    desk = opened(
        settings, rules, laws, folder, clock=clock, guards=guard, institution=institution,
        partitions=partitions, create_topics=create_topics,
    )  # fmt: skip
    with desk as opened_desk:
        site = serve.site_of(opened_desk, folder, words, policy_stamp=rules.stamp, oidc=oidc)
        with serve.served(site, host, port, names=name) as address:
            for line in serve.links(site, address, seats):
                typer.echo(line)
            serve.wait(typer.echo)
