"""What a pair of scores does in worlds with scammers who choose: the figures of `stopline stress`.

Money counts once, as it leaves the victim; a ring's rebates and tests are neither innocent nor scams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from models.features import FloatArray
from models.learning.card import segments
from models.learning.evaluate import threshold_at_innocent_holds

BoolArray = NDArray[np.bool_]

#: Scam payments per payment in life: 1 to 5 in 100,000 (domain report 3.3).
BASE_RATE = 3e-5

#: Of the value of payments delayed with a question so much is not sent after all [assumed]: of 2.13 million
#: payments that Vietnam's register had warned of by December 2025, 31.5 % were paused or cancelled.
STOPS_ASKED = 0.315

#: A tactic with fewer cases in all worlds together tells too little to be called the worst.
CASES_MIN = 30

_DRAWS, _MIDDLE = 400, (0.05, 0.95)


#: How long a payer's account has been open.
TENURES = ("under a year", "one to five years", "over five years")


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
        coached: the victim was told what to answer and goes on after a question, bool[n].
        payer: the paying party, uint64[n]; of one world only.
        age_band: of the payer, "" if unknown, str[n].
        tenure: how long the payer's account has been open, one of `TENURES`, str[n].
        institution: the payer's, str[n].
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
    coached: BoolArray
    payer: NDArray[np.uint64]
    age_band: NDArray[np.str_]
    tenure: NDArray[np.str_]
    institution: NDArray[np.str_]
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


def evened(of: Stressed, groups: NDArray[np.str_], credit_per_10k: float, debit_per_10k: float) -> Stressed:
    """Return the scores less the threshold of their own group, so that `Point(0, 0)` treats groups alike.

    From there each leg holds at most so many of 10,000 good payments of every group.
    """
    credit, debit = of.credit.copy(), of.debit.copy()
    for group in np.unique(groups).tolist():
        mine = groups == group
        point = point_at(of.take(mine), credit_per_10k, debit_per_10k)
        credit[mine] -= point.credit
        debit[mine] -= point.debit
    return of._replace(credit=credit, debit=debit)


class Tally(NamedTuple):
    """What a world comes to at one point: money in minor units, payments, customers, victims."""

    sent: float = 0.0
    stopped: float = 0.0
    caught: float = 0.0
    good: float = 0.0
    wrongly_held: float = 0.0
    disturbed: float = 0.0
    scams: float = 0.0
    victims: float = 0.0
    moved_by_delay: float = 0.0


def tally(of: Stressed, point: Point) -> Tally:
    """Count one world. Of what leaves the first account no more is caught than its case had lost."""
    arrived, leaving = of.credit >= point.credit, of.debit >= point.debit
    stopped, caught = of.scam & arrived, of.leaves & leaving
    wrong = of.good & (arrived | leaving)
    owed, left = (_by_case(of, rows) for rows in (of.scam & ~arrived, caught))
    return Tally(
        sent=float(of.value[of.scam].sum()),
        stopped=float(of.value[stopped].sum()),
        caught=sum(min(owed[case], left.get(case, 0.0)) for case in owed),
        good=float(of.good.sum()),
        wrongly_held=float(wrong.sum()),
        disturbed=float(len(np.unique(of.payer[wrong]))),
        scams=float(of.scam.sum()),
        victims=float(len(np.unique(of.case[stopped]))),
        moved_by_delay=float(of.value[stopped & ~of.coached].sum()),
    )


def tallies(of: Stressed, point: Point) -> list[Tally]:
    """Count each world by itself."""
    return [tally(of.take(of.world == world), point) for world in np.unique(of.world).tolist()]


def ratios(counts: Sequence[Tally], base_rate: float = BASE_RATE) -> dict[str, float]:
    """Return what is held, and whom it disturbs, where `base_rate` of all payments are scams.

    `held_before_exit` adds to the value held on arrival what was held as it left the first account.
    `disturbed_per_victim` counts paying customers with a good payment held for each victim with a scam
    payment held; infinite without one. `saved_by_delay` is what would be saved if payments were delayed on
    arrival, with a question, instead of held: `STOPS_ASKED` of the value, nothing of coached victims.
    """
    sums = np.sum(np.array(counts, float).reshape(-1, len(Tally._fields)), axis=0)
    of = Tally(*sums.tolist())
    per_good, per_scam = of.disturbed / max(of.good, 1), of.victims / max(of.scams, 1)
    sent = of.sent or 1.0
    return {
        "held_on_arrival": of.stopped / sent,
        "held_before_exit": (of.stopped + of.caught) / sent,
        "innocents_per_10k": 10_000 * of.wrongly_held / max(of.good, 1),
        "disturbed_per_victim": (
            per_good * (1 - base_rate) / (per_scam * base_rate) if per_scam else float("inf")
        ),
        "saved_by_delay": STOPS_ASKED * of.moved_by_delay / sent,
    }


def figures(of: Stressed, point: Point, base_rate: float = BASE_RATE) -> dict[str, float]:
    """Return the ratios of all worlds together."""
    return ratios(tallies(of, point), base_rate)


def interval(counts: Sequence[Tally], base_rate: float = BASE_RATE) -> dict[str, list[float]]:
    """Return the middle 90 % of each ratio over worlds drawn with replacement; empty of one world."""
    if len(counts) < 2:
        return {}
    draw = np.random.default_rng(0)
    again = [
        ratios([counts[world] for world in draw.integers(0, len(counts), len(counts))], base_rate)
        for _ in range(_DRAWS)
    ]
    return {
        name: [float(np.quantile([each[name] for each in again], edge, method="nearest")) for edge in _MIDDLE]
        for name in again[0]
    }


def disturbed_at_most(counts: Sequence[Tally], base_rate: float = BASE_RATE, sure: float = 0.95) -> float:
    """Return disturbed customers per victim that are not exceeded, as sure as asked.

    Both are counts, and at a careful point so few that what worlds differ by says less than their own chance:
    exact bounds of a Poisson mean, upper for the disturbed and lower for victims (Garwood 1936).
    """
    sums = np.sum(np.array(counts, float).reshape(-1, len(Tally._fields)), axis=0)
    of = Tally(*sums.tolist())
    disturbed, victims = gammaincinv(of.disturbed + 1, sure), gammaincinv(max(of.victims, 1), 1 - sure)
    per_good, per_scam = disturbed / max(of.good, 1), victims / max(of.scams, 1)
    return float(per_good * (1 - base_rate) / (per_scam * base_rate)) if of.victims else float("inf")


def times(ours: Sequence[Tally], theirs: Sequence[Tally]) -> dict[str, Any]:
    """Return how many times as much value one judge holds on arrival as another, of the same worlds.

    `interval` is the middle 90 % over worlds drawn with replacement, the same for both; empty of one world.
    """
    draw, count = np.random.default_rng(0), len(ours)

    def of(worlds: Sequence[int]) -> float:
        held, other = (
            ratios([each[world] for world in worlds])["held_on_arrival"] for each in (ours, theirs)
        )
        return held / other if other else float("inf")

    again = [of(draw.integers(0, count, count).tolist()) for _ in range(_DRAWS if count > 1 else 0)]
    return {
        "times": of(range(count)),
        "interval": [float(np.quantile(again, edge, method="nearest")) for edge in _MIDDLE] if again else [],
    }


def _by_case(of: Stressed, rows: BoolArray) -> dict[int, float]:
    money: dict[int, float] = {}
    for case, value in zip(of.case[rows].tolist(), of.value[rows].tolist(), strict=True):
        money[case] = money.get(case, 0.0) + value
    return money


def by_tactic(of: Stressed, point: Point) -> dict[str, dict[str, float]]:
    """Return the same of each tactic's cases, with their number; good payments are those of all."""
    found = {}
    for name in np.unique(of.tactic[of.scam]).tolist():
        mine = of.take(of.good | (of.tactic == name))
        cases = len(np.unique(np.column_stack([mine.world, mine.case])[mine.scam], axis=0))
        found[name] = {**figures(mine, point), "cases": float(cases)}
    return found


