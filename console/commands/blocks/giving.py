"""`stopline blocks check`, `export`, `effect`: what is listed, given out, and what came of it."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from console.lab import blocklist
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS, BLOCKS, BeamCommand, Blocks
from console.views.blocking import told
from measures.blocking import effect as effects
from measures.blocking.admission import in_force
from measures.blocking.exports import FORMATS, exported
from measures.blocking.lookup import BlockList
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.block import KINDS, BlockEntry
from schemas.errors import ConfigError

app = typer.Typer()

KindArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")]


def _entries(context: typer.Context, file: Path) -> Collection[BlockEntry]:
    known = blocklist.told(kafka_settings(in_process_options(context.args))) if context.args else None
    return (blocklist.read(file) if known is None else known).values()


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def check(
    context: typer.Context,
    value: Annotated[str, typer.Argument(help="A value of that kind; a URL is looked up with its hosts.")],
    kind: KindArgument = "URL",
    *,
    entries: Blocks = BLOCKS,
) -> None:
    """Look a value up; prints the strongest action on it, or "not listed". With a broker: in topic `blocks`.

    Example: stopline blocks check https://login.evil.example/a
    """
    now_us = time.time_ns() // 1000
    active = [each for each in _entries(context, entries) if in_force(each, now_us)]
    try:
        typer.echo(BlockList.of(active).strongest(one_of(kind, KINDS, "kind"), value) or "not listed")
    except ValueError as error:
        raise ConfigError(f"{value!r} cannot be looked up as {kind}: {error}") from error


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def export(
    context: typer.Context,
    format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "rpz",
    *,
    serial: Annotated[int, typer.Option(help="Version; 0 is the seconds of now.", min=0)] = 0,
    entries: Blocks = BLOCKS,
) -> None:
    """Print what is in force and blocks, as resolvers and operators load it; with a broker: what it holds.

    Example: stopline blocks export --format rpz > rpz.zone
    """
    now_us = time.time_ns() // 1000
    chosen = one_of(format, tuple(FORMATS), "format")
    typer.echo(exported(_entries(context, entries), chosen, now_us, serial or now_us // 1_000_000), nl=False)


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def effect(context: typer.Context, *, entries: Blocks = BLOCKS) -> None:
    """Tell what operators still see of what is blocked, and how long it stays up after a take-down is asked.

    Example: stopline blocks effect --kafka_brokers 127.0.0.1:9092
    """
    for line in told(effects.effect(_entries(context, entries), time.time_ns() // 1000)):
        typer.echo(line)
