"""The casework job in bad weather, in small: seeds hold and repeat, every invariant can fail."""

import pytest

from tests.vopr.mutations import Mutation, broken
from tests.vopr.office import INVARIANTS, simulate_office
from tests.vopr.office_mutations import MUTATIONS


def test_the_invariants_hold_under_crashes_and_repetitions() -> None:
    found = [simulate_office(seed) for seed in range(60)]

    assert [(each.seed, str(each.violation)) for each in found if each.violation] == []
    seen = sum((each.seen for each in found[1:]), found[0].seen)
    assert min(seen[what] for what in ("crash", "report", "block", "suspicion", "listing", "list")) > 20


def test_a_seed_is_the_same_run_each_time() -> None:
    assert simulate_office(7) == simulate_office(7)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.says)
def test_a_broken_rule_is_noticed(mutation: Mutation) -> None:
    with broken(mutation):
        found = (simulate_office(seed).violation for seed in range(100))
        noticed = any(each is not None and each.number == mutation.invariant for each in found)

    assert noticed


def test_every_invariant_has_a_rule_that_breaks_it() -> None:
    assert {mutation.invariant for mutation in MUTATIONS} == set(INVARIANTS)
