"""`stopline listings snapshot`: the registry as one file, for jobs that look it up."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import listing
from console.options import BEAM_FLAGS
from pipelines.jobs.options import in_process_options, kafka_settings

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS)
def snapshot(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    *,
    key: Annotated[Path, typer.Option(help="Private key that signs, as lifecycle keygen wrote it.")],
    since: Annotated[Path | None, typer.Option(help="Snapshot to go on from, not the beginning.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Public keys that --since is checked with.")] = None,
) -> None:
    """Write what topics suspicions and listings say now as one signed file, which loads in seconds.

    A job begins with it by --lists_snapshot and follows the topics from where the file ends.

    Example: stopline listings snapshot registry.snapshot --key keeper.jwk --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    version, rows, octets = listing.snapshot(kafka, file, key, since, keys)
    typer.echo(f"{file}: version {version:08x}, {rows:,} entries, {octets:,} octets")
