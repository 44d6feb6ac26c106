"""`stopline listen`: what a topic holds."""

from typing import Annotated

import typer

from console.lab.brokers import brokers_at
from console.lab.passing import heard
from console.options import Brokers, KafkaSecurity

app = typer.Typer(add_completion=False)


@app.command()
def listen(
    topic: Annotated[str, typer.Argument(help="Topic to print, such as alerts, warnings or dead_letters.")],
    *,
    kafka_brokers: Brokers = "127.0.0.1:9092",
    follow: Annotated[bool, typer.Option(help="Wait for more, until stopped with Ctrl-C.")] = False,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
) -> None:
    """Print what a topic holds, a JSON object a line.

    Example: stopline listen alerts --kafka_brokers 127.0.0.1:9092
    """
    for value in heard(brokers_at(kafka_brokers, kafka_security), topic, follow=follow):
        typer.echo(value)
