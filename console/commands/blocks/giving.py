"""`stopline blocks check` and `export`: what is listed, looked up and given out."""

import time
from typing import Annotated

import typer

from console.lab import blocklist
from console.lab.blocklist import one_of
from console.options import BLOCKS, Blocks
from measures.blocking.admission import in_force
from measures.blocking.exports import FORMATS, exported
from measures.blocking.lookup import BlockList
from schemas.block import KINDS
from schemas.errors import ConfigError

app = typer.Typer()

Kind = Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")]


@app.command()
def check(
    value: Annotated[str, typer.Argument(help="A value of that kind; a URL is looked up with its hosts.")],
    kind: Kind = "URL",
    *,
    entries: Blocks = BLOCKS,
) -> None:
    """Look a value up; prints the strongest action on it, or "not listed".

    Example: stopline blocks check https://login.evil.example/a
    """
    now_us = time.time_ns() // 1000
    active = [each for each in blocklist.read(entries).values() if in_force(each, now_us)]
    try:
        typer.echo(BlockList.of(active).strongest(one_of(kind, KINDS, "kind"), value) or "not listed")
    except ValueError as error:
        raise ConfigError(f"{value!r} cannot be looked up as {kind}: {error}") from error


@app.command()
def export(
    format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "rpz",
    *,
    serial: Annotated[int, typer.Option(help="Version; 0 is the seconds of now.", min=0)] = 0,
    entries: Blocks = BLOCKS,
) -> None:
    """Print what is in force and blocks, as resolvers, browsers and operators load it.

    Example: stopline blocks export --format rpz > rpz.zone
    """
    now_us = time.time_ns() // 1000
    chosen = one_of(format, tuple(FORMATS), "format")
    typer.echo(
        exported(blocklist.read(entries).values(), chosen, now_us, serial or now_us // 1_000_000), nl=False
    )
