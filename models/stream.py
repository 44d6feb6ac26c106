"""Train both legs from a recorded stream of payments and what became known about them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import bundle, features
from models.bundle import Bundle, LegParts
from models.features import Feature, FloatArray, Legs, Rows
from models.history import history
from models.train import Windows, fit_leg, rows_digest

#: Fewer, earlier days than a bank has: a simulated month. A bank's log wants `Windows()`.
SHORT = Windows(train=10, validation=4, test=4, delay=1)


class Recorded(NamedTuple):
    """A recorded stream, ordered by event time, and its labels.

    Attributes:
        transfers: TRANSFER[n].
        value: amounts in one currency, minor units, float64[n].
        scam: the payment went from a victim to a mule, bool[n].
        laundering: the payment moved such money on, bool[n].

    """

    transfers: Rows
    value: FloatArray
    scam: NDArray[np.bool_]
    laundering: NDArray[np.bool_]


def train(
    recorded: Recorded,
    path: Path,
    *,
    card: str,
    git_commit: str,
    windows: Windows = SHORT,
    seed: int = 0,
    **grid: Any,
) -> Bundle:
    """Train a bundle and write it to `path`, a new directory.

    The ledgers run over the whole stream, as they do live, so every row has the features it had then.

    Raises:
        ModelError: the stream is too short for `windows`, or a window has no scams.

    """
    legs = history(recorded.transfers, recorded.value)

    def leg(seen: Legs, groups: dict[str, tuple[Feature, ...]], label: NDArray[np.bool_]) -> LegParts:
        return fit_leg(
            features.matrix(groups, seen),
            label.astype(np.int64),
            features.names(groups),
            {code: [feature.__name__ for feature in group] for code, group in groups.items()},
            time=recorded.transfers["at_us"],
            amount=recorded.value,
            windows=windows,
            seed=seed,
            **grid,
        )

    return bundle.save(
        path,
        {
            "credit": leg(legs.credit, dict(features.CREDIT), recorded.scam),
            "debit": leg(legs.debit, dict(features.DEBIT), recorded.laundering),
        },
        card=card,
        training_data=rows_digest(recorded.transfers, recorded.scam, recorded.laundering),
        git_commit=git_commit,
        created=int(recorded.transfers["at_us"].max()),
    )