def worst(tactics: Mapping[str, Mapping[str, float]]) -> str:
    """Return the tactic of which least is held on arrival, of those with `CASES_MIN` cases if any has."""
    enough = [name for name, each in tactics.items() if each["cases"] >= CASES_MIN]
    return min(enough or tactics, key=lambda name: tactics[name]["held_on_arrival"])


def value_at_ratio(of: Stressed, ratio: float, base_rate: float = BASE_RATE) -> float:
    """Return the share of scam value alerted on arrival at `ratio` false alerts per true one.

    Each scam payment counts as often as makes scams `base_rate` of all payments.
    """
    return alerted_value(alerted(of), ratio, base_rate)


def alerted(of: Stressed) -> FloatArray:
    """Return score, value and whether it is a scam of good payments and scams, float64[3, n]."""
    used = of.good | of.scam
    return np.array([of.credit[used], of.value[used], of.scam[used]], np.float64)


def alerted_value(alerts: FloatArray, ratio: float, base_rate: float = BASE_RATE) -> float:
    """Return the same of columns that `alerted` gave."""
    _, value, scam = alerts[:, np.argsort(-alerts[0], kind="stable")]
    weight = base_rate / (1 - base_rate) * (1 - scam).sum() / max(scam.sum(), 1)
    allowed = np.flatnonzero((np.cumsum(1 - scam) <= ratio * np.cumsum(scam) * weight) & (scam > 0))
    found = np.cumsum(value * scam)
    return float(found[allowed[-1]] / found[-1]) if len(allowed) else 0.0


def ratio_interval(of: Stressed, ratio: float, draws: int = 60) -> list[float]:
    """Return the middle 90 % of `value_at_ratio` over worlds drawn again with replacement."""
    draw = np.random.default_rng(0)
    parts = [alerted(of.take(of.world == world)) for world in np.unique(of.world).tolist()]
    again = [
        alerted_value(
            np.concatenate([parts[world] for world in draw.integers(0, len(parts), len(parts))], axis=1),
            ratio, BASE_RATE,
        )
        for _ in range(draws)
    ]  # fmt: skip
    return [float(np.quantile(again, edge)) for edge in _MIDDLE]


def waits(of: Stressed, point: Point) -> dict[str, Any]:
    """Return how long good payments are held until somebody frees them, minutes."""
    wrong = wrongly_held(of, point)
    minutes = (of.cleared_us - of.at_us)[wrong] / 60e6
    if not len(minutes):
        return {"wrongful_holds": 0, "median_min": None, "p95_min": None}
    return {
        "wrongful_holds": len(minutes),
        "median_min": float(np.median(minutes)),
        "p95_min": float(np.quantile(minutes, 0.95)),
    }


def wrongly_held(of: Stressed, point: Point) -> BoolArray:
    """Return which good payments are held on either leg, bool[n]."""
    return of.good & ((of.credit >= point.credit) | (of.debit >= point.debit))


def harm(of: Stressed, point: Point) -> dict[str, list[dict[str, Any]]]:
    """Return good payments held per 10,000 by age band, tenure and institution, each with its interval."""
    held = wrongly_held(of, point)[of.good].astype(float)
    nothing = np.zeros(len(held), np.int8)
    return {
        name: [asdict(each) for each in segments(getattr(of, name)[of.good], nothing, held, 1.0)]
        for name in ("age_band", "tenure", "institution")
    }
