"""`stopline measures`: what is in force."""

from typing import Annotated

import typer
from rich.console import Console

from console.lab.looking import looked, measures_of
from console.lab.serving import FOLDER
from console.options import AsJson, DeskBrokers, DeskFolder, DeskStore, DeskTime
from console.views import desk as views

app = typer.Typer(add_completion=False)


@app.command()
def measures(
    *,
    folder: DeskFolder = FOLDER,
    store: DeskStore = "",
    kafka_brokers: DeskBrokers = "",
    clock: DeskTime = "wall",
    json: AsJson = False,
    ended: Annotated[bool, typer.Option(help="Those that have ended, too.")] = False,
) -> None:
    """Show measures in force, those whose term ends first before the others.

    Example: stopline measures --kafka_brokers 127.0.0.1:9092 --json
    """
    with looked(folder, kafka_brokers, clock, store) as look:
        rows = measures_of(look, live=not ended)
        if json:
            Console().print_json(data=rows)
        else:
            Console().print(views.measures(rows) if rows else "no measure is in force")
