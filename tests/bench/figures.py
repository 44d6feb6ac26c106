"""From samples to figures: pure functions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.bench.job import Sample


class Rate(NamedTuple):
    """Speed between two moments; processor time per event of the process and of the pipeline's thread."""

    events_per_s: float
    cpu_us: float
    thread_us: float


class Bar(NamedTuple):
    """A figure that was promised."""

    name: str
    figure: float | None
    bar: float
    at_least: bool
    unit: str

    @property
    def reached(self) -> bool:
        """Tell whether it was kept; a figure that is missing does not keep it."""
        if self.figure is None:
            return False
        return self.figure >= self.bar if self.at_least else self.figure <= self.bar


def rate(samples: Sequence[Sample], total: int, skip: float) -> Rate:
    """Return the speed from the moment a share `skip` of `total` was decided to the last decision."""
    first = next(sample for sample in samples if sample.decided >= max(skip * total, 1))
    last = next(sample for sample in samples if sample.decided >= total)
    events, seconds = last.decided - first.decided, last.at_s - first.at_s
    if not events:
        raise ValueError(f"{total:,} events are too few to tell a speed; give more")
    return Rate(
        events / seconds,
        (last.cpu_s - first.cpu_s) / events * 1e6,
        (last.thread_s - first.thread_s) / events * 1e6,
    )


def growth_mb(samples: Sequence[Sample]) -> float:
    """Return how much memory grew over the last four fifths, from medians of a tenth of it at each end."""
    start, end = samples[0].at_s, samples[-1].at_s
    window = (end - start) * 0.8
    first = [each.rss_mb for each in samples if 0 <= each.at_s - (end - window) <= window / 10]
    last = [each.rss_mb for each in samples if each.at_s >= end - window / 10]
    return float(np.median(last) - np.median(first))


def cores(samples: Sequence[Sample]) -> float:
    """Return how many processors the job kept busy."""
    first, last = samples[0], samples[-1]
    return (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)


def quantiles(milliseconds: Sequence[float]) -> dict[str, float | None]:
    """Return median, p99 and p99.9, rounded; None without samples."""
    names = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    if not len(milliseconds):
        return dict.fromkeys(names)
    return {name: round(float(np.quantile(milliseconds, q)), 1) for name, q in names.items()}


def bars(report: dict[str, Any]) -> list[Bar]:
    """Return what the issues ask for beside what was measured."""
    grave = report["severity_4_latency_ms"]["p99"] if report.get("clues") else None
    return [
        Bar("events/s, full path", report["events_per_s"], 100_000, True, "/s"),
        Bar("times the per-event baseline", report["ratio"], 30, True, "x"),
        Bar(f"p99 at {report['offered_per_s']:,}/s", report["latency_ms"]["p99"], 250, False, "ms"),
        Bar("memory growth", report["rss_growth_mb"], 20, False, "MB"),
        *([Bar("severity 4 in hand, p99", grave, 1_000, False, "ms")] if report.get("clues") else []),
    ]
