"""What a bundle does in worlds with scammers who choose, and how much of it could be known."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np

from console.lab.living import Lived, Size, live, to_grow_on
from fixtures.mix import Mix, OptionalField
from models.features import FloatArray
from models.learning import stress
from models.learning.ordinary import Learner, Scorer, fit_ordinary
from models.learning.stream import LegRows
from models.learning.stress import Point, Stressed
from models.learning.train import LEG_SETTINGS, by_value, fit_classifier, leaf_penalty, probability
from models.scoring.bundle import LEGS, Bundle
from pipelines.policy import Policy

#: So many of 10,000 good payments are held on the payee's leg, on the payer's: chosen on the mix `choose`.
CREDIT_PER_10K, DEBIT_PER_10K = 4.5, 0.5
#: The ordinary model learns from as many worlds with as many scams as the shipped bundle (`make train`).
GROWN_WORLDS, GROWN_RATE = 16, 0.003
#: At the base rate of life at most so many customers are disturbed for each victim stopped.
DISTURBED_MAX = 3.0


class Scores(NamedTuple):
    """Scores of both legs of one world, float64[n] each."""

    credit: FloatArray
    debit: FloatArray


class Judge:
    """Whatever scores a world; the worst there is scores 0 throughout."""

    def scores(self, world: Lived) -> Scores:
        """Return the scores of both legs."""
        nothing = np.zeros(len(world.hidden))
        return Scores(nothing, nothing)


class Ours(Judge):
    """Both legs of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def scores(self, world: Lived) -> Scores:
        """Return the scores of both legs."""
        credit, debit = (
            model.score(world.rows[leg].columns(model.features))
            for leg, model in ((leg, self._bundle.leg(leg)) for leg in LEGS)
        )
        return Scores(credit, debit)


class Ordinary(Judge):
    """The ordinary bank model, which looks at payers alone and never holds what leaves an account."""

    def __init__(self, rows: Mapping[str, LegRows], learner: Learner) -> None:
        self._scorer: Scorer = fit_ordinary(rows["credit"], learner)

    def scores(self, world: Lived) -> Scores:
        """Return scores of the payee's leg, none of the payer's."""
        return Scores(self._scorer(world.rows["credit"]), np.zeros(len(world.hidden)))


class Oracle(Judge):
    """What could be known: trees grown on worlds of the very mix they are measured in, of other seeds.

    They know the law of the world, and of every payment before whether it was a scam, at once. No posterior
    of the generator in closed form: it is the best approximation we have, and a bound for what trees of this
    kind find rather than for everything.
    """

    def __init__(self, worlds: Iterator[Lived], seed: int = 0) -> None:
        rows, hidden = to_grow_on(worlds)
        self._trees = {}
        for leg in LEGS:
            used = rows[leg].y >= 0
            X, y = np.column_stack([rows[leg].X, hidden[leg]])[used], rows[leg].y[used]
            grid = {**LEG_SETTINGS, "l2_regularization": leaf_penalty(int((y == 1).sum()))}
            weight = rows[leg].payments()[used] * by_value(y, rows[leg].value[used])
            self._trees[leg] = fit_classifier(X, y, seed=seed, sample_weight=weight, **grid)

    def scores(self, world: Lived) -> Scores:
        """Return the scores of both legs."""
        credit, debit = (
            probability(self._trees[leg], np.column_stack([world.rows[leg].X, world.hidden])) for leg in LEGS
        )
        return Scores(credit, debit)


def scored(worlds: Iterator[Lived], judges: Mapping[str, Judge]) -> dict[str, Stressed]:
    """Return the payments of all worlds with each judge's scores; one world at a time is held."""
    parts: dict[str, list[Stressed]] = {name: [] for name in judges}
    for world in worlds:
        for name, judge in judges.items():
            parts[name].append(world.truth._replace(**judge.scores(world)._asdict()))
    return {name: stress.joined(each) for name, each in parts.items()}


class Mixes(NamedTuple):
    """Mixes to train the ordinary model on, to choose on, and to measure in."""

    train: Mix
    choose: Mix
    test: Mix


