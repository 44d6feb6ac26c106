"""`stopline send`: payments of a file to a topic."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab.brokers import brokers_at
from console.lab.passing import sent
from console.options import Brokers, KafkaSecurity
from schemas import topics

app = typer.Typer(add_completion=False)


@app.command()
def send(
    place: Annotated[
        Path, typer.Argument(help="JSON Lines file, XML file or folder of them, or folder of an import.")
    ],
    *,
    kafka_brokers: Brokers = "127.0.0.1:9092",
    topic: Annotated[str, typer.Option(help="Topic to send to.")] = topics.PAYMENTS,
    now: Annotated[
        bool, typer.Option("--now", help="Move all times by the same span, so that the newest is now.")
    ] = False,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
) -> None:
    """Send payments of a file to a topic, as your producer would; messages are sent as they are.

    With --now recorded ones go as if they were made today: a job refuses what is over a week old. Payments,
    and messages about accounts, parties and findings, get the key of their contract. A topic that is not
    there yet is waited for half a minute.

    Example: stopline send pacs.008.xml --kafka_brokers 127.0.0.1:9092
    """
    number = sent(brokers_at(kafka_brokers, kafka_security), topic, place, now=now)
    typer.echo(f"{number:,} {'message' if number == 1 else 'messages'} sent to topic {topic}")
