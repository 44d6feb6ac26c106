"""`stopline warnings calling`: tells the bank's app whether the bank is calling somebody at the moment."""

import threading
from contextlib import closing
from functools import partial
from typing import Annotated

import typer

from console.ending import end_on_signals
from console.lab.calling import answer
from console.options import Brokers, Country, KafkaSecurity, MetricsAt, PolicyFile, StatusForm
from console.probing import probed
from console.served import as_json, served
from console.status import CALLS, reporting, say
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_listener
from pipelines.kafka.security import of_words
from pipelines.streams.clock import now_us
from pipelines.victims.calls import Calls

app = typer.Typer(add_completion=False)


@app.command()
def calling(
    *,
    at: Annotated[str, typer.Option(help="HOST:PORT to answer at; without HOST only this machine.")] = "8098",
    policy_file: PolicyFile = None,
    country: Country = "",
    brokers: Brokers = "127.0.0.1:9092",
    security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    seal_key: Annotated[str, typer.Option("--seal_key", help="File of the jobs' key.")] = "",
    status: StatusForm = "line",
    metrics: MetricsAt = "",
) -> None:
    """Answer `GET /calling/PARTY` with whether the bank is calling that customer now, by topic `contacts`.

    The bank's app shows the text that comes with it: who is told "we are not calling you" hangs up on
    whoever says he calls for the bank. `?language=en` asks for another language than the country's first.
    While the topic's end is not reached the answer is 503 and says nothing.

    Example: stopline warnings calling --kafka_brokers 127.0.0.1:9092 --at 127.0.0.1:8098
    """
    rules = policy.load(policy.named(policy_file, country))
    kafka = KafkaSettings(brokers, security=of_words(security), seal_key=seal_key)
    require_listener(kafka)
    with closing(Calls(kafka, now_us)) as calls:
        end_on_signals(partial(say, status))
        with (
            served(at, "--at", lambda path: as_json(*answer(calls, rules, path))) as address,
            probed(metrics, "calling"),
        ):
            say(status, f"answering {address}/calling/PARTY; Ctrl-C stops")
            with reporting(status, CALLS):
                threading.Thread(target=calls.run, name="calls", daemon=True).start()
                threading.Event().wait()
