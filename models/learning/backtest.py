"""Walk forward through recorded rows: train up to a day, test on the days after, move on, train again."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from models.features import groups
from models.learning.stream import LegRows, fit_one
from models.learning.train import Windows
from schemas.units import DAY_US


class Step(NamedTuple):
    """One leg trained once and tested on the days after.

    Attributes:
        leg: credit or debit.
        without: the group of features left out, "" if none.
        test_end_us: where the test days end, microseconds UTC.
        delay: days until a label was known.
        scams: scams of the test days.
        test: their figures (`models.learning.train.measure`).

    """

    leg: str
    without: str
    test_end_us: int
    delay: float
    scams: int
    test: Mapping[str, Any]


def walk(
    rows: Mapping[str, LegRows], windows: Windows, *, steps: int, seed: int = 0, **grid: Any
) -> Iterator[Step]:
    """Train and test at `steps` successive ends, `windows.test` days apart, the last at the newest row.

    Raises:
        ModelError: the rows are too few days, or a window has no scams.

    """
    for leg, these in rows.items():
        newest_us = int(these.at_us.max()) + 1
        for step in reversed(range(steps)):
            end_us = newest_us - int(step * windows.test * DAY_US)
            yield _step(leg, _until(these, end_us), end_us, windows, without="", seed=seed, grid=grid)


def ablate(rows: Mapping[str, LegRows], windows: Windows, *, seed: int = 0, **grid: Any) -> Iterator[Step]:
    """Train and test at the newest row with all features, then without each group of them in turn."""
    for leg, these in rows.items():
        end_us = int(these.at_us.max()) + 1
        for without in ("", *groups(leg)):
            yield _step(leg, these, end_us, windows, without=without, seed=seed, grid=grid)


def _until(rows: LegRows, end_us: int) -> LegRows:
    """Return the rows before a time, with what was known of them then and later."""
    kept = rows.at_us < end_us
    known = rows.known
    return rows.take(kept)._replace(known=None if known is None else lambda by_us: known(by_us)[kept])


def _step(
    leg: str,
    rows: LegRows,
    end_us: int,
    windows: Windows,
    *,
    without: str,
    seed: int,
    grid: Mapping[str, Any],
) -> Step:
    parts = fit_one(leg, rows, windows=windows, seed=seed, without=without, **grid)
    return Step(leg, without, end_us, windows.delay, parts.metrics["scams"]["test"], parts.metrics["test"])


def spread(values: list[float | None]) -> tuple[float, float, float]:
    """Return mean, least and largest of the values that are known; nan where none is.

    >>> spread([1.0, None, 3.0])
    (2.0, 1.0, 3.0)
    """
    known = [value for value in values if value is not None]
    if not known:
        return (float("nan"),) * 3
    return float(np.mean(known)), min(known), max(known)
