"""`stopline warnings send`: tries carried out on the bank's channels, for ever."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from console.ending import end_on_signals
from console.options import Brokers, KafkaSecurity, MetricsAt, StatusForm
from console.probing import probed
from console.status import SENDER, reporting, say
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_listener
from pipelines.kafka.security import of_words
from pipelines.victims.channels.configured import read_channels
from pipelines.victims.sender import Sender

app = typer.Typer(add_completion=False)


@app.command()
def send(
    *,
    channels: Annotated[Path, typer.Option(help="YAML file of channels (docs/warnings.md).")],
    brokers: Brokers = "127.0.0.1:9092",
    security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    group: Annotated[
        str, typer.Option("--kafka_group", help="Group that offsets are committed for.")
    ] = "stopline",
    status: StatusForm = "line",
    metrics: MetricsAt = "",
    seal_key: Annotated[str, typer.Option("--seal_key", help="File of the jobs' key.")] = "",
) -> None:
    """Read `contacts`, hand each try to its channel, write to `warning_outcomes` what came of it.

    Nothing goes out twice under one key `warning/rung/attempt`, whenever this is killed. Run one at a time.

    Example: stopline warnings send --channels channels.yaml
    """
    opened = read_channels(channels)
    kafka = KafkaSettings(brokers, security=of_words(security), seal_key=seal_key)
    require_listener(kafka)
    end_on_signals(partial(say, status))
    say(status, f"sending by {', '.join(opened)}; Ctrl-C stops")
    with probed(metrics, "sender"), reporting(status, SENDER):
        Sender(replace(kafka, group=f"{group}-sender"), opened).run()
