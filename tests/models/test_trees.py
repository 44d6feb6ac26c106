import numpy as np
import pytest

from models.learning.train import fit_classifier
from models.scoring.trees import BLOCK_ROWS, Trees
from schemas.errors import ModelError


def rows(n: int, k: int = 8, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    X = np.round(draw.normal(size=(n, k)), 1)  # rounded, so that rows lie exactly on thresholds
    X[draw.random((n, k)) < 0.1] = np.nan
    return X


@pytest.fixture(scope="module")
def classifier():
    X = rows(20_000)
    y = (np.nansum(X[:, :3], axis=1) + np.isnan(X[:, 3]) > 2.5).astype(int)
    return fit_classifier(X, y, max_leaf_nodes=16)


@pytest.mark.parametrize("n", [0, 1, 2, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 5_000])
def test_scores_equal_scikit_learn_s_to_1e_9(classifier, n):
    X = rows(n, seed=1)
    expected = classifier._raw_predict(X).ravel() if n else np.empty(0)

    np.testing.assert_allclose(Trees.of(classifier).raw(X), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, 5e-324])
def test_extreme_values_take_scikit_learn_s_branch(classifier, value):
    X = np.full((3, 8), value)
    expected = classifier._raw_predict(
        np.nan_to_num(X, posinf=1e300, neginf=-1e300) if np.isinf(value) else X
    )

    np.testing.assert_allclose(Trees.of(classifier).raw(X), expected.ravel(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_and_strides_do_not_change_the_score(classifier, order):
    X = rows(700, seed=2)
    trees = Trees.of(classifier)

    np.testing.assert_array_equal(trees.raw(np.array(X[::2], order=order)), trees.raw(X)[::2])
    np.testing.assert_array_equal(trees.raw(X[::2]), trees.raw(X)[::2])


def test_a_model_of_one_leaf_per_tree_gives_its_prior():
    X = np.zeros((500, 2))
    y = np.arange(500) % 5 == 0
    trees = Trees.of(fit_classifier(X, y.astype(int), max_iter=3))

    np.testing.assert_allclose(trees.raw(X[:4]), np.log(0.25), atol=1e-6)


def test_trees_with_more_than_16_leaves_are_refused():
    X = rows(5_000)
    big = fit_classifier(X, (np.nansum(X, axis=1) > 1).astype(int), max_leaf_nodes=31, min_samples_leaf=1)

    with pytest.raises(ModelError, match="16 leaves"):
        Trees.of(big)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("left", 10_000, "outside itself"), ("left", 0, "16 leaves"), ("feature_idx", 99, "unknown feature")],
)
def test_forged_indices_are_refused(field, value, message):
    X = rows(2_000)
    forged = fit_classifier(X, (X[:, 0] > 0).astype(int), max_iter=1)
    forged._predictors[0][0].nodes[field][0] = value

    with pytest.raises(ModelError, match=message):
        Trees.of(forged)


def test_more_thresholds_than_a_byte_can_count_are_refused():
    X = rows(300)
    forged = fit_classifier(X, (X[:, 0] > 0).astype(int), max_iter=300)
    for number, (predictor,) in enumerate(forged._predictors):
        inner = predictor.nodes["is_leaf"] == 0
        predictor.nodes["feature_idx"][inner] = 0
        predictor.nodes["num_threshold"][inner] += number * 100

    with pytest.raises(ModelError, match="more than 255 thresholds"):
        Trees.of(forged)


def test_rows_of_another_width_are_refused(classifier):
    with pytest.raises(ModelError, match=r"8 features, got an array of shape \(2, 7\)"):
        Trees.of(classifier).raw(np.zeros((2, 7)))
