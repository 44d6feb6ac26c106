"""`stopline blocks add`, `lift` and `confirm`: entries come, go, and are looked at."""

import time
from typing import Annotated

import typer

from console.lab import blocklist
from console.lab.blocklist import one_of, said
from console.options import BLOCKS, Blocks, GuardFiles
from measures.blocking.admission import Request, admitted, confirmed, lifted, wrongful_minutes
from schemas.block import ACTIONS, KINDS, Source
from schemas.errors import ConfigError

app = typer.Typer()

Value = Annotated[str, typer.Argument(help="The value that is listed.")]
KindArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")]


@app.command()
def add(
    kind: KindArgument,
    value: Annotated[str, typer.Argument(help="What to block; any spelling.")],
    *,
    reporter: Annotated[str, typer.Option(help="Who says so.")],
    authority: Annotated[bool, typer.Option(help="The reporter is an authority.")] = False,
    decision: Annotated[str, typer.Option(help="Number of the authority's decision.")] = "",
    action: Annotated[str, typer.Option(help=f"One of {', '.join(ACTIONS)}.")] = "BLOCK",
    days: Annotated[int, typer.Option(help="Days it lasts; 0 is the usual of its kind.", min=0)] = 0,
    legal_basis: Annotated[str, typer.Option(help="What allows it.")] = "Terms of service",
    remedy: Annotated[str, typer.Option(help="Where its owner objects.")] = "The operator that blocks it",
    entries: Blocks = BLOCKS,
    guard: GuardFiles = [],  # noqa: B006
) -> None:
    """List a thing or add a source to it; what is protected waits for a person (`stopline blocks confirm`).

    To BLOCK takes an authority or two different reporters; before, the entry only labels.

    Example: stopline blocks add DOMAIN evil.example --reporter bank-1 --entries var/blocks.jsonl
    """
    request = Request(
        one_of(kind, KINDS, "kind"), value, one_of(action, ACTIONS, "action"),
        Source(reporter=reporter, authority=authority, decision=decision), time.time_ns() // 1000,
        "SCAM_REPORTED", legal_basis, remedy, days=days,
    )  # fmt: skip
    known = blocklist.read(entries)
    kept, lacking = blocklist.guard(guard)
    if lacking:
        typer.echo(lacking, err=True)
    try:
        entry = admitted(request, None, kept)
        entry = admitted(request, known.get(entry.entry_id), kept)
    except ValueError as error:
        raise ConfigError(f"{value!r} cannot be listed as {kind}: {error}") from error
    blocklist.append(entries, entry)
    typer.echo(said(entry))


@app.command()
def lift(value: Value, kind: KindArgument, *, entries: Blocks = BLOCKS) -> None:
    """Take an entry back, at once; says how long the thing was blocked.

    Example: stopline blocks lift evil.example DOMAIN
    """
    entry = lifted(blocklist.entry(entries, kind, value), time.time_ns() // 1000)
    blocklist.append(entries, entry)
    typer.echo(said(entry))
    typer.echo(f"blocked for {wrongful_minutes(entry):.0f} minutes")


@app.command()
def confirm(value: Value, kind: KindArgument, *, entries: Blocks = BLOCKS) -> None:
    """Let an entry that waits for review have its effect.

    Example: stopline blocks confirm files.example URL
    """
    entry = confirmed(blocklist.entry(entries, kind, value))
    blocklist.append(entries, entry)
    typer.echo(said(entry))
