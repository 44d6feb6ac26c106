import numpy as np
import pyarrow as pa
import pytest

from models.learning.shadow import compare

HELD = 2


def log(rows):
    names = (
        "at_us", "amount_minor", "currency", "score", "weight", "model", "model_outcome", "shadow",
        "shadow_score", "shadow_outcome",
    )  # fmt: skip
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


LOG = log(
    [
        (5, 100, "CNY", 0.9, 1.0, "a", 3, "b", 0.8, 2),
        (1, 200, "CNY", 0.7, 1.0, "a", 2, "b", 0.1, 0),
        (2, 400, "CNY", 0.2, 1.0, "a", 1, "b", 0.9, 4),
        (3, 800, "USD", 0.0, 10.0, "a", 0, "b", 0.0, 0),
        (4, 1600, "CNY", 0.9, 1.0, "a", 4, None, None, None),
        (6, 3200, "CNY", 0.9, 1.0, "c", 4, "b", 0.9, 4),
    ]
)


def test_more_fewer_overlap_and_value_are_counted_per_pair_of_models():
    first, second = compare(LOG, HELD)

    assert (first.live, first.shadow, first.legs) == ("a", "b", 13.0)
    assert (first.since_us, first.until_us) == (1, 5)
    held = first.held
    assert (held.live, held.shadow, held.both, held.more, held.fewer) == (2, 2, 1, 1, 1)
    assert held.overlap == pytest.approx(1 / 3)
    assert (held.live_minor, held.shadow_minor) == ({"CNY": 300.0}, {"CNY": 500.0})
    assert (first.warned.live, first.warned.shadow, first.warned.both) == (3, 2, 2)
    assert (second.live, second.held.overlap, second.score_psi) == ("c", 1.0, 0.0)


def test_a_log_without_a_shadow_compares_nothing():
    assert compare(LOG.slice(4, 1), HELD) == []


def test_a_shadow_that_scores_all_others_higher_shows_in_the_index():
    draw = np.random.default_rng(1)
    scores = draw.random(2_000)
    rows = [(at, 1, "CNY", s, 1.0, "a", 0, "b", min(1.0, s * 2), 0) for at, s in enumerate(scores)]

    (found,) = compare(log(rows), HELD)

    assert found.score_psi > 0.25
