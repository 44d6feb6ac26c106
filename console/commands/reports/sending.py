"""`stopline reports send` and `revoke`: what reporters say."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import reporting
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.report import Revocation

app = typer.Typer(add_completion=False)

Key = Annotated[Path | None, typer.Option("--key", help="Private key of an authority.")]
ReportId = Annotated[str, typer.Argument(help="Id of the report.")]


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def send(
    context: typer.Context,
    reports: Annotated[Path, typer.Argument(help="Reports, a JSON object a line; - is stdin.")],
    key: Key = None,
) -> None:
    """Send reports to topic `reports`; an authority's are signed.

    Example: stopline reports send reports.jsonl --kafka_brokers 127.0.0.1:9092
    """
    count = reporting.send(kafka_settings(in_process_options(context.args)), reports, key)
    typer.echo(f"{count:,} reports sent")


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def revoke(
    context: typer.Context,
    report: ReportId,
    *,
    reporter: Annotated[str, typer.Option(help="Who reported it.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
    key: Key = None,
) -> None:
    """Take a report back: what came of it alone is undone.

    Example: stopline reports revoke report-1 --reporter bank-1 --kafka_brokers 127.0.0.1:9092
    """
    said = Revocation(report_id=report, reporter=reporter, reason=reason)
    reporting.tell_of(kafka_settings(in_process_options(context.args)), said, key)
    typer.echo(f"{report}: taking it back is sent")
