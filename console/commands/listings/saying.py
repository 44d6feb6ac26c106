"""`stopline listings enter`: an authority lists a subject."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import reporting
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.casework import ListSubject
from schemas.subject import SUBJECT_KINDS

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS)
def enter(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SUBJECT_KINDS)}.")],
    token: Annotated[str, typer.Argument(help="Its token.")],
    *,
    country: Annotated[str, typer.Option(help="Under whose law.")],
    ground: Annotated[str, typer.Option(help="As the country file names it, such as CRIMINAL.")],
    decision: Annotated[str, typer.Option(help="Number of the decision.")],
    key: Annotated[Path, typer.Option(help="Private key of the authority.")],
    institution: Annotated[list[str], typer.Option(help="Who applies it; may be repeated.")] = [],  # noqa: B006
) -> None:
    """List a subject by decision of an authority, signed; terms and cuts are those of the country file.

    Example: stopline listings enter PERSON TOKEN --country CN --ground CRIMINAL --decision 7 --key police.jwk
    """
    said = ListSubject(
        kind=one_of(kind, SUBJECT_KINDS, "kind"), token=token, ground=ground, decision_no=decision,
        jurisdiction=country.upper(), institutions=tuple(institution),
    )  # fmt: skip
    reporting.tell(kafka_settings(in_process_options(context.args)), said, key)
    typer.echo(f"{kind} {token}: listing sent under decision {decision}")
