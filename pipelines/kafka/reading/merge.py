"""All partitions' messages in one order: by (newest timestamp so far in the partition, partition, offset).

That is event-time order across partitions and log order within each. The order and the cuts depend on the
data only, so two replays cut identical rows in identical order.

Producers state times, so one record may lie a year ahead. A record that most of those after it in its
partition lie far behind moves nothing: it is taken to be received when the newest before it was.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.port import ChunkConsumer
from pipelines.kafka.reading.bounds import STALL_S, Bound, stalled_text
from schemas.errors import BrokerError
from schemas.rows import Rows
from schemas.units import HOUR_US

#: So many records after one tell whether its time is ahead of its partition's, by more than this.
FOLLOWING, LEAD_US = 16, HOUR_US

#: With fewer behind it, as at a partition's end, a record is believed.
FOLLOWING_MIN = 3

#: A message being merged: its merge key (µs), the index of its partition's lane, and its own columns.
ROW = np.dtype(
    [("key", "i8"), ("lane", "i4"), ("offset", "i8"), ("timestamp", "i8"), ("value", "O"), ("trace", "u8", 4)]
)


@dataclass
class Lane:
    """One partition being merged: what is fetched but not merged yet, and the newest timestamp so far."""

    index: int
    bound: Bound
    newest_us: int
    consumer: ChunkConsumer
    rows: Rows = field(default_factory=lambda: np.empty(0, ROW))
    unsettled: Rows = field(default_factory=lambda: np.empty(0, ROW))

    def exhausted(self) -> bool:
        """Return whether nothing of this partition is still to be fetched."""
        return self.consumer.position() >= self.bound.end

    def fetch(self, max_rows: int) -> bool:
        """Take what is buffered; return whether there was anything to take."""
        chunk = self.consumer.poll(max_rows)
        if chunk is None:
            self.settle()
            return False
        count = int(np.searchsorted(chunk.offsets, self.bound.end))
        if count:
            fresh = np.empty(count, ROW)
            fresh["lane"] = self.index
            fresh["offset"] = chunk.offsets[:count]
            fresh["timestamp"] = chunk.timestamps[:count]
            fresh["value"] = list(chunk.values[:count])
            fresh["trace"] = 0 if chunk.traces is None else chunk.traces[:count]
            self.unsettled = np.concatenate([self.unsettled, fresh])
            self.settle()
        return True

    def settle(self) -> None:
        """Give those records a key whose followers are known."""
        count = len(self.unsettled) - (0 if self.exhausted() else FOLLOWING)
        if count <= 0:
            return
        times = self.unsettled["timestamp"]
        ahead = running_ahead(times)[:count]
        rows, self.unsettled = self.unsettled[:count].copy(), self.unsettled[count:]
        believed = np.where(ahead, -1, times[:count])
        rows["key"] = np.maximum(np.maximum.accumulate(believed), self.newest_us)
        rows["timestamp"] = np.where(ahead, rows["key"], times[:count])
        self.newest_us = int(rows["key"][-1])
        self.rows = np.concatenate([self.rows, rows])


def running_ahead(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which records' times most of those that follow lie far behind.

    >>> hours = np.array([1, 2, 900, 2, 3, 3, 4]) * LEAD_US
    >>> running_ahead(hours).tolist()
    [False, False, True, False, False, False, False]
    """
    ahead = np.zeros(len(times), np.bool_)
    behind = np.flatnonzero(np.maximum.accumulate(times) - times > LEAD_US)
    if not len(behind):
        return ahead
    suspects = np.flatnonzero(times[: behind[-1]] - times[behind].min() > LEAD_US)
    for place in suspects.tolist():
        following = times[place + 1 : place + 1 + FOLLOWING]
        ahead[place] = len(following) >= FOLLOWING_MIN and times[place] - np.median(following) > LEAD_US
    return ahead


def merge_ready(lanes: list[Lane]) -> Rows:
    """Take from `lanes` all rows that no row still to be fetched can precede, in merge order."""
    for lane in lanes:
        lane.settle()
    open_ends = [(int(lane.rows["key"][-1]), lane.index) for lane in lanes if not lane.exhausted()]
    taken = [np.empty(0, ROW)]
    for lane in lanes:
        count = len(lane.rows)
        if open_ends:
            key, index = min(open_ends)
            count = int(np.searchsorted(lane.rows["key"], key, "right" if lane.index <= index else "left"))
        taken.append(lane.rows[:count])
        lane.rows = lane.rows[count:]
    rows = np.concatenate(taken)
    return rows[np.argsort(rows["key"], kind="stable")]


def merged(lanes: list[Lane], cut_rows: int) -> Iterator[Rows]:
    """Yield all rows of `lanes` in merge order, `cut_rows` at a time; waits for the broker.

    Raises:
        BrokerError: messages known to exist did not come within `STALL_S`.

    """
    pending = np.empty(0, ROW)
    ended = False
    while not ended:
        _fetch_all(lanes, cut_rows)
        pending = np.concatenate([pending, merge_ready(lanes)])
        ended = all(lane.exhausted() and not len(lane.rows) for lane in lanes)
        whole = len(pending) if ended else len(pending) - len(pending) % cut_rows
        for start in range(0, whole, cut_rows):
            yield pending[start : min(start + cut_rows, whole)]
        pending = pending[whole:]


def _fetch_all(lanes: list[Lane], max_rows: int) -> None:
    """Fetch until every lane that is not exhausted has at least one row."""
    deadline = time.monotonic() + STALL_S
    while waiting := [lane for lane in lanes if not len(lane.rows) and not lane.exhausted()]:
        if any([lane.fetch(max_rows) for lane in waiting]):
            deadline = time.monotonic() + STALL_S
            continue
        if time.monotonic() > deadline:
            at, _, end = waiting[0].bound
            raise BrokerError(stalled_text(at, waiting[0].consumer.position(), end))
        time.sleep(0.001)
