"""Which event times can be true: one rule, before any arithmetic with them, for every stream.

What a message claims is compared with when it was received. That is its record time where it can be one. One
that is missing, lies after this machine's clock or is years old is a claim like any other, and the clock
stands in for it; one that lies far before the records just read of its partition is, too, and the time of
those stands in. So a history may be sent with its own times as record times, and nobody has to believe an
old event that comes among new ones. A replay has no clock, so that it gives the same at any time: there the
time of the records around it stands in (`pipelines.kafka.reading.merge`). Messages outside are dead letters,
PAST or FUTURE.
"""

import threading
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.port import Chunk
from pipelines.policy import ClockPolicy
from schemas.dead_letter import ErrorCode
from schemas.instants import unit_of
from schemas.units import DAY_US, MINUTE_US

Times = NDArray[np.int64]

#: No event is older, whenever it was received: 2000-01-01.
EARLIEST_US = 946_684_800_000_000

#: Nor was any record received later, as far as a replay can tell: 2200-01-01; calendars end at the year 9999.
LATEST_US = 7_258_118_400_000_000

#: A record time that lies further back than this is not when the record was received; nothing that people
#: state of the past, as findings and orders do, is further back either.
RECORD_US_MAX = 3_650 * DAY_US

#: So many records tell how far a partition has come: by the middle one, which no few senders can move.
PROGRESS_RECORDS = 31


class Window(NamedTuple):
    """Of each message of a chunk when it was received, microseconds UTC, and how far off events may be."""

    received_us: Times
    past_us: int
    ahead_us: int

    def too_old(self, at_us: Times) -> NDArray[np.bool_]:
        """Tell which event times, one of each message, are too old to be true."""
        known = self.received_us > 0
        found: NDArray[np.bool_] = at_us < np.where(known, self.received_us - self.past_us, EARLIEST_US)
        return found | (at_us < EARLIEST_US)

    def too_new(self, at_us: Times) -> NDArray[np.bool_]:
        """Tell which event times, one of each message, are too new to be true."""
        found: NDArray[np.bool_] = (self.received_us > 0) & (at_us > self.received_us + self.ahead_us)
        return found

    def long_ago(self) -> "Window":
        """Return the window of what people state of the past: it reaches back for years."""
        return self._replace(past_us=RECORD_US_MAX)

    def fault(self, place: int, at_us: int, field: str) -> tuple[ErrorCode, str] | None:
        """Say why the event time of one message cannot be true; None if it can.

        `field` is its name in JSON, or the path of an element.
        """
        received_us = int(self.received_us[place])
        if at_us < max(EARLIEST_US, received_us - self.past_us):
            code: ErrorCode = "PAST"
            days = self.past_us // DAY_US
            said = f"Over {days:,} days before it was received"
        elif received_us > 0 and at_us > received_us + self.ahead_us:
            code, said = "FUTURE", f"Over {self.ahead_us // MINUTE_US:,} minutes after it was received"
        else:
            return None
        if (unit := unit_of(at_us)) not in {"", "microseconds"}:
            said = f"{at_us:,} looks like {unit}; microseconds expected"
        return code, f"{said} - at `{placed(field)}`"


def placed(field: str) -> str:
    """Return where a field stands: a name in JSON below its root, the path of an element as it is."""
    return field if field.startswith("/") else f"$.{field}"


class Progress:
    """How far the partitions that a reader reads have come, by the record times of what it has read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, int], tuple[int, Times]] = {}

    def __reduce__(self) -> "tuple[type[Progress], tuple[()]]":
        """Begin anew elsewhere: what is remembered is of one reader."""
        return Progress, ()

    def received(self, chunk: Chunk, times: Times, slack_us: int) -> Times:
        """Return record times that can be true, those too far behind what came just before raised to that."""
        at, first = (chunk.topic, int(chunk.partitions[0])), int(chunk.offsets[0])
        with self._lock:
            last, before = self._newest.get(at, (-1, times[:0]))
            if first <= last:  # read again, or another topic of that name
                before = times[:0]
            along = following(np.concatenate((before, times)), slack_us)
            self._newest[at] = int(chunk.offsets[-1]), along[-PROGRESS_RECORDS:]
        return along[len(before) :]


def following(times: Times, slack_us: int) -> Times:
    """Return record times in log order, those far behind the ones just before raised to their middle.

    >>> hours = np.array([*range(60), 2, 61, 900]) * 3_600_000_000
    >>> (following(hours, DAY_US) // 3_600_000_000)[-3:].tolist()
    [44, 61, 900]
    """
    suspects = np.flatnonzero(np.maximum.accumulate(times) - times > slack_us)
    if not len(suspects):
        return times
    found = times.copy()
    for place in suspects.tolist():
        middle = int(np.median(found[max(place - PROGRESS_RECORDS, 0) : place]))
        if middle - found[place] > slack_us:
            found[place] = middle
    return found


def window(chunk: Chunk, policy: ClockPolicy, now_us: int | None, progress: Progress | None = None) -> Window:
    """Return the window of a chunk's messages; `now_us` is this machine's clock, None in a replay.

    `progress` is of a process that reads one partition a chunk, in order.
    """
    times = chunk.timestamps
    if now_us is None:
        received = np.where((times >= EARLIEST_US) & (times < LATEST_US), times, 0)
        received = np.where(received > 0, received, received.max(initial=0))
    else:
        ahead_us = now_us + policy.ahead_us
        credible = (times <= ahead_us) & (times > now_us - RECORD_US_MAX)
        received = np.where(credible, np.minimum(times, now_us), now_us)
        if progress is not None and len(received):
            received = progress.received(chunk, received, policy.past_us)
    return Window(received, policy.past_us, policy.ahead_us)


def of_files(count: int, policy: ClockPolicy, now_us: int) -> Window:
    """Return the window of messages of a file, which tells of the past and not when it was received."""
    return Window(np.full(count, now_us), now_us - EARLIEST_US, policy.ahead_us)


def now_us() -> int:
    """Return this machine's clock, microseconds UTC."""
    return time.time_ns() // 1000
