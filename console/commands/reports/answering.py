"""`stopline reports answer` and `judge`: what recipients and people say about reports."""

from typing import Annotated

import typer

from console.lab import reporting
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.report import RESULTS, Answer, Finding

app = typer.Typer(add_completion=False)

ReportId = Annotated[str, typer.Argument(help="Id of the report.")]


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def answer(
    context: typer.Context,
    report: ReportId,
    action: Annotated[str, typer.Argument(help="Id of the action.")],
    *,
    recipient: Annotated[str, typer.Option(help="Who answers, as in the action.")],
    result: Annotated[str, typer.Option(help=f"{', '.join(RESULTS)}; none only acknowledges.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is refused.")] = "",
    proof: Annotated[str, typer.Option(help="Of the effect.")] = "",
) -> None:
    """Acknowledge an action, or say what became of it.

    Example: stopline reports answer report-1 action_x --recipient bank:bank-1 --result ACTED
    """
    said = Answer(
        report_id=report, action_id=action, recipient=recipient, reason=reason, proof=proof,
        result=one_of(result, ("", *RESULTS), "result"),
    )  # fmt: skip
    reporting.tell_of(kafka_settings(in_process_options(context.args)), said)
    typer.echo(f"{action}: {result or 'acknowledged'}, sent")


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def judge(
    context: typer.Context,
    report: ReportId,
    verdict: Annotated[str, typer.Argument(help="CONFIRMED or REJECTED.")],
    *,
    by: Annotated[str, typer.Option(help="Who found it out.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")],
) -> None:
    """Close a report with what was found out; a rejected one is undone, and counts in its reporter's record.

    Example: stopline reports judge report-1 REJECTED --by desk-2 --reason "the number is a bank's"
    """
    said = Finding(
        report_id=report, verdict=one_of(verdict, ("CONFIRMED", "REJECTED"), "verdict"), by=by, reason=reason
    )
    reporting.tell_of(kafka_settings(in_process_options(context.args)), said)
    typer.echo(f"{report}: {verdict}, sent")