def stressed(
    bundle: Bundle, mixes: Mixes, size: Size, rules: Policy, *, grown_worlds: int = GROWN_WORLDS
) -> dict[str, Any]:
    """Return the figures of `make stress`: section -> what is held, whom it disturbs, and the oracle's."""
    school = size.other(1_000)._replace(worlds=grown_worlds, scam_rate=GROWN_RATE)
    grown, _ = to_grow_on(live(mixes.train, school, rules))
    judges = {
        "ours": Ours(bundle), "trees": Ordinary(grown, "trees"), "line": Ordinary(grown, "logistic"),
        "oracle": Oracle(live(mixes.test, size.other(2_000), rules)),
    }  # fmt: skip
    del grown
    chosen = scored(live(mixes.choose, size.other(3_000), rules), {"ours": judges["ours"]})["ours"]
    found = scored(live(mixes.test, size, rules), judges)
    ours, trees, known = found["ours"], found["trees"], found["oracle"]
    at, best = _budget(ours), _budget(known)
    tactics, ceilings = stress.by_tactic(ours, at), stress.by_tactic(known, best)
    worst = stress.worst(tactics)
    careful = quiet_point(chosen)
    ceiling = _oracle(known, best)
    own, alone = (stress.point_at(each, CREDIT_PER_10K + DEBIT_PER_10K, 0) for each in (trees, known))
    theirs = stress.tallies(trees, own)
    return {
        "mix": {**_figures(ours, at), **ceiling, "waits": stress.waits(ours, at),
                "at_5_to_1": stress.value_at_ratio(ours, 5), "by_seed": _by_seed(ours, at)},
        "worst_tactic": {**tactics[worst], "oracle": ceilings[worst]["held_on_arrival"], "tactic": worst},
        "required_fields_only": _required_only(bundle, mixes.test, size, rules),
        "base_rate": {**_figures(ours, careful), **_oracle(known, quiet_point(known)),
                      "base_rate": stress.BASE_RATE, "waits": stress.waits(ours, careful)},
        "ordinary_model": {**_figures(trees, own), **ceiling,
                           **{f"at_{ratio}_to_1": stress.value_at_ratio(trees, ratio) for ratio in (5, 10)},
                           "at_5_to_1_interval": stress.ratio_interval(trees, 5),
                           "at_5_to_1_logistic": stress.value_at_ratio(found["line"], 5),
                           "ours": stress.times(stress.tallies(ours, at), theirs),
                           "oracle_times": stress.times(stress.tallies(known, alone), theirs)},
        "tactics": {name: {**tactics[name], "oracle": ceilings[name]["held_on_arrival"]} for name in tactics},
        "harm": {**stress.harm(ours, at), "age_band_debit": stress.harm(ours, _debit_alone(at))["age_band"]},
        "even_by_age": _even(ours),
        "easy_world": _easy(judges, size, rules),
    }  # fmt: skip


def fields_value(bundle: Bundle, test: Mix, size: Size, rules: Policy) -> dict[str, Any]:
    """Return what each optional field is worth: held where it alone lacks, and where it alone is sent.

    `all` are the figures where every field is sent, `none` where no optional one is.
    """
    every = get_args(OptionalField)

    def held(sent: Iterable[OptionalField]) -> dict[str, float]:
        found = scored(live(test.sending(sent), size, rules), {"ours": Ours(bundle)})["ours"]
        counts = stress.ratios(stress.tallies(found, _budget(found)))
        return {name: counts[name] for name in ("held_on_arrival", "held_before_exit")}

    return {
        "all": held(every),
        "none": held(()),
        **{
            field: {"without": held(each for each in every if each != field), "alone": held([field])}
            for field in every
        },
    }


def _debit_alone(at: Point) -> Point:
    return at._replace(credit=float("inf"))


def _even(ours: Stressed) -> dict[str, Any]:
    """Return what is held where thresholds of each age band hold as many of its good payments."""
    even, at = stress.evened(ours, ours.age_band, CREDIT_PER_10K, DEBIT_PER_10K), Point(0.0, 0.0)
    debit = stress.harm(even, _debit_alone(at))["age_band"]
    return {**_figures(even, at), "age_band": stress.harm(even, at)["age_band"], "age_band_debit": debit}


def _easy(judges: Mapping[str, Judge], size: Size, rules: Policy) -> dict[str, Any]:
    """Return what the same models hold where nobody chooses a tactic, beside the oracle of that world."""
    oracle = Oracle(live(None, size.other(2_000), rules))
    theirs = {"ours": judges["ours"], "trees": judges["trees"], "oracle": oracle}
    found = scored(live(None, size, rules), theirs)
    ours, trees, known = (found[name] for name in theirs)
    own = stress.point_at(trees, CREDIT_PER_10K + DEBIT_PER_10K, 0)
    return {
        **_figures(ours, _budget(ours)),
        **_oracle(known, _budget(known)),
        "at_5_to_1": stress.value_at_ratio(ours, 5),
        "ordinary_model": stress.figures(trees, own)["held_on_arrival"],
        "ordinary_model_at_5_to_1": stress.value_at_ratio(trees, 5),
    }


def _required_only(bundle: Bundle, test: Mix, size: Size, rules: Policy) -> dict[str, Any]:
    bare = test.required_fields_only()
    judges = {"ours": Ours(bundle), "oracle": Oracle(live(bare, size.other(2_000), rules))}
    found = scored(live(bare, size, rules), judges)
    ours, known = found["ours"], found["oracle"]
    return {**_figures(ours, _budget(ours)), **_oracle(known, _budget(known))}


def _figures(of: Stressed, point: Point) -> dict[str, Any]:
    counts = stress.tallies(of, point)
    return {**stress.ratios(counts), "interval": stress.interval(counts)}


def _oracle(known: Stressed, best: Point) -> dict[str, float]:
    found = stress.figures(known, best)
    return {"oracle": found["held_on_arrival"], "oracle_before_exit": found["held_before_exit"]}


def _budget(of: Stressed) -> Point:
    return stress.point_at(of, CREDIT_PER_10K, DEBIT_PER_10K)


def quiet_point(of: Stressed) -> Point:
    """Return the lowest score on arrival that surely disturbs at most `DISTURBED_MAX` customers a victim.

    At the base rate of life, by `stress.disturbed_at_most`.
    """
    best = Point(float("inf"), float("inf"))
    for per_10k in np.geomspace(0.02, 5.0, 40):
        point = stress.point_at(of, float(per_10k), 0.0)._replace(debit=float("inf"))
        if stress.disturbed_at_most(stress.tallies(of, point)) <= DISTURBED_MAX:
            best = point
    return best


def _by_seed(of: Stressed, point: Point) -> dict[str, float]:
    return {
        str(seed): stress.figures(of.take(of.world == seed), point)["held_on_arrival"]
        for seed in np.unique(of.world).tolist()
    }
