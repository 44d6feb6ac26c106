"""`stopline explain`: why a payment was stopped."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console

from console.lab.looking import case_named, looked
from console.lab.serving import FOLDER
from console.options import AsJson, DeskBrokers, DeskFolder, DeskStore, DeskTime
from console.views import desk as views

app = typer.Typer(add_completion=False)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="Payment, alert, case or account token.")],
    *,
    folder: DeskFolder = FOLDER,
    store: DeskStore = "",
    kafka_brokers: DeskBrokers = "",
    clock: DeskTime = "wall",
    json: AsJson = False,
) -> None:
    """Say why: the reasons of a payment's alerts, or of all alerts of a case, with their weights.

    Example: stopline explain TXN-1 --kafka_brokers 127.0.0.1:9092
    """
    with looked(folder, kafka_brokers, clock, store) as look:
        alerts = case_named(look, name).alerts
        own = [alert for alert in alerts if name in (alert.txn_id, alert.alert_id)] or list(alerts)
        if json:
            Console().print_json(msgspec.json.encode(own).decode())
        else:
            Console().print(views.reasons(own))
