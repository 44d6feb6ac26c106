"""`stopline blocks`: what must not be reached, called or installed: listed, looked up, lifted, given out."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.lab import blocklist
from measures.blocking.admission import Request, admitted, confirmed, lifted, wrongful_minutes
from measures.blocking.exports import FORMATS, exported
from measures.blocking.forms import form
from measures.blocking.lookup import BlockList
from schemas.block import ACTIONS, KINDS, BlockEntry, Source
from schemas.errors import ConfigError
from schemas.ids import derived_id

app = typer.Typer(no_args_is_help=True, help="Block sites, numbers, senders and apps; give them out.")

Entries = Annotated[Path, typer.Option("--entries", help="Journal of entries, JSON Lines.")]
GuardFiles = Annotated[
    list[Path], typer.Option("--guard", help="File of domains, numbers and senders never blocked unseen.")
]
Kind = Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")]
FILE = Path("var/blocks.jsonl")


@app.command()
def add(
    kind: Kind,
    value: Annotated[str, typer.Argument(help="What to block; any spelling.")],
    *,
    reporter: Annotated[str, typer.Option(help="Who says so.")],
    authority: Annotated[bool, typer.Option(help="The reporter is an authority.")] = False,
    decision: Annotated[str, typer.Option(help="Number of the authority's decision.")] = "",
    action: Annotated[str, typer.Option(help=f"One of {', '.join(ACTIONS)}.")] = "BLOCK",
    days: Annotated[int, typer.Option(help="Days it lasts; 0 is the usual of its kind.", min=0)] = 0,
    legal_basis: Annotated[str, typer.Option(help="What allows it.")] = "Terms of service",
    remedy: Annotated[str, typer.Option(help="Where its owner objects.")] = "The operator that blocks it",
    entries: Entries = FILE,
    guard: GuardFiles = [],  # noqa: B006
) -> None:
    """List a thing or add a source to it; what is protected waits for a person (`stopline blocks confirm`).

    To BLOCK takes an authority or two different reporters; before, the entry only labels.

    Example: stopline blocks add DOMAIN evil.example --reporter bank-1 --entries var/blocks.jsonl
    """
    kept, lacking = blocklist.guard(guard)
    if lacking:
        typer.echo(lacking, err=True)
    request = Request(
        _one_of(kind, KINDS, "kind"), value, _one_of(action, ACTIONS, "action"),
        Source(reporter=reporter, authority=authority, decision=decision), time.time_ns() // 1000,
        "SCAM_REPORTED", legal_basis, remedy, days=days,
    )  # fmt: skip
    try:
        known = blocklist.read(entries)
        entry = admitted(request, None, kept)
        entry = admitted(request, known.get(entry.entry_id), kept)
    except ValueError as error:
        raise ConfigError(f"{value!r} cannot be listed as {kind}: {error}") from error
    blocklist.append(entries, entry)
    _say(entry)


@app.command()
def lift(value: str, kind: Kind, *, entries: Entries = FILE) -> None:
    """Take an entry back, at once; says how long the thing was blocked.

    Example: stopline blocks lift evil.example DOMAIN
    """
    entry = lifted(_entry(kind, value, entries), time.time_ns() // 1000)
    blocklist.append(entries, entry)
    _say(entry)
    typer.echo(f"blocked for {wrongful_minutes(entry):.0f} minutes")


@app.command()
def confirm(value: str, kind: Kind, *, entries: Entries = FILE) -> None:
    """Let an entry that waits for review have its effect.

    Example: stopline blocks confirm files.example URL
    """
    entry = confirmed(_entry(kind, value, entries))
    blocklist.append(entries, entry)
    _say(entry)


@app.command()
def check(
    value: Annotated[str, typer.Argument(help="A value of that kind; a URL is looked up with its hosts.")],
    kind: Kind = "URL",
    *,
    entries: Entries = FILE,
) -> None:
    """Look a value up; prints the strongest action on it, or "not listed".

    Example: stopline blocks check https://login.evil.example/a
    """
    now_us = time.time_ns() // 1000
    active = [
        each for each in blocklist.read(entries).values()
        if each.state == "ACTIVE" and each.valid_from_us <= now_us < each.valid_to_us
    ]  # fmt: skip
    try:
        typer.echo(BlockList.of(active).strongest(_one_of(kind, KINDS, "kind"), value) or "not listed")
    except ValueError as error:
        raise ConfigError(f"{value!r} cannot be looked up as {kind}: {error}") from error


@app.command()
def export(
    format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "rpz",
    *,
    serial: Annotated[int, typer.Option(help="Version; 0 is the seconds of now.", min=0)] = 0,
    entries: Entries = FILE,
) -> None:
    """Print what is in force and blocks, as resolvers, browsers and operators load it.

    Example: stopline blocks export --format rpz > rpz.zone
    """
    now_us = time.time_ns() // 1000
    chosen = _one_of(format, tuple(FORMATS), "format")
    typer.echo(
        exported(blocklist.read(entries).values(), chosen, now_us, serial or now_us // 1_000_000), nl=False
    )


def _entry(kind: str, value: str, entries: Path) -> BlockEntry:
    try:
        name = derived_id("block", kind, form(_one_of(kind, KINDS, "kind"), value))
        return blocklist.read(entries)[name]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{value!r} is not listed as {kind} in {entries}; see `stopline blocks check`"
        ) from error


def _one_of(word: str, words: tuple[str, ...], name: str) -> Any:
    if word not in words:
        raise ConfigError(f"there is no {name} {word!r}; use one of {', '.join(words)}")
    return word


def _say(entry: BlockEntry) -> None:
    until = datetime.fromtimestamp(entry.valid_to_us / 1e6, UTC).isoformat(timespec="seconds")
    review = f"; in review: {entry.review}" if entry.state == "IN_REVIEW" else ""
    typer.echo(f"{entry.kind} {entry.value}: {entry.state} {entry.action} until {until}{review}")
