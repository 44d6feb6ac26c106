"""Train both legs: from a recorded stream of payments, or from rows of a decision log and dated labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import features
from models.features import FloatArray
from models.learning import evaluate, labels
from models.learning.stress import BASE_RATE
from models.learning.train import Apart, Known, Windows, fit_leg, rows_digest
from models.ledgers.history import history
from models.scoring import bundle
from models.scoring.bundle import Bundle, LegParts
from models.scoring.learned import Learned
from schemas.rows import Rows
from schemas.units import DAY_US

#: Fewer, earlier days than a bank has: a simulated month. A bank's log wants `Windows()`.
SHORT = Windows(train=11, validation=7, test=7, delay=1)


#: Trees lose little where they grow on one of so many good payments.
KEPT_OF_GOOD = 3


#: No model asks for the payer's age band: without it as much is found, and the old are held no more often.
NOT_ASKED = frozenset({"age_band"})


class Recorded(NamedTuple):
    """A recorded stream, ordered by event time, and its labels.

    Attributes:
        transfers: TRANSFER[n].
        value: amounts in one currency, minor units, float64[n].
        scam: the payment went from a victim to a mule, bool[n].
        laundering: the payment moved such money on, bool[n].
        of_ring: the payment was a ring's without being either (a rebate, a test), bool[n].
        others: facts of other streams, a part for each kind, each at the time it became known.

    """

    transfers: Rows
    value: FloatArray
    scam: NDArray[np.bool_]
    laundering: NDArray[np.bool_]
    of_ring: NDArray[np.bool_]
    others: Sequence[Rows] = ()


class LegRows(NamedTuple):
    """n rows that one leg learns from or is measured on.

    Attributes:
        txn_id: the payments, bytes[n].
        at_us: event times, int64[n].
        value: amounts in one currency, minor units, float64[n].
        features: the columns of `X`, name -> version.
        X: features, float64[n, k], nan where one is not known.
        y: 1 for what the leg looks for, 0 for good, -1 for what is neither, int8[n]; all that is known.
        known: the labels known at an earlier time, None where the delay of the windows stands for it.
        weight: how many payments each row stands for, None if one.

    """

    txn_id: NDArray[np.bytes_]
    at_us: NDArray[np.int64]
    value: FloatArray
    features: Mapping[str, int]
    X: FloatArray
    y: NDArray[np.int8]
    known: Known | None = None
    weight: FloatArray | None = None

    def take(self, rows: NDArray[Any]) -> "LegRows":
        """Return some of the rows, by mask or place, with the labels known today."""
        return LegRows(
            txn_id=self.txn_id[rows],
            at_us=self.at_us[rows],
            value=self.value[rows],
            features=self.features,
            X=self.X[rows],
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
        )

    def thinned(self) -> "LegRows":
        """Return every third good payment, which count as many as all of them did, and all others."""
        good, count = self.y == 0, self.payments()
        kept = ~good | (np.arange(len(good)) % KEPT_OF_GOOD == 0)
        often = count[good].sum() / max(count[good & kept].sum(), 1)
        return self._replace(weight=np.where(good, count * often, count)).take(np.flatnonzero(kept))

    def payments(self) -> FloatArray:
        """Return how many payments each row stands for, float64[n]."""
        return evaluate.weights(self.weight, len(self.y))

    def columns(self, names: Iterable[str]) -> FloatArray:
        """Return some features, float64[n, names]; one that the rows do not hold is nan."""
        return features.columns(self.X, self.features, names)


def of_recorded(recorded: Recorded) -> dict[str, LegRows]:
    """Return the rows of both legs; the ledgers run over the whole stream, as they do live.

    Each leg learns from its own scams against good payments; the other leg's scams, and what rings pay
    besides, are neither.
    """
    transfers = recorded.transfers
    seen = history(transfers, recorded.value, recorded.others)._asdict()
    sought = {"credit": (recorded.scam, recorded.laundering), "debit": (recorded.laundering, recorded.scam)}
    return {
        leg: LegRows(
            txn_id=transfers["txn_id"],
            at_us=transfers["at_us"],
            value=recorded.value,
            features=features.versions(leg),
            X=features.matrix(features.versions(leg), seen[leg]),
            y=np.where(mine, 1, np.where(others | recorded.of_ring, -1, 0)).astype(np.int8),
        )
        for leg, (mine, others) in sought.items()
    }


def joined(streams: Sequence[Mapping[str, LegRows]]) -> dict[str, LegRows]:
    """Return the rows of several recorded streams, stream after stream."""

    def whole(leg: str, column: str) -> NDArray[Any]:
        return np.concatenate([getattr(each[leg], column) for each in streams])

    return {
        leg: LegRows(
            txn_id=whole(leg, "txn_id"),
            at_us=whole(leg, "at_us"),
            value=whole(leg, "value"),
            features=streams[0][leg].features,
            X=whole(leg, "X"),
            y=whole(leg, "y"),
            weight=None if streams[0][leg].weight is None else whole(leg, "weight"),
        )
        for leg in streams[0]
    }


def of_log(leg: str, rows: LegRows, found: Rows, *, known_by_us: float, delay_days: float) -> LegRows:
    """Give the rows of a decision log the labels of LABEL[m] (`models.learning.labels`) known at the cut-off.

    Rows younger than the delay at the cut-off are left out: among them only what was quickly found would
    have a label.
    """
    old = rows.at_us <= known_by_us - delay_days * DAY_US
    rows = rows.take(old)

    def known(by_us: float) -> NDArray[np.int8]:
        by_us = min(by_us, known_by_us)
        verdict = labels.verdicts(found, rows.txn_id, by_us)
        return labels.targets(verdict, leg, rows.at_us <= by_us - delay_days * DAY_US)

    return rows._replace(y=known(known_by_us), known=known)


def fit(
    rows: Mapping[str, LegRows],
    *,
    windows: Windows = SHORT,
    seed: int = 0,
    apart: Mapping[str, LegRows] | None = None,
    **grid: Any,
) -> dict[str, LegParts]:
    """Train both legs; their thresholds are chosen on the rows `apart` if there are any.

    Raises:
        ModelError: the rows are too few for `windows`, or a window has no scams.

    """
    return {
        leg: fit_one(
            leg, these, windows=windows, seed=seed, apart=None if apart is None else apart[leg], **grid
        )
        for leg, these in rows.items()
    }


def fit_one(
    leg: str,
    rows: LegRows,
    *,
    windows: Windows,
    seed: int = 0,
    without: str = "",
    apart: LegRows | None = None,
    **grid: Any,
) -> LegParts:
    """Train one leg on the features that its rows know, but those of the reason `without`.

    Raises:
        ModelError: see `fit`.

    """
    known = dict(zip(rows.features, np.atleast_1d((~np.isnan(rows.X)).any(axis=0)).tolist(), strict=True))
    groups = {
        code: tuple(name for name in group if known.get(name) and name not in NOT_ASKED)
        for code, group in features.groups(leg).items()
        if code != without
    }
    names = [name for group in groups.values() for name in group]
    return fit_leg(
        rows.columns(names),
        rows.y,
        {name: rows.features[name] for name in names},
        {code: group for code, group in groups.items() if group},
        time=rows.at_us,
        amount=rows.value,
        known=rows.known,
        weight=rows.weight,
        windows=windows,
        seed=seed,
        apart=None if apart is None else _apart(apart, names),
        **grid,
    )


def _apart(rows: LegRows, names: Sequence[str]) -> Apart:
    """Return simulated rows, each good one counted so often that scams are as rare as in life."""
    used = rows.y >= 0
    X, y, weight = rows.columns(names)[used], rows.y[used], rows.payments()[used]
    scam = y == 1
    often = weight[scam].sum() * (1 - BASE_RATE) / BASE_RATE / max(weight[~scam].sum(), 1)
    return Apart(X, y, np.where(scam, weight, weight * often))


def train(
    rows: Mapping[str, LegRows],
    path: Path,
    *,
    card: Callable[[Mapping[str, LegParts]], str],
    git_commit: str,
    windows: Windows = SHORT,
    seed: int = 0,
    apart: Mapping[str, LegRows] | None = None,
    **grid: Any,
) -> Bundle:
    """Train a bundle and write it to `path`, a new directory; `card` writes its card from the trained legs.

    Thresholds are chosen on the rows `apart`, else on validation days (`fit`).

    Raises:
        ModelError: see `fit`.

    """
    parts = fit(rows, windows=windows, seed=seed, apart=apart, **grid)
    arrays = [
        array
        for these in rows.values()
        for array in (these.txn_id, these.at_us, these.X, these.y, these.weight)
        if array is not None
    ]
    newest_us = max(int(these.at_us.max()) for these in rows.values() if len(these.at_us))
    until_us = newest_us - round(windows.test * DAY_US)
    learned = {txn_id for these in rows.values() for txn_id in these.txn_id[these.at_us < until_us].tolist()}
    return bundle.save(
        path,
        parts,
        card=card(parts),
        training_data=rows_digest(*arrays),
        git_commit=git_commit,
        created=newest_us,
        learned=Learned.of(learned, until_us),
    )
