"""What a benchmark reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Area under the ROC curve, average precision and, where cards have days, Card Precision@100."""

    auc: float
    ap: float | None = None
    cp100: float | None = None


@dataclass(frozen=True)
class Speed:
    """Rows and the processor time they took, which a loaded machine stretches less than the clock's."""

    rows: int
    processor_s: float


@dataclass(frozen=True)
class Benchmark:
    """One data set under one protocol.

    `lines` are (what, figures) in the order to print; `ours` goes into `bench/benchmarks.json` under `key`,
    beside it the best that was `published` and what an `oracle` reaches, where there are such.
    """

    key: str
    title: str
    lines: tuple[tuple[str, Figures], ...]
    ours: Figures | Speed
    note: str
    published: Figures | None = None
    oracle: Figures | None = None
