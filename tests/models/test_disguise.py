"""Scams learned once more with a payee that tells nothing."""

import numpy as np
import pytest

from models.learning.disguise import disguised
from models.learning.train import fit_classifier, probability

NAMES = ["amount", "payee_paid", "in_count_7d"]
GROUPS = {"AMOUNT_UNUSUAL": ["amount"], "PAYEE_NEW": ["payee_paid"], "PAYEE_COLLECTS": ["in_count_7d"]}


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X = np.array([[9.0, 0, 7], [1, 0, 2], [1, 1, 3], [8, 0, 6]])
    return X, np.array([1, 0, 0, 1], np.int8), np.ones(4)


def test_each_scam_comes_again_with_the_payee_of_a_good_first_payment_and_counts_as_much_as_before():
    X, y, weight = rows()

    seen, target, often = disguised(X, y, weight, names=NAMES, groups=GROUPS, seed=0)

    assert seen[4:].tolist() == [[9, 0, 2], [8, 0, 2]]
    assert target.tolist() == [1, 0, 0, 1, 1, 1]
    assert often[target == 1].sum() == weight[y == 1].sum()
    assert often[target == 0].tolist() == [1, 1]


def test_legs_without_columns_of_the_payee_and_rows_without_first_payments_stay_as_they_are():
    X, y, weight = rows()
    X[1, 1] = 1

    for groups in ({"AMOUNT_UNUSUAL": ["amount"]}, GROUPS):
        seen, target, often = disguised(X, y, weight, names=NAMES, groups=groups, seed=0)
        assert seen is X
        assert target is y
        assert often is weight


@pytest.mark.parametrize("learned", [True, False])
def test_trees_that_saw_disguised_mules_find_a_scam_to_an_account_like_any_other(learned):
    draw = np.random.default_rng(1)
    y = (draw.random(20_000) < 0.02).astype(np.int8)
    X = np.column_stack([draw.normal(y * 2.0, 1), np.zeros(len(y)), draw.normal(y * 6.0, 1)])
    weight = np.ones(len(y))
    if learned:
        X, y, weight = disguised(X, y, weight, names=NAMES, groups=GROUPS, seed=0)
    trees = fit_classifier(X, y, sample_weight=weight, max_iter=60)

    plain, scam = probability(trees, np.array([[0.0, 0, 0], [3.5, 0, 0]]))

    assert (scam > 20 * plain) == learned
