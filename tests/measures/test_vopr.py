"""The simulator in small: some seeds hold, a seed repeats itself, and every invariant can be seen to fail."""

import pytest

from tests.vopr.mutations import MUTATIONS, Mutation, broken
from tests.vopr.oracle import INVARIANTS
from tests.vopr.run import simulate

SEEDS = range(160)


@pytest.mark.parametrize("first", [0, 10, 20])
def test_the_invariants_hold_under_faults(first: int) -> None:
    found = [simulate(seed) for seed in range(first, first + 10)]
    assert [(each.seed, str(each.violation)) for each in found if each.violation] == []
    seen = sum((each.seen for each in found[1:]), found[0].seen)
    assert seen["reply OK"] > 10 and seen["reply DUPLICATE"] > 5 and seen["paid out"] > 0


def test_a_seed_is_the_same_run_each_time() -> None:
    assert simulate(7) == simulate(7)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.says)
def test_a_broken_rule_is_noticed(mutation: Mutation) -> None:
    with broken(mutation):
        found = (simulate(seed).violation for seed in SEEDS)
        noticed = any(each is not None and each.number == mutation.invariant for each in found)
    assert noticed


def test_every_invariant_has_a_rule_that_breaks_it() -> None:
    assert {mutation.invariant for mutation in MUTATIONS} == set(INVARIANTS)
