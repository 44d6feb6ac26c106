"""`stopline broker`: a local Kafka broker, from the command line."""

from typing import Annotated

import typer

from pipelines.kafka.local import background
from pipelines.kafka.local.brokers import BrokerKind

app = typer.Typer(no_args_is_help=True, help="Run a Kafka broker on this machine.")

BrokerOption = Annotated[
    BrokerKind, typer.Option(help="embedded: in memory; kafka: Apache Kafka, needs Java.")
]
Port = Annotated[int | None, typer.Option(help="Loopback port; a free one if not given.", min=1, max=65_535)]


@app.command()
def up(kind: BrokerOption = "embedded", port: Port = None) -> None:
    """Start a broker in the background.

    Example: stopline broker up --kind embedded --port 9092
    """
    running = background.up(kind, port)
    typer.echo(f"{running.kind} broker at {running.address} (pid {running.pid}, log {running.log})")


@app.command()
def down() -> None:
    """Stop the broker that `up` started; an embedded one forgets its topics.

    Example: stopline broker down
    """
    running = background.down()
    typer.echo(f"{running.kind} broker at {running.address} stopped" if running else "no broker is running")


@app.command()
def status() -> None:
    """Show the broker that `up` started; exit code 1 if there is none.

    Example: stopline broker status
    """
    running = background.status()
    if running is None:
        typer.echo("no broker is running; start one with: stopline broker up")
        raise typer.Exit(1)
    typer.echo(f"{running.kind} broker at {running.address} (pid {running.pid}, log {running.log})")
