"""`stopline import`: a table of one's own becomes payments and labels to train and to replay with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.lab.imports import messages
from console.lab.imports.converting import FEEDBACK, PAYMENTS, REPORT, convert
from console.lab.imports.mapping import load
from console.views.imported import told
from schemas import token_keys

app = typer.Typer(add_completion=False)


@app.command(name="import")
def import_table(
    mapping: Annotated[
        str, typer.Argument(help="Mapping file, or a shipped one such as paysim; iso20022 for messages.")
    ],
    table: Annotated[
        Path, typer.Argument(help="CSV, Parquet or JSONL file; of iso20022 an XML file, or a folder of them.")
    ],
    *,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels, where they do not stand beside the payments.")
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder for payments and labels.")] = Path("var/import"),
    keys: Annotated[
        Path,
        typer.Option(help="Secrets of the tokens; the same as your producer's (`stopline tokens keygen`)."),
    ] = Path("var/tokens.json"),
    epoch: Annotated[str, typer.Option(help="Epoch of the secret; the newest if empty.")] = "",
    zone: Annotated[str, typer.Option(help="Of times in messages that name no zone.")] = "UTC",
) -> None:
    """Turn a table, or messages of ISO 20022, into payments and labels; tell what was refused and why.

    Parties and accounts become tokens on the way. A row is refused if a required
    field is missing or cannot be read; an optional field that cannot be read is absent and counted.

    Example: stopline import paysim paysim.csv --out var/paysim
    """
    columns = None if mapping == messages.NAME else load(mapping)
    if not keys.exists():
        token_keys.add(keys, datetime.now(UTC).strftime("%Y-%m"))
        typer.echo(f"made {keys}; keep it: the same secret gives the same tokens", err=True)
    secret = token_keys.secret(keys, epoch)
    if columns is None:
        report = messages.convert(table, out, secret, zone)
    else:
        report = convert(columns, table, out, secret, labels)
    console = Console()
    for each in told(report):
        console.print(each, highlight=False)
    console.print(f"{PAYMENTS}, {FEEDBACK} and {REPORT} in {out}", highlight=False)
