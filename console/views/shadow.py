"""The tables of `stopline shadow`."""

import numpy as np
from rich.table import Table

from console.views.tables import figures
from models.learning.shadow import Comparison, Flagged
from schemas.currencies import digits_of


def table(leg: str, found: Comparison) -> Table:
    """Return what the shadow of a leg would change."""
    span = f"{_time(found.since_us)} to {_time(found.until_us)} UTC"
    table = figures(
        "", "live", "shadow", "both", "more", "fewer", "overlap",
        title=f"{leg}: shadow {found.shadow} beside {found.live}",
        caption=f"{found.legs:,.0f} legs, {span}; PSI of the scores {found.score_psi:.3f}",
    )  # fmt: skip
    for name, flagged in (("warned or held", found.warned), ("held", found.held)):
        table.add_row(name, *_row(flagged), f"{flagged.overlap:.1%}")
        for currency in sorted({*flagged.live_minor, *flagged.shadow_minor}):
            one = 10 ** (digits_of(currency) or 0)
            values = (each.get(currency, 0) / one for each in (flagged.live_minor, flagged.shadow_minor))
            table.add_row(f"  {currency}", *(f"{value:,.0f}" for value in values))
    return table


def _row(flagged: Flagged) -> list[str]:
    counts = (flagged.live, flagged.shadow, flagged.both, flagged.more, flagged.fewer)
    return [f"{count:,.0f}" for count in counts]


def _time(at_us: int) -> str:
    return str(np.datetime64(at_us, "us"))[:16].replace("T", " ")
