"""Which event times can be true: one rule, before any arithmetic with them, for every stream.

What a message claims is compared with when it was received. That is its record time where it can be one; a
record time that is missing, lies after this machine's clock or is years old is a claim like any other, and
the clock stands in for it. A replay has no clock, so that it gives the same at any time: there the time of
the records around it stands in (`pipelines.kafka.reading.merge`). Messages outside are dead letters, PAST or
FUTURE.
"""

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

#: A record time that lies further back than this is not when the record was received.
RECORD_US_MAX = 3_650 * DAY_US


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

    def fault(self, place: int, at_us: int, field: str) -> tuple[ErrorCode, str] | None:
        """Say why the event time of one message cannot be true; None if it can."""
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
        return code, f"{said} - at `$.{field}`"


def window(chunk: Chunk, policy: ClockPolicy, now_us: int | None) -> Window:
    """Return the window of a chunk's messages; `now_us` is this machine's clock, None in a replay."""
    times = chunk.timestamps
    if now_us is None:
        received = np.where(times >= EARLIEST_US, times, 0)
        received = np.where(received > 0, received, received.max(initial=0))
    else:
        ahead_us = now_us + policy.ahead_us
        credible = (times <= ahead_us) & (times > now_us - RECORD_US_MAX)
        received = np.where(credible, np.minimum(times, now_us), now_us)
    return Window(received, policy.past_us, policy.ahead_us)


def now_us() -> int:
    """Return this machine's clock, microseconds UTC."""
    return time.time_ns() // 1000
