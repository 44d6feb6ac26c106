"""Train both legs from a recorded stream of payments and what became known about them."""

from collections.abc import Mapping
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
SHORT = Windows(train=11, validation=7, test=7, delay=1)


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

    The ledgers run over the whole stream, as they do live, so every row has the features it had then. Each
    leg learns from its own scams against good payments; the other leg's scams are neither.

    Raises:
        ModelError: the stream is too short for `windows`, or a window has no scams.

    """
    legs = history(recorded.transfers, recorded.value)

    def leg(
        seen: Legs,
        groups: Mapping[str, tuple[Feature, ...]],
        label: NDArray[np.bool_],
        neither: NDArray[np.bool_],
    ) -> LegParts:
        rows = ~neither
        return fit_leg(
            features.matrix(groups, seen)[rows],
            label[rows].astype(np.int64),
            features.names(groups),
            {code: [feature.__name__ for feature in group] for code, group in groups.items()},
            time=recorded.transfers["at_us"][rows],
            amount=recorded.value[rows],
            windows=windows,
            seed=seed,
            **grid,
        )

    return bundle.save(
        path,
        {
            "credit": leg(legs.credit, features.CREDIT, recorded.scam, recorded.laundering),
            "debit": leg(legs.debit, features.DEBIT, recorded.laundering, recorded.scam),
        },
        card=card,
        training_data=rows_digest(recorded.transfers, recorded.scam, recorded.laundering),
        git_commit=git_commit,
        created=int(recorded.transfers["at_us"].max()),
    )
