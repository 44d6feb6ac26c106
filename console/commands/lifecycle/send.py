"""`stopline lifecycle send`: an order, signed as its authority would."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab.ordering import read_order, send_order
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas import topics

#: A job that runs answers in seconds, one that starts in some more.
WAIT_S = 60.0

app = typer.Typer(add_completion=False)


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def send(
    context: typer.Context,
    order: Annotated[Path, typer.Argument(help="An order as JSON, see schemas/json/order.v1.json.")],
    key: Annotated[Path, typer.Option(help="Private key, as keygen wrote it.")],
    now: Annotated[
        bool, typer.Option("--now", help="Move its times so that it is issued now: for a sample.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the reply and show it.")] = False,
) -> None:
    """Sign an order as its authority would and send it to topic `orders`.

    The reply comes on topic `measures`. Kafka is named as for run: --kafka_brokers and so on.

    Example: stopline lifecycle send order.json --key private.jwk --wait --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    number, reply = send_order(kafka, read_order(order, now=now), key, WAIT_S if wait else 0.0)
    said = f"the reply: {reply}" if reply else f"its reply comes on topic {topics.MEASURES}"
    typer.echo(f"order {number} sent; {said}")
