"""`stopline reports order`: what a report asks of an operator becomes a signed order."""

import time
from pathlib import Path
from typing import Annotated

import typer

from console.lab import ordering, reporting
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings

app = typer.Typer(add_completion=False)


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def order(
    context: typer.Context,
    report: Annotated[str, typer.Argument(help="Id of the report.")],
    action: Annotated[str, typer.Argument(help="Id of the action: SUSPEND_LINE, RE_VERIFY or its UNDO.")],
    *,
    authority: Annotated[str, typer.Option(help="Id of the authority, as in its key file.")],
    key: Annotated[Path, typer.Option(help="Private key of the authority.")],
    officer: Annotated[list[str], typer.Option(help="Who signs; repeat it where the law asks for two.")],
) -> None:
    """Order of an operator what a report asks of it; the answer goes to the report by itself.

    Example: stopline reports order report-1 action_x --authority police-1 --officer o-1 --key police.jwk
    """
    kafka = kafka_settings(in_process_options(context.args))
    case = reporting.one(reporting.cases(kafka), report)
    made = ordering.order_of(case, action, authority, officer, time.time_ns() // 1000)
    ordering.send_order(kafka, made, key)
    typer.echo(f"{made.kind} {made.action} of {made.target.account_token} sent as {made.order_no}")
