"""What a pair of scores does in worlds with scammers who choose: the figures of `stopline stress`.

Money counts once, as it leaves the victim; a ring's rebates and tests are neither innocent nor scams.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray
from models.learning.evaluate import threshold_at_innocent_holds

BoolArray = NDArray[np.bool_]

#: Scam payments per payment in life: 1 to 5 in 100,000 (domain report 3.3).
BASE_RATE = 3e-5


class Stressed(NamedTuple):
    """The payments of some worlds and the scores of both legs, n of each.

    Attributes:
        at_us: event times, int64[n].
        value: amounts in one currency, minor units, float64[n].
        good: nothing of a ring's doing, bool[n].
        scam: from a victim to the first account, bool[n].
        leaves: from the first account on, bool[n].
        case: number of the case, -1 if none, int64[n]; of one world only.
        tactic: name of the case's tactic, str[n].
        payer: the paying party, uint64[n]; of one world only.
        world: number of the world, int64[n].
        cleared_us: when the payment, were it held and good, would be freed, int64[n].
        credit: scores of the payee's leg, float64[n].
        debit: scores of the payer's leg, float64[n].

    """

    at_us: NDArray[np.int64]
    value: FloatArray
    good: BoolArray
    scam: BoolArray
    leaves: BoolArray
    case: NDArray[np.int64]
    tactic: NDArray[np.str_]
    payer: NDArray[np.uint64]
    world: NDArray[np.int64]
    cleared_us: NDArray[np.int64]
    credit: FloatArray
    debit: FloatArray

    def take(self, rows: BoolArray) -> "Stressed":
        """Return some of the payments."""
        return Stressed(**{name: column[rows] for name, column in self._asdict().items()})


def joined(worlds: Sequence[Stressed]) -> Stressed:
    """Return the payments of several worlds."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(each, name) for each in worlds]) for name in Stressed._fields
    }
    return Stressed(**columns)


class Point(NamedTuple):
    """Scores from which payments are held, on each leg."""

    credit: float
    debit: float


def point_at(of: Stressed, credit_per_10k: float, debit_per_10k: float) -> Point:
    """Return the lowest scores at which each leg holds at most so many of 10,000 good payments."""
    y = np.where(of.good, 0, 1)
    credit, debit = (
        threshold_at_innocent_holds(y, score, per_10k)
        for score, per_10k in ((of.credit, credit_per_10k), (of.debit, debit_per_10k))
    )
    return Point(credit, debit)


def figures(of: Stressed, point: Point, base_rate: float = BASE_RATE) -> dict[str, float]:
    """Return what is held, and whom it disturbs, where `base_rate` of all payments are scams.

    `held_before_exit` adds to the value held on arrival what was held as it left the first account, at most
    what had arrived unheld in its case. `disturbed_per_victim` counts paying customers with a good payment
    held for each victim with a scam payment held; infinite without one.
    """
    arrived, leaving = of.credit >= point.credit, of.debit >= point.debit
    held = arrived | leaving
    sent = float(of.value[of.scam].sum())
    stopped, caught = of.scam & arrived, of.leaves & leaving
    owed, left = (_by_case(of, rows) for rows in (of.scam & ~arrived, caught))
    before = sum(min(owed[case], left.get(case, 0.0)) for case in owed)
    good = int(of.good.sum())
    disturbed = len(np.unique(np.column_stack([of.world, of.payer])[of.good & held], axis=0))
    victims = len(np.unique(np.column_stack([of.world, of.case])[stopped], axis=0))
    scams = int(of.scam.sum())
    per_good, per_scam = disturbed / max(good, 1), victims / max(scams, 1)
    return {
        "held_on_arrival": float(of.value[stopped].sum()) / sent if sent else 0.0,
        "held_before_exit": (float(of.value[stopped].sum()) + before) / sent if sent else 0.0,
        "innocents_per_10k": 10_000 * float((of.good & held).sum()) / max(good, 1),
        "disturbed_per_victim": (
            per_good * (1 - base_rate) / (per_scam * base_rate) if per_scam else float("inf")
        ),
    }


def _by_case(of: Stressed, rows: BoolArray) -> dict[tuple[int, int], float]:
    money: dict[tuple[int, int], float] = {}
    for world, case, value in zip(of.world[rows], of.case[rows], of.value[rows], strict=True):
        money[int(world), int(case)] = money.get((int(world), int(case)), 0.0) + float(value)
    return money


def by_tactic(of: Stressed, point: Point) -> dict[str, dict[str, float]]:
    """Return the same of each tactic's cases, with their number; good payments are those of all."""
    found = {}
    for name in np.unique(of.tactic[of.scam]).tolist():
        mine = of.take(of.good | (of.tactic == name))
        cases = len(np.unique(np.column_stack([mine.world, mine.case])[mine.scam], axis=0))
        found[name] = {**figures(mine, point), "cases": float(cases)}
    return found


def value_at_ratio(of: Stressed, ratio: float, base_rate: float = BASE_RATE) -> float:
    """Return the share of scam value alerted on arrival at `ratio` false alerts per true one.

    Each scam payment counts as often as makes scams `base_rate` of all payments.
    """
    used = of.good | of.scam
    scam, value = of.scam[used], of.value[used]
    order = np.argsort(-of.credit[used], kind="stable")
    weight = base_rate / (1 - base_rate) * (~scam).sum() / max(scam.sum(), 1)
    true, false = np.cumsum(scam[order]) * weight, np.cumsum(~scam[order])
    allowed = np.flatnonzero((false <= ratio * true) & scam[order])
    if not len(allowed):
        return 0.0
    found = np.cumsum((value * scam)[order])
    return float(found[allowed[-1]] / found[-1])


def harm(of: Stressed, point: Point) -> dict[str, Any]:
    """Return how long good payments are held until somebody frees them, minutes."""
    wrong = of.good & ((of.credit >= point.credit) | (of.debit >= point.debit))
    minutes = (of.cleared_us - of.at_us)[wrong] / 60e6
    if not len(minutes):
        return {"wrongful_holds": 0, "median_min": None, "p95_min": None}
    return {
        "wrongful_holds": len(minutes),
        "median_min": float(np.median(minutes)),
        "p95_min": float(np.quantile(minutes, 0.95)),
    }
