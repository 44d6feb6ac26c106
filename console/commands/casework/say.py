"""`stopline casework say`: what institutions and people tell the casework job."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab.reporting import say as said
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings

app = typer.Typer(add_completion=False)


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def say(
    context: typer.Context,
    message: Annotated[Path, typer.Argument(help="JSON, see schemas/json/casework.v1.json; - is stdin.")],
    *,
    key: Annotated[
        Path | None, typer.Option(help="Private key of an authority, as lifecycle keygen wrote it.")
    ] = None,
) -> None:
    """Send one message to topic `casework`: a block asked for, an objection, a judgement, a listing.

    What only an authority may say counts only where it is signed with --key.

    Example: stopline casework say objection.json --kafka_brokers 127.0.0.1:9092
    """
    typer.echo(f"{said(kafka_settings(in_process_options(context.args)), message, key)} sent")
