"""Look-backs over an entity's past rows, vectorised: what a streaming counter would have known then."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class History:
    """The rows of each entity in order of time.

    Args:
        entity: int64[n], which card, terminal, account a row belongs to.
        time: int64[n], not decreasing; equal times keep the order of the rows.

    Every method returns one value per row, in the order the rows were given, and looks only at rows of the
    same entity at or before the row. `delay` hides the newest past: with `delay > 0` a row at time `t` sees
    rows up to and including `t - delay`, as a label does that becomes known `delay` after its row.

    >>> history = History(np.array([1, 2, 1, 1]), np.array([0, 1, 2, 5]))
    >>> history.total([10.0, 7.0, 20.0, 40.0])
    array([ 0.,  0., 10., 30.])
    >>> history.total([10.0, 7.0, 20.0, 40.0], window=4)
    array([ 0.,  0., 10., 20.])

    """

    def __init__(self, entity: ArrayLike, time: ArrayLike):
        entity, time = np.asarray(entity), np.asarray(time, dtype=np.int64)
        _, code = np.unique(entity, return_inverse=True)
        self._order = np.argsort(code, kind="stable")
        self._time = time[self._order]
        code = code[self._order]
        self._start = np.searchsorted(code, code, side="left")
        self._position = np.arange(len(code))
        # One increasing key for (entity, time), so that one searchsorted serves all entities.
        self._span = int(time[-1] - time[0]) + 1 if len(time) else 1
        self._offset = code.astype(np.int64) * (2 * self._span) - (time[0] if len(time) else 0)
        self._key = self._offset + self._time

    def count(self, *, window: int | None = None, delay: int = 0, with_self: bool = False) -> FloatArray:
        """Rows in (t - delay - window, t - delay]; without `window`, all rows up to t - delay."""
        low, high = self._bounds(window, delay, with_self)
        return self._back((high - low).astype(np.float64))

    def total(
        self, values: ArrayLike, *, window: int | None = None, delay: int = 0, with_self: bool = False
    ) -> FloatArray:
        """Sum of `values` over the rows that `count` counts."""
        low, high = self._bounds(window, delay, with_self)
        cumulative = np.concatenate(([0.0], np.cumsum(self._sorted(values))))
        return self._back(cumulative[high] - cumulative[low])

    def last(self, values: ArrayLike, *, delay: int = 0, back: int = 1) -> FloatArray:
        """Value of the `back`-th newest past row; nan where there is none."""
        low, high = self._bounds(None, delay, False)
        at = high - back
        return self._back(np.where(at >= low, self._sorted(values)[np.maximum(at, 0)], np.nan))

    def highest(self, values: ArrayLike, *, delay: int = 0) -> FloatArray:
        """Largest value among all past rows; nan where there is none."""
        low, high = self._bounds(None, delay, False)
        running = self._running_max(self._sorted(values))
        return self._back(np.where(high > low, running[np.maximum(high - 1, 0)], np.nan))

    def latest(self, values: ArrayLike, event: ArrayLike, *, delay: int = 0) -> FloatArray:
        """Value of the newest past row where `event` is true; nan where there is none."""
        seen, newest = self._newest(event, delay)
        return self._back(np.where(seen, self._sorted(values)[newest], np.nan))

    def since(self, event: ArrayLike, *, delay: int = 0) -> FloatArray:
        """Time since the newest past row where `event` is true; nan where there is none."""
        seen, newest = self._newest(event, delay)
        return self._back(np.where(seen, self._time - self._time[newest], np.nan))

    def first(self, event: ArrayLike) -> FloatArray:
        """Time of the oldest row where `event` is true, up to and including the row itself; nan before it."""
        flag = self._sorted(event) > 0
        count = np.cumsum(flag)
        before = np.concatenate(([0], count))[self._start]
        place = np.minimum(np.searchsorted(count, before + 1), len(flag) - 1)
        return self._back(np.where(count > before, self._time[place], np.nan))

    def _newest(self, event: ArrayLike, delay: int) -> tuple[NDArray[np.bool_], IntArray]:
        low, high = self._bounds(None, delay, False)
        marked = np.where(self._sorted(event) > 0, self._position, -1)
        newest = np.maximum.accumulate(marked)[np.maximum(high - 1, 0)]
        return (high > low) & (newest >= low), np.maximum(newest, 0)

    def _bounds(self, window: int | None, delay: int, with_self: bool) -> tuple[IntArray, IntArray]:
        if delay:
            high = np.searchsorted(self._key, self._key - min(delay, self._span), side="right")
        else:
            high = self._position + int(with_self)
        low = self._start
        if window is not None:
            edge = np.searchsorted(self._key, self._key - min(delay + window, self._span), side="right")
            low = np.maximum(low, edge)
        return np.minimum(low, high), np.maximum(high, np.minimum(low, high))

    def _running_max(self, values: FloatArray) -> FloatArray:
        # Ranks are shifted per entity so that one accumulate never crosses from one entity to the next.
        levels, rank = np.unique(values, return_inverse=True)
        shifted = rank + self._start.astype(np.int64) * (len(levels) + 1)
        return levels[np.maximum.accumulate(shifted) - self._start * (len(levels) + 1)]

    def _sorted(self, values: ArrayLike) -> FloatArray:
        return np.asarray(values, dtype=np.float64)[self._order]

    def _back(self, values: NDArray[Any]) -> FloatArray:
        out = np.empty(len(values), np.float64)
        out[self._order] = values
        return out
