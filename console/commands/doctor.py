"""`stopline doctor`: what this machine and its brokers offer and lack."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab.examining import of_brokers, of_machine
from console.options import KafkaSecurity, Partitions
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.security import of_words

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    *,
    kafka_brokers: Annotated[
        str, typer.Option("--kafka_brokers", help="host:port[,host:port] to look at too.")
    ] = "",
    kafka_security: KafkaSecurity = [],  # noqa: B006
    kafka_security_file: Annotated[
        Path | None,
        typer.Option("--kafka_security_file", help="File of security keys, a line KEY=VALUE."),
    ] = None,
    partitions: Partitions = 4,
) -> None:
    """Say what this machine and its brokers offer and lack: Python, Java, ports, files, topics, permissions.

    Exit code 1 if something is missing that every job needs. What only Flink and Apache Kafka need is marked.

    Example: stopline doctor --kafka_brokers 127.0.0.1:9092
    """
    found = list(of_machine())
    if kafka_brokers:
        file = str(kafka_security_file.absolute()) if kafka_security_file else ""
        settings = KafkaSettings(kafka_brokers, security=of_words(kafka_security), security_file=file)
        found += of_brokers(settings, partitions)
    for each in found:
        mark = "ok" if each.good else "MISSING" if each.needed else "for Flink"
        typer.echo(f"{mark:<10}{each.what:<14}{each.said}")
    raise typer.Exit(int(any(each.needed and not each.good for each in found)))
