"""`stopline warnings words`: what victims would be told, and how many SMS that is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.lab.saying import said

app = typer.Typer(add_completion=False)


@app.command()
def words(
    *,
    country: Annotated[str, typer.Option(help="Country whose number is told, such as uk.")] = "cn",
    language: Annotated[str, typer.Option(help="Language; the country's first if not said.")] = "",
    folder: Annotated[Path | None, typer.Option("--words", help="Folder of your own words.")] = None,
) -> None:
    """Print every warning of a language as a victim reads it; refuse a folder whose words break a rule.

    Example: stopline warnings words --country uk
    """
    table = Table("kind of scam", "severity", "SMS", "text", show_lines=False)
    for line in said(country, language, folder):
        table.add_row(line.kind, str(line.severity), str(line.sms), line.text)
    Console().print(table)
