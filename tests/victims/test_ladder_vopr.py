"""The ladder in bad weather, in small: some seeds hold, and every invariant can be seen to fail."""

import pytest

from tests.vopr.ladder import climb
from tests.vopr.ladder_mutations import LADDER_MUTATIONS, LadderMutation, broken_ladder
from tests.vopr.ladder_oracle import INVARIANTS

SEEDS = range(160)


def test_the_invariants_of_the_ladder_hold_under_faults() -> None:
    found = [climb(seed) for seed in range(60)]

    assert [(each.seed, str(each.violation)) for each in found if each.violation] == []
    seen = sum((each.seen for each in found[1:]), found[0].seen)
    assert seen["planned"] > 1_000 and seen["ended DISSUADED"] > 30 and seen["skipped CALLS_FORWARDED"] > 10


def test_a_seed_of_the_ladder_is_the_same_run_each_time() -> None:
    assert climb(7) == climb(7)


@pytest.mark.parametrize("mutation", LADDER_MUTATIONS, ids=lambda mutation: mutation.says)
def test_a_broken_rule_of_the_ladder_is_noticed(mutation: LadderMutation) -> None:
    with broken_ladder(mutation):
        found = (climb(seed).violation for seed in SEEDS)
        noticed = any(each is not None and each.number == mutation.invariant for each in found)
    assert noticed


def test_every_invariant_of_the_ladder_has_a_rule_that_breaks_it() -> None:
    assert {mutation.invariant for mutation in LADDER_MUTATIONS} == set(INVARIANTS)
