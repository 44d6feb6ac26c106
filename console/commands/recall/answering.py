"""`stopline recall answer`, `return`: another institution's recall."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import recalling

app = typer.Typer(add_completion=False)

Asked = Annotated[Path, typer.Argument(help="The camt.056 of the other institution.")]
Out = Annotated[Path, typer.Option(help="Where the message goes.")]
Note = Annotated[str, typer.Option(help="A few words to the other institution.")]


@app.command()
def answer(
    asked: Asked,
    verdict: Annotated[str, typer.Option(help="CNCL (agreed), RJCR (rejected) or PDCR (pending).")],
    *,
    out: Out = Path("camt.029.xml"),
    reason: Annotated[str, typer.Option(help="Why it is rejected or pending, such as CUST.")] = "",
    note: Note = "",
) -> None:
    """Answer another institution's recall: write a camt.029.

    Example: stopline recall answer camt.056.xml --verdict RJCR --reason CUST
    """
    recalling.answer(asked, out, verdict=verdict, reason=reason, note=note)
    typer.echo(f"{out} answers {verdict}")


@app.command("return")
def give_back(
    asked: Asked,
    amount_minor: Annotated[int, typer.Option(help="How much is returned, minor units.", min=1)],
    *,
    out: Out = Path("pacs.004.xml"),
    reason: Annotated[str, typer.Option(help="FOCR, FR01, AC06, AG01, RR04 or LEGL.")] = "FOCR",
    timezone: Annotated[str, typer.Option(help="Of the institutions, such as Europe/London.")] = "UTC",
) -> None:
    """Return all or part of a payment that was recalled: write a pacs.004.

    Example: stopline recall return camt.056.xml --amount-minor 100000 --timezone Europe/London
    """
    recalling.give_back(asked, out, returned_minor=amount_minor, reason=reason, timezone=timezone)
    typer.echo(f"{out} returns {amount_minor} minor units")
