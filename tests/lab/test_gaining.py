"""What one bundle holds more than another, in the same worlds."""

import numpy as np
import pytest

from console.lab.gaining import compared
from models.learning import stress
from models.learning.stress import Stressed
from tests.models.test_stress import rows


def worlds(credit: list[float]) -> Stressed:
    """Three worlds alike but for the customers' names."""
    score = np.array([credit[0], credit[1], 0, *credit[2:]])
    return stress.joined([rows(credit=score, world=np.full(7, number)) for number in range(3)])


def test_a_bundle_that_finds_the_larger_sum_holds_and_finds_more_and_none_more_than_itself() -> None:
    better, worse = worlds([0.9, 0.8, 0.1, 0.1, 0.1, 0.1]), worlds([0.9, 0.0, 0.1, 0.1, 0.1, 0.1])

    found = {each.what: each for each in compared(better, worse)}

    assert list(found) == ["held_on_arrival", "held_before_exit", "found_at_5_to_1", "found_at_10_to_1"]
    for what in ("held_on_arrival", "found_at_5_to_1"):
        assert (found[what].bundle, found[what].other) == (pytest.approx(1.0), pytest.approx(0.25))
        assert found[what].interval == pytest.approx((0.75, 0.75))
    assert all(each.more == 0 and each.interval == (0, 0) for each in compared(better, better))
