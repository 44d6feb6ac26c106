"""`stopline reports show`, `export` and `import`: cases, and reports in the forms of others."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.lab import reporting
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS, BeamCommand
from console.views import reports as view
from pipelines.jobs.options import in_process_options, kafka_settings

app = typer.Typer(add_completion=False)

Form = Annotated[str, typer.Option("--format", help=f"One of {', '.join(reporting.FORMS)}.")]


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def show(
    context: typer.Context,
    report: Annotated[str, typer.Argument(help="Id of a report; without it every open case in a line.")] = "",
) -> None:
    """Show who was asked because of a report, what they answered, and whose clock ran out.

    Example: stopline reports show report-1 --kafka_brokers 127.0.0.1:9092
    """
    cases = reporting.cases(kafka_settings(in_process_options(context.args)))
    Console().print(view.case(reporting.one(cases, report)) if report else view.overview(cases))


@app.command("campaigns", cls=BeamCommand, context_settings=BEAM_FLAGS)
def campaigns_(context: typer.Context) -> None:
    """Show which reports are of one campaign: messages worded alike, sites of one kit or certificate.

    Example: stopline reports campaigns --kafka_brokers 127.0.0.1:9092
    """
    cases = reporting.cases(kafka_settings(in_process_options(context.args)))
    Console().print(view.campaigns(each.report for each in cases.values()))


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def export(
    context: typer.Context,
    report: Annotated[str, typer.Argument(help="Id of the report.")],
    *,
    form: Form = "stix",
    org: Annotated[str, typer.Option(help="XARF: your organisation.")] = "",
    contact: Annotated[str, typer.Option(help="XARF: your mail address for abuse.")] = "",
) -> None:
    """Print a report as STIX 2.1, XARF 4.2 or MISP; a second export is the same, a revoked report says so.

    Example: stopline reports export report-1 --format stix --kafka_brokers 127.0.0.1:9092
    """
    case = reporting.one(reporting.cases(kafka_settings(in_process_options(context.args))), report)
    typer.echo(reporting.exported(case, one_of(form, reporting.FORMS, "format"), org=org, contact=contact))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A STIX bundle, XARF message or MISP event, JSON.")],
    *,
    form: Form = "stix",
    reporter: Annotated[str, typer.Option(help="Who it came from.")],
    jurisdiction: Annotated[str, typer.Option(help="Country under whose law it is dealt with, such as KR.")],
) -> None:
    """Print the reports of a file as JSON Lines, for `stopline reports send -`.

    Example: stopline reports import bundle.json --format stix --reporter cert-1 --jurisdiction KR
    """
    for line in reporting.imported(
        file, one_of(form, reporting.FORMS, "format"), reporter=reporter, jurisdiction=jurisdiction
    ):
        typer.echo(line)
