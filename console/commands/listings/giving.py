"""`stopline listings publish`, `take` and `lookup`: a country's list, signed, taken over, looked up."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import listing
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS, KeysFile
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.subject import SUBJECT_KINDS

app = typer.Typer(add_completion=False)

Folder = Annotated[Path, typer.Option("--folder", help="Where the lists are.")]
LISTS = Path("var/listings")


@app.command(context_settings=BEAM_FLAGS)
def publish(
    context: typer.Context,
    country: Annotated[str, typer.Argument(help="Whose list, such as CN.")],
    *,
    key: Annotated[Path, typer.Option(help="Private key that signs, as lifecycle keygen wrote it.")],
    folder: Folder = LISTS,
) -> None:
    """Write a country's list as it is now, signed: whole, and as the change since the last one written.

    Example: stopline listings publish CN --key private.jwk --kafka_brokers 127.0.0.1:9092
    """
    for path, octets in listing.published(
        kafka_settings(in_process_options(context.args)), country.upper(), key, folder
    ):
        typer.echo(f"{path}: {octets:,} octets")


@app.command()
def take(
    files: Annotated[list[Path], typer.Argument(help="Lists and changes, in order.")],
    *,
    keys: KeysFile,
    held: Annotated[Path, typer.Option(help="The list as it is held here.")] = Path("var/held.list"),
) -> None:
    """Check signatures and take lists over; prints the version that is held then, to be acknowledged.

    Example: stopline listings take CN.whole --keys keys.json --held var/held.list
    """
    version, count = listing.taken(files, keys, held)
    typer.echo(f"{version} with {count:,} subjects")


@app.command(context_settings=BEAM_FLAGS)
def lookup(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SUBJECT_KINDS)}.")],
    token: Annotated[str, typer.Argument(help="Its token.")],
    *,
    caller: Annotated[str, typer.Option(help="Who asks; everybody has a quota of their own.")],
    folder: Folder = LISTS,
) -> None:
    """Say what is in force on a subject, never who said so; asking for what is not there costs 20 look-ups.

    Example: stopline listings lookup ACCOUNT TOKEN --caller desk-1 --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    typer.echo(listing.looked_up(kafka, one_of(kind, SUBJECT_KINDS, "kind"), token, caller, folder))
