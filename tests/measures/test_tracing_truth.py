"""Tracing against generated cases whose truth is known, in small; `python -m tests.tracing` prints more."""

import random

import pytest

from tests.tracing import METHODS, frozen_shares, generate, score


@pytest.mark.parametrize("method", METHODS)
def test_one_layer_of_split_money_is_mostly_found(method: str) -> None:
    rng = random.Random(7)
    cases = [generate(rng, 2, "CN professional") for _ in range(150)]
    found = score(cases, method)
    assert min(found) > 0.8


def test_tracing_in_proportion_misses_no_account_the_money_reached() -> None:
    rng = random.Random(8)
    cases = [generate(rng, 5, "UK mixed") for _ in range(60)]
    assert score(cases, "PRO_RATA").chain_recall > 0.99


def test_a_perfect_answer_scores_one() -> None:
    """With one account per layer, nothing clean and no pool, every method names the truth."""
    clean = random.Random(3)
    cases = [case for case in (generate(clean, 2, "bots") for _ in range(400)) if single(case.legs)]
    assert cases
    assert all(score(cases, method)[:2] == (1.0, 1.0) for method in METHODS)


def single(legs: list) -> bool:
    return all(leg.debtor != "employer" and leg.clearing_serial == "" for leg in legs)


def test_a_freeze_within_a_minute_keeps_far_more_than_one_after_the_report() -> None:
    _, reported = frozen_shares(random.Random(1), "CN professional", 150, warned=False)
    _, warned = frozen_shares(random.Random(1), "CN professional", 150, warned=True)
    assert sum(warned) > 3 * sum(reported)
