"""Fast evaluation of boosted trees: the same scores as scikit-learn's at twenty times the rows per second.

The evaluator is QuickScorer (Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive
ensembles of regression trees", SIGIR 2015), run over blocks of rows. Each split owns a bit mask of the leaves
that stay reachable when a row goes right; the masks of all splits where a row goes right are and-ed, and the
lowest bit left is the row's leaf. Values are first replaced by how many of their feature's thresholds they
exceed, a number of one byte, so the inner loop, which has no branch, handles many rows an instruction. One
thread: OpenMP threads would fight with the stream for the same cores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ModelError
from schemas.rows.compiled import compiled

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

FloatArray = NDArray[np.float64]

MAX_LEAVES = 16
ALL_LEAVES = 0xFFFF
BLOCK_ROWS = 512

#: A missing value that goes right, where it exceeds every threshold.
_RIGHT = 255

#: A row is loaded once for so many thresholds: a third of the time of one by one.
_AT_ONCE = 4

#: Spreads the 16 powers of two over the upper four of 16 bits (de Bruijn: Leiserson et al., "Using de Bruijn
#: sequences to index a 1 in a computer word", 1998), so a leaf is found by its bit without counting.
_SPREAD = 0x09AF


class Splits(NamedTuple):
    """The inner nodes of all trees; those of tree `t` are `first[t]:first[t + 1]`.

    Attributes:
        first: int32[trees + 1].
        column: the feature, plus the number of features where missing values go right, int32[n].
        least: a row goes right if its value exceeds more than so many thresholds of the feature, uint8[n].
        keep: the leaves that stay reachable then, uint16[n].

    """

    first: NDArray[np.int32]
    column: NDArray[np.int32]
    least: NDArray[np.uint8]
    keep: NDArray[np.uint16]


class Limits(NamedTuple):
    """The thresholds of all features, ascending; those of feature `f` are `value[first[f]:first[f + 1]]`.

    Each feature's are filled up with infinity to a multiple of `_AT_ONCE`, as so many are compared at a time.
    """

    first: NDArray[np.int32]
    value: FloatArray


@dataclass(frozen=True)
class Trees:
    """Flattened boosted trees; `leaf` is float64[trees, 16], leaf values at the `_places` of their bits."""

    splits: Splits
    limits: Limits
    leaf: FloatArray
    baseline: float
    n_features: int

    @classmethod
    def of(cls, classifier: "HistGradientBoostingClassifier") -> Self:
        """Flatten a fitted binary classifier.

        Raises:
            ModelError: trees that the evaluator cannot hold.

        """
        return cls.read(written(classifier))

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Self:
        """Flatten trees as `written` gives them.

        Every index is checked here, so that a forged file cannot make the evaluator read past an array.

        Raises:
            ModelError: trees that the evaluator cannot hold, or node indices out of range.
            KeyError, TypeError, ValueError: this is no such table.

        """
        nodes: list[tuple[int, float, bool, int]] = []
        first, n_features = [0], int(table["n_features"])
        leaf = np.zeros((len(table["trees"]), MAX_LEAVES))
        for number, tree in enumerate(table["trees"]):
            leaves = _flatten(tree, n_features, nodes)
            leaf[number, _PLACES[: len(leaves)]] = leaves
            first.append(len(nodes))
        flat = np.array(nodes, [("feature", "i4"), ("threshold", "f8"), ("nan_right", "?"), ("keep", "u2")])
        limits, least = _limits(flat["feature"], flat["threshold"], n_features)
        column = (flat["feature"] + n_features * flat["nan_right"]).astype(np.int32)
        splits = Splits(np.array(first, np.int32), column, least, np.ascontiguousarray(flat["keep"]))
        baseline = float(table["baseline"])
        if not (np.isfinite(baseline) and np.isfinite(leaf).all()):
            raise ModelError("A leaf of the model is no number; the file is damaged, train again.")
        return cls(splits, limits, leaf, baseline, n_features)

    def raw(self, X: FloatArray) -> FloatArray:
        """Log-odds of each row, float64[n, n_features] -> float64[n]; nan is a missing value.

        Column-major `X` is read in place, row-major `X` is copied once.

        Raises:
            ModelError: `X` has another number of columns.

        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ModelError(
                f"The model takes rows of {self.n_features} features, got an array of shape {X.shape}; "
                "build it from the names in features.json."
            )
        columns = np.ascontiguousarray(X.T, dtype=np.float64)
        total: FloatArray = _raw(columns, self.splits, self.limits, self.leaf, self.baseline)
        return total


