"""AMLSim: which of 20,000 accounts launder in cycles, by IBM's generator (Weber et al., arXiv 1812.00076).

Payments run through the product's ledgers and features. An account is what these say of its legs in and out
in the mean, at most and at last, how payments repeat and pass through it, and, as findings, how many of its
counterparties among the accounts trained on launder. Split 70/30 at random by account, as for the bar set
for us; the features are of the whole period.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models import features
from models.benchmarks.report import Benchmark, Figures
from models.benchmarks.transfers import plain
from models.features import FloatArray
from models.learning import evaluate
from models.learning.train import fit_classifier, probability
from models.ledgers.history import history
from schemas.errors import ConfigError
from schemas.units import DAY_US

#: Nothing is published: measured with twenty plain counts, sums and times and trees by default. And the bar.
FLOOR, BAR = Figures(0.881, 0.713), Figures(0.90, 0.75)
TRAIN_SHARE, SPLITS = 0.7, 5
_NAMES = "amlsim_*_transactions.parquet"


class Sample(NamedTuple):
    """Payments in order of time and the accounts' labels: numbers of accounts, int64[n]; bool[accounts]."""

    payer: NDArray[np.int64]
    payee: NDArray[np.int64]
    amount_minor: NDArray[np.int64]
    day: NDArray[np.int64]
    launders: NDArray[np.bool_]


def load(file: Path) -> Sample:
    """Read a sample and the accounts beside it (`…_nodes.parquet`)."""
    nodes = pq.read_table(file.with_name(file.name.replace("_transactions", "_nodes")))
    table = pq.read_table(file).sort_by("time")
    payer, payee, day = (table[name].to_numpy() for name in ("sourceNodeId", "targetNodeId", "time"))
    launders = np.zeros(
        max(int(payer.max()), int(payee.max()), int(nodes["nodeid"].to_numpy().max())) + 1, bool
    )
    launders[nodes["nodeid"].to_numpy()] = nodes["isFraud"].to_numpy() > 0
    amount = np.maximum(np.round(table["value"].to_numpy() * 100), 1).astype(np.int64)
    return Sample(payer, payee, amount, day, launders)


def account_features(sample: Sample) -> FloatArray:
    """Return what is known of each account without any label, float64[accounts, k]."""
    rows = plain(sample.day * DAY_US, sample.amount_minor, sample.payer, sample.payee)
    legs = history(rows, sample.amount_minor.astype(np.float64))
    count = len(sample.launders)
    columns = [
        *_over_legs(features.matrix(features.versions("credit"), legs.credit), sample.payee, count),
        *_over_legs(features.matrix(features.versions("debit"), legs.debit), sample.payer, count),
        *repeated(sample),
        *passed(sample),
    ]
    return np.column_stack(columns)


def _over_legs(X: FloatArray, account: NDArray[np.int64], count: int) -> list[FloatArray]:
    """Return how many legs each account has, and mean, largest and newest value of their columns."""
    legs = np.bincount(account, minlength=count).astype(float)
    out = [legs]
    last = np.full(count, -1)
    last[account] = np.arange(len(account))
    for column in np.where(np.isfinite(X), X, np.nan).T:
        known = ~np.isnan(column)
        if not known.any() or np.ptp(column[known]) == 0:
            continue
        held = np.bincount(account[known], minlength=count)
        mean = np.bincount(account[known], column[known], count) / np.where(held, held, np.nan)
        most = np.full(count, -np.inf)
        np.maximum.at(most, account[known], column[known])
        out += [mean, np.where(held > 0, most, np.nan), np.where(last >= 0, column[last], np.nan)]
    return out


def repeated(sample: Sample) -> list[FloatArray]:
    """Return how often an account pays the same account at most, and is paid, and with the same sum."""
    count = len(sample.launders)
    pair = sample.payer * count + sample.payee
    alike = pair * (int(sample.amount_minor.max()) + 1) + sample.amount_minor
    out = []
    for key in (pair, alike):
        _, first, often = np.unique(key, return_index=True, return_counts=True)
        for side in (sample.payer, sample.payee):
            most = np.zeros(count)
            np.maximum.at(most, side[first], often)
            out.append(most)
    return out


def passed(sample: Sample) -> list[FloatArray]:
    """Return how many sums an account got and sent alike, and that how often at most."""
    count, most = len(sample.launders), int(sample.amount_minor.max()) + 1
    came, came_often = np.unique(sample.payee * most + sample.amount_minor, return_counts=True)
    left, left_often = np.unique(sample.payer * most + sample.amount_minor, return_counts=True)
    _, place, other = np.intersect1d(came, left, assume_unique=True, return_indices=True)
    account = came[place] // most
    often = np.zeros(count)
    np.maximum.at(often, account, np.minimum(came_often[place], left_often[other]))
    return [np.bincount(account, minlength=count).astype(float), often]


def findings(sample: Sample, known: NDArray[np.bool_]) -> FloatArray:
    """Return how many counterparties each account has whose label is `known`, and how many of them launder.

    Of those that it pays, that pay it, and both together; never its own label. float64[accounts, 6].
    """
    count = len(sample.launders)
    pairs = np.unique(np.column_stack([sample.payer, sample.payee]), axis=0)
    payer, payee = pairs[pairs[:, 0] != pairs[:, 1]].T
    found = [
        np.bincount(own, (known & each)[other], count)
        for own, other in ((payer, payee), (payee, payer))
        for each in (sample.launders, np.ones(count, bool))
    ]
    return np.column_stack([*found, found[0] + found[2], found[1] + found[3]])


def measured(sample: Sample, X: FloatArray, seed: int, *, labels: bool) -> Figures:
    """Fit on 70 % of accounts, measure on the others; `labels` of the former may be features, too."""
    train = np.random.default_rng(seed).random(len(X)) < TRAIN_SHARE
    X = np.column_stack([X, findings(sample, train)]) if labels else X
    y = sample.launders.astype(int)
    model = fit_classifier(X[train], y[train], seed=seed, max_features=0.3)
    score = probability(model, X[~train])
    return Figures(evaluate.auc(y[~train], score), evaluate.average_precision(y[~train], score))


def run(folder: Path) -> list[Benchmark]:
    """Measure every sample in the folder; figures are means of `SPLITS` random splits."""
    files = sorted(folder.glob(_NAMES))
    if not files:
        raise ConfigError(f"{folder / _NAMES} is missing; set STOPLINE_DATA to the public data's folder.")
    out = []
    for file in files:
        sample = load(file)
        X = account_features(sample)
        plain, found = (
            [measured(sample, X, seed, labels=labels) for seed in range(SPLITS)] for labels in (False, True)
        )
        name = file.name.removesuffix("_transactions.parquet")
        out.append(
            Benchmark(
                key="amlsim" if file == files[0] else name,
                title=f"AMLSim, account level, 70/30 at random: {name}",
                lines=(
                    ("twenty plain features, cycle200 (benchmarks.md)", FLOOR),
                    ("bar", BAR),
                    ("ours without any label as a feature", _mean(plain)),
                ),
                ours=_mean(found),
                note=f"Mean of {SPLITS} splits. Features of the whole period: no streaming protocol.",
                published=FLOOR,
            )
        )
    return out


def _mean(figures: list[Figures]) -> Figures:
    return Figures(
        float(np.mean([each.auc for each in figures])), float(np.mean([each.ap or 0.0 for each in figures]))
    )
