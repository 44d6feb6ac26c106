"""`stopline shadow`: what would change if the shadow model acted."""

from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from console.lab.recorded import existing_log
from console.lab.tables import figures
from models.learning.shadow import Comparison, Flagged, compare
from pipelines.hot.decision_log import read
from pipelines.policy import DELAY
from schemas.alert import Leg
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def shadow(
    decision_log: Annotated[Path, typer.Option(help="Folder of the decision log.")] = Path("var/decisions"),
) -> None:
    """Compare the shadow model with the live one from the decision log, leg by leg.

    More and fewer are what the shadow alone and the live model alone would flag by their scores, measures in
    force and the brake left aside. Figures are estimates where the log keeps a share of the accounts.

    Example: stopline shadow --decision-log var/decisions
    """
    log = existing_log(decision_log)
    found = [(leg, each) for leg in get_args(Leg) for each in compare(read(log, leg), DELAY)]
    if not found:
        raise ConfigError(
            f"{decision_log} holds no leg that a shadow scored; put one beside with: stopline registry "
            "promote BUNDLE --role shadow, and run with --model_registry and --decision_log"
        )
    for leg, each in found:
        Console().print(_table(leg, each))


def _table(leg: str, found: Comparison) -> Table:
    span = f"{_time(found.since_us)} to {_time(found.until_us)} UTC"
    table = figures(
        "", "live", "shadow", "both", "more", "fewer", "overlap",
        title=f"{leg}: shadow {found.shadow} beside {found.live}",
        caption=f"{found.legs:,.0f} legs, {span}; PSI of the scores {found.score_psi:.3f}",
    )  # fmt: skip
    for name, flagged in (("warned or held", found.warned), ("held", found.held)):
        table.add_row(name, *_row(flagged), f"{flagged.overlap:.1%}")
        for currency in sorted({*flagged.live_minor, *flagged.shadow_minor}):
            values = (each.get(currency, 0) / 100 for each in (flagged.live_minor, flagged.shadow_minor))
            table.add_row(f"  {currency}", *(f"{value:,.0f}" for value in values))
    return table


def _row(flagged: Flagged) -> list[str]:
    counts = (flagged.live, flagged.shadow, flagged.both, flagged.more, flagged.fewer)
    return [f"{count:,.0f}" for count in counts]


def _time(at_us: int) -> str:
    return str(np.datetime64(at_us, "us"))[:16].replace("T", " ")
