"""`stopline case`: everything about one case."""

from typing import Annotated

import typer
from rich.console import Console

from console.lab.looking import case_as_json, case_named, looked
from console.lab.serving import FOLDER
from console.options import AsJson, DeskBrokers, DeskFolder, DeskStore, DeskTime
from console.views import desk as views

app = typer.Typer(add_completion=False)


@app.command()
def case(
    name: Annotated[str, typer.Argument(help="Case, account token, payment or alert.")],
    *,
    folder: DeskFolder = FOLDER,
    store: DeskStore = "",
    kafka_brokers: DeskBrokers = "",
    clock: DeskTime = "wall",
    json: AsJson = False,
) -> None:
    """Show a case: why, where the money went and what can still be frozen, what is in force, what happened.

    Example: stopline case case_abc --json
    """
    with looked(folder, kafka_brokers, clock, store) as look:
        file = case_named(look, name)
        if json:
            Console().print_json(data=case_as_json(file))
        else:
            Console().print(views.case(file))
