"""Labels as they are: late, a fifth never reported, three in ten wrong."""

import numpy as np
import pytest

from console.lab.living import Lived, Size, live
from fixtures import mix
from models.learning.evaluate import threshold_at_innocent_holds
from models.learning.stream import LegRows, fit_one, joined
from models.learning.train import Windows, probability
from pipelines import policy

RULES = policy.load(policy.DEFAULT)
WINDOWS = Windows(train=9, validation=2, test=2, delay=0.5)


def worlds(name: str, seed: int, count: int) -> list[Lived]:
    return list(live(mix.load(name), Size(seed, count, accounts=2_500, scam_rate=0.004), RULES))


def reported(world: Lived, rows: LegRows, draw: np.random.Generator) -> LegRows:
    """A fifth of cases is never reported; of what is, three in ten name a good first payment instead."""
    y, case = rows.y.copy(), world.truth.case
    y[
        np.isin(case, np.unique(case[case >= 0])[draw.random(len(np.unique(case[case >= 0]))) < 0.2])
        & (y == 1)
    ] = 0
    wrong = np.flatnonzero(y == 1)
    wrong = wrong[draw.random(len(wrong)) < 0.3]
    first = np.flatnonzero((rows.y == 0) & (rows.columns(["payee_paid"])[:, 0] == 0))
    y[wrong], y[draw.choice(first, len(wrong), replace=False)] = 0, 1
    return rows._replace(y=y)


def held(rows: list[LegRows], test: list[Lived]) -> float:
    """Share of scam value held at 5 of 10,000 good payments, trained on credit rows of several worlds."""
    parts = fit_one(
        "credit", joined([{"credit": each.thinned()} for each in rows])["credit"], windows=WINDOWS
    )
    score = np.concatenate(
        [probability(parts.classifier, each.rows["credit"].columns(parts.features)) for each in test]
    )
    good, scam, value = (
        np.concatenate([getattr(each.truth, name) for each in test]) for name in ("good", "scam", "value")
    )
    from_score = threshold_at_innocent_holds(np.where(good, 0, 1), score, 5)
    return float(value[scam & (score >= from_score)].sum() / value[scam].sum())


@pytest.mark.slow
def test_trained_on_a_noisy_log_at_least_half_of_what_true_labels_hold_is_held():
    draw = np.random.default_rng(0)
    trained, tested = worlds("train", 7_000, 4), worlds("choose", 7_100, 3)
    rows = [each.rows["credit"] for each in trained]

    true = held(rows, tested)
    noisy = held([reported(world, each, draw) for world, each in zip(trained, rows, strict=True)], tested)

    assert true > 0.5
    assert noisy > 0.5 * true, (noisy, true)
