"""Shadow against live: what would change if the shadow model acted, from the decision log."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.learning import evaluate


@dataclass(frozen=True)
class Flagged:
    """How many legs each model flags; counts and values are estimates where the log keeps a share.

    Attributes:
        live: flagged by the live model.
        shadow: flagged by the shadow model.
        both: flagged by both.
        live_minor: currency -> amount flagged by the live model, minor units.
        shadow_minor: currency -> amount flagged by the shadow model, minor units.

    """

    live: float
    shadow: float
    both: float
    live_minor: Mapping[str, float]
    shadow_minor: Mapping[str, float]

    @property
    def more(self) -> float:
        """Legs that only the shadow flags."""
        return self.shadow - self.both

    @property
    def fewer(self) -> float:
        """Legs that only the live model flags."""
        return self.live - self.both

    @property
    def overlap(self) -> float:
        """Share of the legs flagged by either that both flag (Jaccard 1901); 1 where neither flags any."""
        either = self.live + self.more
        return self.both / either if either else 1.0


@dataclass(frozen=True)
class Comparison:
    """One shadow beside one live model on one leg.

    Attributes:
        live: first letters of the live model's digest.
        shadow: first letters of the shadow's.
        since_us: event time of the first leg that both scored, microseconds UTC.
        until_us: of the last.
        legs: how many both scored.
        warned: from the least outcome on.
        held: from the outcome `held_from` on.
        score_psi: population stability index from the live scores to the shadow's.

    """

    live: str
    shadow: str
    since_us: int
    until_us: int
    legs: float
    warned: Flagged
    held: Flagged
    score_psi: float


def compare(log: pa.Table, held_from: int) -> list[Comparison]:
    """Compare every pair of models that scored the same legs of a decision log, oldest pair first."""
    scored = log.filter(pc.is_valid(log["shadow"]))
    pairs = scored.group_by(["model", "shadow"], use_threads=False).aggregate([("at_us", "min")])
    found = []
    for pair in pairs.sort_by("at_us_min").to_pylist():
        same = pc.and_(pc.equal(scored["model"], pair["model"]), pc.equal(scored["shadow"], pair["shadow"]))
        rows = scored.filter(same)
        column = {name: rows[name].to_numpy() for name in ("at_us", "score", "shadow_score", "weight")}
        found.append(
            Comparison(
                pair["model"],
                pair["shadow"],
                since_us=int(column["at_us"].min()),
                until_us=int(column["at_us"].max()),
                legs=float(column["weight"].sum()),
                warned=_flagged(rows, 1),
                held=_flagged(rows, held_from),
                score_psi=evaluate.psi(
                    column["score"],
                    column["shadow_score"],
                    expected_weight=column["weight"],
                    actual_weight=column["weight"],
                ),
            )
        )
    return found


def _flagged(rows: pa.Table, least: int) -> Flagged:
    weight = rows["weight"].to_numpy()
    live, shadow = (rows[name].to_numpy() >= least for name in ("model_outcome", "shadow_outcome"))
    return Flagged(
        live=float(weight[live].sum()),
        shadow=float(weight[shadow].sum()),
        both=float(weight[live & shadow].sum()),
        live_minor=_value(rows, live),
        shadow_minor=_value(rows, shadow),
    )


def _value(rows: pa.Table, flagged: NDArray[np.bool_]) -> dict[str, float]:
    currency = rows["currency"].to_numpy(zero_copy_only=False)
    value = rows["amount_minor"].to_numpy() * rows["weight"].to_numpy()
    return {
        str(each): float(value[flagged & (currency == each)].sum()) for each in np.unique(currency[flagged])
    }
