"""S-FFSD: 77,881 payments with few labels, split by time.

The first 60 % train, the labelled rest is tested. The published figures come from a random split in which
the graph sees the whole table, so they are easier to reach; here the fraud rate also doubles from training to
test.

One fit is unstable here: average precision moves by 0.03 with the seed alone. So ours is the mean of ten
boosted fits with the settings of `models.learning.train`, averaged with a forest of random splits. Features
and members were chosen on four later stretches inside the first 60 %.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

from models.benchmarks.lookback import FloatArray, History, IntArray
from models.benchmarks.report import Benchmark, Figures
from models.learning import evaluate
from models.learning.train import BoolArray, fit_classifier, probability
from schemas.errors import ConfigError

TRAIN_SHARE = 0.6
DELAY_SHARE = 0.1
UNLABELLED = 2
BOOSTED_SEEDS = range(10)
FOREST_TREES = 200
ENTITIES = ("Source", "Target", "Location", "Type")
PAIRS = (
    ("Source", "Target"),
    ("Target", "Type"),
    ("Target", "Location"),
    ("Source", "Location"),
    ("Source", "Type"),
    ("Target", "Amount"),
    ("Source", "Amount"),
)
PARTNERS = (
    ("Source", "Target"),
    ("Target", "Source"),
    ("Source", "Location"),
    ("Target", "Location"),
    ("Target", "Amount"),
)

PUBLISHED = {"GTAN": Figures(0.8286, 0.6585), "RGTAN": Figures(0.8461, 0.6939)}


def streaming_features(table: pd.DataFrame) -> dict[str, FloatArray]:
    """Return counts, gaps and deviations over each entity's past rows, float64[n] each; no label is read."""
    time, amount = table["Time"].to_numpy(), table["Amount"].to_numpy(np.float64)
    size = np.log1p(np.maximum(amount, 0))
    code = {name: pd.factorize(table[name])[0] for name in (*ENTITIES, "Amount")}
    features = {
        "amount": amount,
        "cents": np.round(amount * 100) % 100,
        "round": (amount % 10 == 0).astype(np.float64),
    }
    keys = code | {f"{a}-{b}": _pair(code[a], code[b]) for a, b in PAIRS}
    for name, key in keys.items():
        past = History(key, time)
        count = past.count()
        features[f"{name}_count"] = count
        features[f"{name}_gap"] = past.since(np.ones(len(time)))
        for window in (100, 1_000, 5_000):
            features[f"{name}_count_{window}"] = past.count(window=window)
        if not name.endswith("Amount"):
            seen = np.where(count > 0, count, np.nan)
            mean = past.total(size) / seen
            spread = np.sqrt(np.maximum(past.total(size**2) / seen - mean**2, 0))
            features[f"{name}_size_minus_mean"] = size - mean
            features[f"{name}_size_minus_last"] = size - past.last(size)
            features[f"{name}_size_deviation"] = (size - mean) / (spread + 0.1)
        if name in ("Source", "Target"):
            for window in (100, 1_000):
                features[f"{name}_amount_{window}"] = past.total(amount, window=window)
    features |= _surroundings(code, size, time)
    for name, partner in PARTNERS:
        new = History(_pair(code[name], code[partner]), time).count() == 0
        past = History(code[name], time)
        features[f"{name}_distinct_{partner}"] = past.total(new)
        features[f"{name}_new_{partner}_500"] = past.total(new, window=500)
    return features


def _surroundings(code: dict[str, IntArray], size: FloatArray, time: IntArray) -> dict[str, FloatArray]:
    """Return how busy a target, place, type and everything just was, with whom and with what amounts."""
    features = {}
    new_source = History(code["Source"], time).count() == 0
    around = {name: code[name] for name in ("Target", "Location", "Type")}
    for name, key in (around | {"All": np.zeros(len(time), np.int64)}).items():
        past = History(key, time)
        for window in (50, 300, 2_000):
            count = np.maximum(past.count(window=window), 1)
            mean = past.total(size, window=window) / count
            features[f"{name}_share_{window}"] = count / window
            features[f"{name}_new_sources_{window}"] = past.total(new_source, window=window) / count
            features[f"{name}_mean_size_{window}"] = mean
            features[f"{name}_size_minus_mean_{window}"] = size - mean
    for name in ("Source", "Target"):
        past = History(code[name], time)
        for back in (1, 2, 3):
            features[f"{name}_size_{back}"] = past.last(size, back=back)
    return features


def risk_features(table: pd.DataFrame) -> dict[str, FloatArray]:
    """Return shares of frauds among each entity's labels, known a tenth of the table late; float64[n]."""
    time, labels = table["Time"].to_numpy(), table["Labels"].to_numpy()
    known, fraud = labels != UNLABELLED, labels == 1
    delay = int(DELAY_SHARE * len(table))
    code = {name: pd.factorize(table[name])[0] for name in (*ENTITIES, "Amount")}
    features = {}
    for name, key in (code | {f"{a}-{b}": _pair(code[a], code[b]) for a, b in PAIRS}).items():
        past = History(key, time)
        count = past.total(known, delay=delay)
        features[f"{name}_labels"] = count
        features[f"{name}_risk"] = (past.total(fraud, delay=delay) + 0.2) / (count + 1)
        features[f"{name}_since_fraud"] = past.since(fraud, delay=delay)
    return features


def _pair(a: IntArray, b: IntArray) -> IntArray:
    return a.astype(np.int64) * (int(b.max()) + 1) + b


def run(folder: Path) -> list[Benchmark]:
    """Fit on the first 60 %, test on the rest; once more without the last tenth of labels before the test.

    Raises:
        ConfigError: the table is missing.

    """
    file = folder / "s_ffsd.parquet"
    if not file.exists():
        raise ConfigError(f"{file} is missing; set STOPLINE_DATA to the public data's folder.")
    table = pd.read_parquet(file)
    time, y = table["Time"].to_numpy(), table["Labels"].to_numpy()
    X = np.column_stack(list((streaming_features(table) | risk_features(table)).values()))
    known, start = y != UNLABELLED, TRAIN_SHARE * len(table)
    test = known & (time >= start)
    ours = _fit_and_test(X, y, known & (time < start), test)
    late = _fit_and_test(X, y, known & (time < start - DELAY_SHARE * len(table)), test)
    return [
        Benchmark(
            key="s_ffsd",
            title="S-FFSD, time split 60/40",
            lines=(
                *((f"{name}, published, random split", figures) for name, figures in PUBLISHED.items()),
                ("boosted trees, labels 7,788 late, measured for the bar", Figures(0.911, 0.744)),
                ("ours, training labels 7,788 late too", late),
            ),
            ours=ours,
            note="Label features are 7,788 payments late; the fraud rate doubles from training to test.",
            published=PUBLISHED["RGTAN"],
        )
    ]


def _fit_and_test(X: FloatArray, y: IntArray, train: BoolArray, test: BoolArray) -> Figures:
    boosted = [
        probability(fit_classifier(X[train], y[train], seed=seed, max_features=1 / 3), X[test])
        for seed in BOOSTED_SEEDS
    ]
    filled = np.nan_to_num(X, nan=-1)
    forest = ExtraTreesClassifier(FOREST_TREES, min_samples_leaf=5, max_features=0.3, random_state=0)
    spread = forest.fit(filled[train], y[train]).predict_proba(filled[test])[:, 1]
    score = (np.mean(boosted, axis=0) + spread) / 2
    return Figures(evaluate.auc(y[test], score), evaluate.average_precision(y[test], score))
