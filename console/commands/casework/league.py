"""`stopline casework league`: institutions by the rate of their confirmed mules, refusals beside it."""

import time

import typer
from rich.console import Console

from console.lab.listing import newest
from console.options import BEAM_FLAGS
from console.views import reports as view
from measures.registry.rectification import league as ranked
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas import topics
from schemas.rectification import Rectification

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS)
def league(context: typer.Context) -> None:
    """Show institutions by confirmed mules of 100,000 accounts, with whom they refuse, and open notices.

    Example: stopline casework league --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    found = newest(kafka, topics.RECTIFICATIONS, Rectification)
    Console().print(view.league(ranked(found.values(), time.time_ns() // 1000), found))
