"""`stopline numbers`: telephone numbers that behave like SIM boxes, and how suspect a number is."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.lab import numbers
from console.views import tables

app = typer.Typer(no_args_is_help=True, help="Grade telephone numbers; find SIM boxes.")


@app.command()
def score(
    calls: Annotated[Path, typer.Argument(help="Call records, JSON Lines: number, callee, at_us, …")],
) -> None:
    """Score the numbers that called in the last hour of a file of call records; prints JSON Lines.

    Fields: number, callee and at_us; imei, cell, trunk (origid), attestation (A, B, C), answered and
    duration_s where they are known. The days before that hour say who is called back and shares a handset.

    Example: stopline numbers score calls.jsonl
    """
    for row in numbers.scored(calls):
        typer.echo(json.dumps(row))


@app.command()
def grade(
    evidence: Annotated[
        Path, typer.Argument(help="What was said, JSON Lines: number, kind, reporter, at_us.")
    ],
) -> None:
    """Grade numbers by what was said of them: 0 nothing, 1 medium, 2 high, 3 by several; prints JSON Lines.

    Kinds: REPORT, FINDING, SIM_BOX, AUTHORITY; REVOKED takes back what its reporter said, RECYCLED all
    before it. Everything halves in a fortnight, counted to the newest line.

    Example: stopline numbers grade said.jsonl
    """
    for row in numbers.graded(evidence):
        typer.echo(json.dumps(row))


@app.command()
def evaluate(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the first world.", min=0)] = 9_000,
    worlds: Annotated[int, typer.Option(help="Worlds, of seeds one after the other.", min=1, max=1_000)] = 3,
    people: Annotated[int, typer.Option(help="People of a world.", min=1_000, max=1_000_000)] = 10_000,
    dens: Annotated[int, typer.Option(help="Dens of SIM boxes in it.", min=1)] = 6,
) -> None:
    """Find SIM boxes in simulated calls, looked at every ten minutes with what was known then.

    Example: stopline numbers evaluate --worlds 1 --people 2000
    """
    table = tables.figures(
        "seed", "cards", "found within an hour", "at all", "median minutes",
        "innocent numbers", "taken for boxes", title="SIM boxes", names="seed",
    )  # fmt: skip
    for each in range(seed, seed + worlds):
        found = numbers.found_in(each, people, dens)
        table.add_row(
            str(each), f"{found.cards:,}", f"{found.within_h:.1%}", f"{found.ever:.1%}",
            f"{found.median_min:.0f}", f"{found.numbers:,}", f"{found.false_share:.3%}",
        )  # fmt: skip
    Console(highlight=False).print(table)
