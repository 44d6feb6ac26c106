"""`stopline tokens`: secrets and tokens, by the recipe that producers and imports share."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas import token_keys
from schemas.token_recipe import SCHEMES, token

app = typer.Typer(no_args_is_help=True, help="Make tokens of parties and accounts.")

KeyFile = Annotated[Path, typer.Option("--keys", help="File of secrets.")]


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="Key file; a new secret is added if it exists.")],
    *,
    epoch: Annotated[str, typer.Option(help="Name of the secret; the month if empty.")] = "",
) -> None:
    """Add a new secret to a key file, readable by its owner alone.

    Tokens are made with the newest secret: a new one gives everybody a new token.

    Example: stopline tokens keygen var/tokens.json
    """
    name = epoch or datetime.now(UTC).strftime("%Y-%m")
    token_keys.add(path, name)
    typer.echo(f"secret {name} added to {path}")


@app.command()
def make(
    scheme: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMES)}.")],
    *,
    keys: KeyFile = Path("var/tokens.json"),
    epoch: Annotated[str, typer.Option(help="Name of the secret; the newest if empty.")] = "",
    region: Annotated[str, typer.Option(help="Region of telephone numbers without +, such as GB.")] = "",
) -> None:
    """Read values from standard input, a line each, and print their tokens; exit code 1 if one has none.

    Values are not taken as arguments: those stand in the list of processes.

    Example: stopline tokens make IBAN < ibans.txt
    """
    secret = token_keys.secret(keys, epoch)
    refused = 0
    for number, line in enumerate(sys.stdin, 1):
        try:
            typer.echo(token(secret, scheme, line.rstrip("\r\n"), region))
        except ValueError as error:
            refused += 1
            typer.echo(f"line {number}: {error}", err=True)
    raise typer.Exit(1 if refused else 0)