def _places(bits: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return (bits * np.uint16(_SPREAD)) >> np.uint16(12)


#: Where the values of leaves 0 to 15 stand.
_PLACES = _places(np.uint16(1) << np.arange(MAX_LEAVES, dtype=np.uint16))


def _limits(
    feature: NDArray[np.int32], threshold: FloatArray, n_features: int
) -> tuple[Limits, NDArray[np.uint8]]:
    """Return each feature's thresholds, and for each split how many of them lie below its own."""
    values = [np.unique(threshold[feature == each]) for each in range(n_features)]
    if max(map(len, values)) > _RIGHT:
        raise ModelError(f"A feature has more than {_RIGHT} thresholds; train with fewer max_bins.")
    least = np.empty(len(feature), np.uint8)
    for each, limits in enumerate(values):
        least[feature == each] = np.searchsorted(limits, threshold[feature == each])
    filled = [np.append(each, np.full(-len(each) % _AT_ONCE, np.inf)) for each in values]
    first = np.cumsum([0, *map(len, filled)], dtype=np.int32)
    return Limits(first, np.concatenate(filled)), least


def written(classifier: "HistGradientBoostingClassifier") -> dict[str, Any]:
    """Return a fitted binary classifier as plain numbers.

    These are how many features it takes, the log-odds that all rows begin with, and the nodes of each tree.
    A leaf is its value; a split is feature, threshold (None: infinity, all but missing values go left),
    whether missing values go left, and the places of its children in the tree.

    Raises:
        ModelError: it has more than two classes, or splits on a category.

    """
    trees = []
    for predictor, *others in classifier._predictors:
        if others:
            raise ModelError("The model has more than two classes; train it on labels 0 and 1.")
        if predictor.nodes["is_categorical"].any():
            raise ModelError("A tree splits on a category; train on numeric features.")
        trees.append([_node(node) for node in predictor.nodes])
    return {
        "n_features": classifier.n_features_in_,
        "baseline": classifier._baseline_prediction.item(),
        "trees": trees,
    }


def _node(node: Any) -> float | tuple[int, float | None, bool, int, int]:
    if node["is_leaf"]:
        return float(node["value"])
    threshold = float(node["num_threshold"])
    return (
        int(node["feature_idx"]),
        threshold if np.isfinite(threshold) else None,
        bool(node["missing_go_to_left"]),
        int(node["left"]),
        int(node["right"]),
    )


def _flatten(
    nodes: Sequence[Any], n_features: int, splits: list[tuple[int, float, bool, int]]
) -> list[float]:
    """Append the splits of one tree to `splits`; return its leaf values from left to right."""
    leaves: list[float] = []
    visited = 0

    def leaf_bits(index: int) -> int:
        nonlocal visited
        visited += 1
        if visited >= 2 * MAX_LEAVES:
            raise ModelError(f"A tree has more than {MAX_LEAVES} leaves; train with fewer max_leaf_nodes.")
        if not 0 <= index < len(nodes):
            raise ModelError("A tree of the model points outside itself; the file is damaged, train again.")
        if isinstance(node := nodes[index], float | int):
            leaves.append(float(node))
            return 1 << (len(leaves) - 1)
        feature, threshold, missing_left, left_at, right_at = node
        if not 0 <= feature < n_features:
            raise ModelError("A tree splits on an unknown feature; the file is damaged, train again.")
        left, right = leaf_bits(left_at), leaf_bits(right_at)
        limit = float("inf") if threshold is None else float(threshold)
        splits.append((feature, limit, not missing_left, ALL_LEAVES & ~left))
        return left | right

    leaf_bits(0)
    return leaves


@compiled
def _raw(
    columns: FloatArray, splits: Splits, limits: Limits, leaf: FloatArray, baseline: float
) -> FloatArray:
    features, rows = columns.shape
    total = np.full(rows, baseline)
    count = np.empty(BLOCK_ROWS, np.int64)
    exceeded = np.empty((2 * features, BLOCK_ROWS), np.uint8)
    reachable = np.empty(BLOCK_ROWS, np.uint16)
    everything = np.uint16(ALL_LEAVES)
    for start in range(0, rows, BLOCK_ROWS):
        size = min(BLOCK_ROWS, rows - start)
        for feature in range(features):
            x = columns[feature, start : start + size]
            left, right = exceeded[feature], exceeded[features + feature]
            count[:size] = 0
            for place in range(limits.first[feature], limits.first[feature + 1], _AT_ONCE):
                a, b = limits.value[place], limits.value[place + 1]
                c, d = limits.value[place + 2], limits.value[place + 3]
                for row in range(size):
                    count[row] += np.int64(x[row] > a) + (x[row] > b) + (x[row] > c) + (x[row] > d)
            for row in range(size):
                left[row] = np.uint8(count[row])
            for row in range(size):
                right[row] = np.uint8(_RIGHT) if np.isnan(x[row]) else left[row]
        for tree in range(len(leaf)):
            reachable[:size] = everything
            for split in range(splits.first[tree], splits.first[tree + 1]):
                value = exceeded[splits.column[split]]
                least, keep = splits.least[split], splits.keep[split]
                for row in range(size):
                    reachable[row] &= keep if value[row] > least else everything
            for row in range(size):
                bits = np.int64(reachable[row])
                total[start + row] += leaf[tree, ((bits & -bits) * _SPREAD >> 12) & 15]
    return total
