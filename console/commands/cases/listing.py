"""`stopline cases`: the queue, and lists for other desks."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.lab.looking import looked, pushed, queue_rows
from console.lab.serving import FOLDER
from console.options import AsJson, DeskBrokers, DeskFolder, DeskStore, DeskTime
from console.views import desk as views
from desk.listing import is_of_another, lines
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)

#: Said on standard error.
_AGAIN = (
    "The place is one of another build of the store: everything comes again. Places last as long as the "
    "store of a desk; what --kafka_brokers reads is built for each run."
)


@app.command()
def cases(
    *,
    folder: DeskFolder = FOLDER,
    store: DeskStore = "",
    kafka_brokers: DeskBrokers = "",
    clock: DeskTime = "wall",
    json: AsJson = False,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1)] = 50,
    only: Annotated[str, typer.Option(help="late, second, appeals, escalated or unheld.")] = "",
    after: Annotated[
        str | None, typer.Option(help="JSON Lines of what changed after a place; '' is the beginning.")
    ] = None,
    list_: Annotated[str, typer.Option("--list", help="With --after or --webhook: which list.")] = "cases",
    webhook: Annotated[str, typer.Option(help="Send what is new in the list to this address.")] = "",
) -> None:
    """Show open cases, the most urgent first; or what has changed, for another desk.

    With --after the last line on standard error is the place to ask from next time. With --webhook the place
    is kept in the folder, so that the command can be run again and again.

    Example: stopline cases --only late --kafka_brokers 127.0.0.1:9092
    """
    if webhook and kafka_brokers:
        raise ConfigError(
            "--webhook goes on where it stood in the store of a desk; run a desk, and give its --folder "
            "in place of --kafka_brokers"
        )
    with looked(folder, kafka_brokers, clock, store) as look:
        if webhook:
            sent = pushed(look, list_, webhook, Path(folder) / f"webhook-{list_}.place")
            typer.echo(f"{sent:,} lines sent")
        elif after is not None:
            found, place = lines(look.store, list_, after, limit)
            if is_of_another(look.store, after):
                typer.echo(_AGAIN, err=True)
            typer.echo(found.decode(), nl=False)
            typer.echo(place, err=True)
        else:
            rows = queue_rows(look, limit, only)
            if json:
                Console().print_json(data=[row._asdict() for row in rows])
            else:
                Console().print(views.cases(rows) if rows else "nothing is open")
