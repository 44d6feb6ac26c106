"""`stopline recall ask`, `take-in`: our recall, and what came of it."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import recalling

app = typer.Typer(add_completion=False)

Out = Annotated[Path, typer.Option(help="Where the message goes.")]
CaseFile = Annotated[Path, typer.Option("--case-file", help="JSON file that keeps the recall.")]
Note = Annotated[str, typer.Option(help="A few words to the other institution.")]


@app.command()
def ask(
    payment: Annotated[Path, typer.Argument(help="JSON of the pacs.008 payment, see docs/legal.md.")],
    case_id: Annotated[str, typer.Option(help="Your case number, at most 35 characters.")],
    *,
    case_file: CaseFile = Path("recall.json"),
    out: Out = Path("camt.056.xml"),
    reason: Annotated[str, typer.Option(help="FRAD, DUPL, TECH, CUST, AM09 or AC03.")] = "FRAD",
    note: Note = "",
) -> None:
    """Ask for a payment back: write a camt.056 and open its case.

    Example: stopline recall ask payment.json --case-id case-1
    """
    recalling.ask(payment, case_file, out, reason=reason, case_id=case_id, note=note)
    typer.echo(f"{out} asks for the payment; the case is kept in {case_file}")


@app.command("take-in")
def take_in(
    message: Annotated[Path, typer.Argument(help="camt.029 or pacs.004 of the other institution.")],
    *,
    case_file: CaseFile = Path("recall.json"),
) -> None:
    """Take in an answer or a return; the same message again changes nothing.

    Example: stopline recall take-in answer.xml --case-file recall.json
    """
    case = recalling.take_in(message, case_file)
    why = f" {case.why}" if case.why else ""
    typer.echo(f"case {case.case_id}: {case.state}{why}, {case.returned_minor} minor units returned")
