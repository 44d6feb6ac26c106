"""`stopline desk audit`: whether the audit chain holds."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from console.lab.brokers import brokers_at, topic_records
from console.lab.serving import FOLDER
from console.options import KafkaSecurity
from desk.audit import entries, faults
from schemas import topics
from schemas.action import Action
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def audit(
    *,
    chain: Annotated[Path, typer.Option(help="File of the chain.")] = FOLDER / "audit.jsonl",
    kafka_brokers: Annotated[
        str, typer.Option("--kafka_brokers", help="host:port; compares with what actions bear witness to.")
    ] = "",
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
) -> None:
    """Check the audit chain line by line: what was changed, taken out or put in; exit code 1 at a fault.

    With brokers it is also compared with topic `actions`, which shows a chain that was rewritten whole.

    Example: stopline desk audit --chain var/desk/audit.jsonl --kafka_brokers 127.0.0.1:9092
    """
    if not chain.exists():
        raise ConfigError(f"there is no audit chain at {chain}; name it with --chain")
    acted: list[str] = []
    if kafka_brokers:
        settings, read = brokers_at(kafka_brokers, kafka_security), msgspec.json.Decoder(Action).decode
        acted = [each.audit for each in topic_records(settings, topics.ACTIONS, read)]
    found = list(faults(chain, acted))
    for fault in found:
        typer.echo(f"line {fault.line}: {fault.why}")
    count = sum(1 for _ in entries(chain))
    typer.echo(f"{count:,} lines, {len(acted):,} actions compared, {len(found):,} faults")
    raise typer.Exit(int(bool(found)))
