"""`stopline shadow`: what would change if the shadow model acted."""

from pathlib import Path
from typing import get_args

import typer
from rich.console import Console

from console.lab.rows import existing_log
from console.options import LogThere
from console.views import shadow as views
from models.learning.shadow import compare
from pipelines.hot.decision_log.read import read
from pipelines.policy import DELAY
from schemas.alert import Leg
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def shadow(
    decision_log: LogThere = Path("var/decisions"),
) -> None:
    """Compare the shadow model with the live one from the decision log, leg by leg.

    More and fewer are what the shadow alone and the live model alone would flag by their scores, measures in
    force and the brake left aside. Figures are estimates where the log keeps a share of the accounts.

    Example: stopline shadow --decision-log var/decisions
    """
    log = existing_log(decision_log)
    found = [(leg, each) for leg in get_args(Leg) for each in compare(read(log, leg).rows, DELAY)]
    if not found:
        raise ConfigError(
            f"{decision_log} holds no leg that a shadow scored; put one beside with: stopline registry "
            "promote BUNDLE --role shadow, and run with --model_registry and --decision_log"
        )
    for leg, each in found:
        Console().print(views.table(leg, each))
