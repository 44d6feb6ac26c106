"""Worlds with scammers who choose, what a bundle does there, and how much of it could be known."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from console.lab.rows import of_world as recorded
from fixtures.mix import Mix
from fixtures.plan import DAY
from fixtures.world import START_US, World, simulate
from models.features import FloatArray
from models.learning import stress
from models.learning.ordinary import Scorer, fit_ordinary
from models.learning.stream import LegRows, joined, of_recorded
from models.learning.stress import Point, Stressed
from models.learning.train import LEG_SETTINGS, fit_classifier, leaf_penalty, probability
from models.scoring.bundle import LEGS, Bundle
from pipelines.policy import Policy

#: Of good payments, so many of 10,000 are held: on the payee's leg, on the payer's.
CREDIT_PER_10K, DEBIT_PER_10K = 4.0, 1.0
#: At the base rate of life at most so many customers are disturbed for each victim stopped.
DISTURBED_MAX = 3.0


class Size(NamedTuple):
    """Worlds of one kind: how many from which seed on, how long, how large.

    The first `history_days` only fill the ledgers. Scams are `scam_rate` of payments, dozens of times the
    rate of life, so that small worlds have cases; figures that depend on the rate are given at that of life.
    `clues` is the share of people whose operator tells of calls and devices.
    """

    seed: int
    worlds: int
    days: int = 21
    history_days: int = 7
    accounts: int = 5_000
    scam_rate: float = 0.0015
    clues: float = 0.0

    def other(self, first: int) -> "Size":
        """Return worlds like these of other seeds."""
        return self._replace(seed=self.seed + first)


class Lived(NamedTuple):
    """One world after its history: rows of both legs, their truth (scores are 0), and what nobody knew then.

    `hidden` counts the scam payments so far of the payee's account, of the payer, and the payee's own debits
    of scam money, float64[n, 3]: known to the world at once, to a bank days later or never.
    """

    rows: dict[str, LegRows]
    truth: Stressed
    hidden: FloatArray


def live(mix: Mix | None, size: Size, rules: Policy, through: dict[str, float] | None = None) -> list[Lived]:
    """Simulate worlds of `mix`, None for the easy world, one after the other."""
    seeds = range(size.seed, size.seed + size.worlds)
    return [_live(mix, seed, size, rules, through) for seed in seeds]


def _live(mix: Mix | None, seed: int, size: Size, rules: Policy, through: dict[str, float] | None) -> Lived:
    world = simulate(
        seed, size.days, size.accounts, scam_rate=size.scam_rate, mix=mix, through=through, clues=size.clues
    )
    stream = recorded(world, rules)
    shown = stream.transfers["at_us"] >= START_US + size.history_days * DAY
    rows = {leg: each.take(shown) for leg, each in of_recorded(stream).items()}
    truth = _truth(world, seed, stream.transfers, stream.value)
    return Lived(rows, truth.take(shown), _hidden(world)[shown])


def _truth(world: World, seed: int, transfers: NDArray[np.void], value: FloatArray) -> Stressed:
    truth, n = world.truth, len(transfers)

    def column(name: str) -> NDArray[Any]:
        return np.asarray(truth[name].to_numpy(zero_copy_only=False))

    case = pa.array(truth["case_id"].to_pylist()).dictionary_encode()
    number = case.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Stressed(
        at_us=transfers["at_us"],
        value=value,
        good=column("part").astype(str) == "",
        scam=column("scam"),
        leaves=column("hop") == 1,
        case=np.where(column("case_id").astype(str) == "", -1, number),
        tactic=column("tactic").astype(str),
        payer=transfers["debtor"][:, 1],
        world=np.full(n, seed),
        cleared_us=column("cleared_us"),
        credit=np.zeros(n),
        debit=np.zeros(n),
    )


def _hidden(world: World) -> FloatArray:
    names = ("debtor_account", "creditor_account")
    debtor, creditor = (world.payments[name].to_pylist() for name in names)
    scam, laundering = (world.truth[name].to_pylist() for name in ("scam", "laundering"))
    received: dict[str, int] = {}
    lost: dict[str, int] = {}
    moved: dict[str, int] = {}
    out = np.zeros((len(debtor), 3))
    for row, (payer, payee) in enumerate(zip(debtor, creditor, strict=True)):
        out[row] = received.get(payee, 0), lost.get(payer, 0), moved.get(payee, 0)
        if scam[row]:
            received[payee] = received.get(payee, 0) + 1
            lost[payer] = lost.get(payer, 0) + 1
        if laundering[row]:
            moved[payer] = moved.get(payer, 0) + 1
    return out


def scored(
    worlds: Sequence[Lived], credit: Callable[[Lived], FloatArray], debit: Callable[[Lived], FloatArray]
) -> Stressed:
    """Return the payments of all worlds with their scores."""
    return stress.joined([world.truth._replace(credit=credit(world), debit=debit(world)) for world in worlds])


def by_bundle(bundle: Bundle, worlds: Sequence[Lived]) -> Stressed:
    """Score with both legs of a bundle."""

    def of(leg: str) -> Callable[[Lived], FloatArray]:
        model = bundle.leg(leg)
        return lambda world: model.score(world.rows[leg].columns(model.features))

    return scored(worlds, of("credit"), of("debit"))


def by_ordinary(scorer: Scorer, worlds: Sequence[Lived]) -> Stressed:
    """Score with the ordinary model, which looks at payers alone and never holds what leaves an account."""
    return scored(worlds, lambda world: scorer(world.rows["credit"]), lambda world: world.truth.debit)


class Oracle:
    """What could be known: trees grown on worlds of the very mix they are measured in, of other seeds.

    They know the law of the world, and of every payment before whether it was a scam, at once. No posterior
    of the generator in closed form: it is the best approximation we have, and a bound for what trees of this
    kind find rather than for everything.
    """

    def __init__(self, worlds: Sequence[Lived], seed: int = 0) -> None:
        hidden = np.concatenate([each.hidden for each in worlds])
        rows = joined([each.rows for each in worlds])
        self._trees = {}
        for leg in LEGS:
            y = rows[leg].y
            X = np.column_stack([rows[leg].X, hidden])[y >= 0]
            grid = {**LEG_SETTINGS, "l2_regularization": leaf_penalty(int((y == 1).sum()))}
            self._trees[leg] = fit_classifier(X, y[y >= 0], seed=seed, **grid)

    def score(self, worlds: Sequence[Lived]) -> Stressed:
        """Score both legs."""

        def of(leg: str) -> Callable[[Lived], FloatArray]:
            return lambda world: probability(
                self._trees[leg], np.column_stack([world.rows[leg].X, world.hidden])
            )

        return scored(worlds, of("credit"), of("debit"))


class Mixes(NamedTuple):
    """Mixes to train the ordinary model on, to choose on, and to measure in."""

    train: Mix
    choose: Mix
    test: Mix


def stressed(bundle: Bundle, mixes: Mixes, size: Size, rules: Policy) -> dict[str, Any]:
    """Return the figures of `make stress`: section -> what is held, whom it disturbs, and the oracle's."""
    bare = mixes.test.required_fields_only()
    ordinary_rows = joined([each.rows for each in live(mixes.train, size.other(1_000), rules)])["credit"]
    trees, line = (fit_ordinary(ordinary_rows, learner) for learner in ("trees", "logistic"))
    del ordinary_rows
    oracle = Oracle(live(mixes.test, size.other(2_000), rules))
    chosen = by_bundle(bundle, live(mixes.choose, size.other(3_000), rules))
    worlds = live(mixes.test, size, rules)
    ours, theirs, lines = by_bundle(bundle, worlds), by_ordinary(trees, worlds), by_ordinary(line, worlds)
    known = oracle.score(worlds)
    del worlds
    at, best = _budget(ours), _budget(known)
    tactics, ceilings = stress.by_tactic(ours, at), stress.by_tactic(known, best)
    worst = min(tactics, key=lambda name: tactics[name]["held_on_arrival"])
    careful = quiet_point(chosen)
    own = stress.point_at(theirs, CREDIT_PER_10K + DEBIT_PER_10K, 0)
    ceiling = stress.figures(known, best)["held_on_arrival"]
    sections = {
        "mix": {**stress.figures(ours, at), "oracle": ceiling, "harm": stress.harm(ours, at),
                "at_5_to_1": stress.value_at_ratio(ours, 5), "by_seed": _by_seed(ours, at)},
        "worst_tactic": {**tactics[worst], "oracle": ceilings[worst]["held_on_arrival"], "tactic": worst},
        "base_rate": {**stress.figures(ours, careful),
                      "oracle": stress.figures(known, quiet_point(known))["held_on_arrival"],
                      "base_rate": stress.BASE_RATE, "harm": stress.harm(ours, careful)},
        "ordinary_model": {**stress.figures(theirs, own), "oracle": ceiling,
                           "at_5_to_1": stress.value_at_ratio(theirs, 5),
                           "at_5_to_1_logistic": stress.value_at_ratio(lines, 5)},
    }  # fmt: skip
    known_bare = Oracle(live(bare, size.other(2_000), rules))
    bare_worlds = live(bare, size, rules)
    ours_bare, best_bare = by_bundle(bundle, bare_worlds), known_bare.score(bare_worlds)
    sections["required_fields_only"] = {
        **stress.figures(ours_bare, _budget(ours_bare)),
        "oracle": stress.figures(best_bare, _budget(best_bare))["held_on_arrival"],
    }
    return {**sections, "tactics": {name: {**tactics[name], "oracle": ceilings[name]["held_on_arrival"]}
                                    for name in tactics}}  # fmt: skip


def _budget(of: Stressed) -> Point:
    return stress.point_at(of, CREDIT_PER_10K, DEBIT_PER_10K)


def quiet_point(of: Stressed) -> Point:
    """Return the lowest scores that disturb at most `DISTURBED_MAX` customers a victim in life."""
    best = Point(float("inf"), float("inf"))
    for per_10k in np.geomspace(0.02, 5.0, 40):
        point = stress.point_at(of, float(per_10k), 0.0)._replace(debit=float("inf"))
        if stress.figures(of, point)["disturbed_per_victim"] <= DISTURBED_MAX:
            best = point
    return best


def _by_seed(of: Stressed, point: Point) -> dict[str, float]:
    return {
        str(seed): stress.figures(of.take(of.world == seed), point)["held_on_arrival"]
        for seed in np.unique(of.world).tolist()
    }
