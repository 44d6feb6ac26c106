"""What time it is at the desk."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from desk.store import Store
from schemas.units import MINUTE_US


@dataclass
class DeskClock:
    """The time terms are counted by, microseconds UTC.

    `wall` is this machine's. `stream` is for simulated and recorded days: the newest event's time, which
    runs on by itself after it. `column` names what a service clock begins at: receipt, or the event itself.
    """

    kind: Literal["wall", "stream"] = "wall"
    _newest: tuple[int, float] = field(default=(0, 0.0))

    @property
    def column(self) -> str:
        """The column of `cases` that service clocks begin at."""
        return "since_received_us" if self.kind == "wall" else "since_at_us"

    def now(self, store: Store) -> int:
        """Return what time it is."""
        if self.kind == "wall":
            return time.time_ns() // 1000
        row = store.row(
            "SELECT max(at_us) AS at_us FROM alerts WHERE seq > (SELECT max(seq) - 500 FROM alerts)"
        )
        newest, since = (row["at_us"] or 0) if row else 0, time.monotonic()
        if newest > self._newest[0]:
            self._newest = newest, since
        return self._newest[0] + int((since - self._newest[1]) * 1e6)


def span(us: int, units: Sequence[str] = ("min", "h", "d")) -> str:
    """Write a length of time to the minute, in these units: minutes, hours, days.

    >>> from schemas.units import HOUR_US
    >>> span(95 * MINUTE_US), span(-30 * MINUTE_US), span(50 * HOUR_US)
    ('1 h 35 min', '−30 min', '2 d 2 h')
    """
    minute, hour, day = units
    sign, minutes = "−" if us < 0 else "", abs(us) // MINUTE_US
    if minutes < 60:
        return f"{sign}{minutes} {minute}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{sign}{hours} {hour} {minutes:02d} {minute}"
    return f"{sign}{hours // 24} {day} {hours % 24} {hour}"
