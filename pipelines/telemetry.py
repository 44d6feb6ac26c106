"""How a running process is doing: counts and decision latency, for status lines and benchmarks.

Process-wide and wall-clock, and no decision reads it. Beam's own counters say the same per job.
"""

import threading
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Latency buckets: a hundred to each factor of ten, from 0.1 ms to 1,000 s, so a reading is within 2.4 %.
_PER_DECADE, _DECADES, _LEAST_MS = 100, 7, 0.1


class Latency(NamedTuple):
    """Quantiles in milliseconds, from the Kafka timestamp to the decision; nan without samples."""

    p50_ms: float
    p99_ms: float
    p999_ms: float


class Telemetry:
    """Counts since the start and a latency histogram that a reader may reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._histogram = np.zeros(_PER_DECADE * _DECADES, np.int64)

    def count(self, name: str, by: int) -> None:
        """Add `by` to a count."""
        with self._lock:
            self._counts[name] += by

    def decided(self, received_us: NDArray[np.int64]) -> None:
        """Note that payments received at these times (microseconds UTC) are decided now."""
        elapsed_ms = np.maximum((time.time_ns() // 1000 - received_us) / 1000, _LEAST_MS)
        bucket = np.minimum(np.log10(elapsed_ms / _LEAST_MS) * _PER_DECADE, len(self._histogram) - 1)
        counts = np.bincount(bucket.astype(np.int64), minlength=len(self._histogram))
        with self._lock:
            self._counts["decided"] += len(received_us)
            self._histogram += counts

    def counts(self) -> dict[str, int]:
        """Return the counts since the start."""
        with self._lock:
            return dict(self._counts)

    def latency(self, *, reset: bool = False) -> Latency:
        """Return quantiles of the samples since the last reset."""
        with self._lock:
            cumulative = np.cumsum(self._histogram)
            if reset:
                self._histogram[:] = 0
        if not cumulative[-1]:
            return Latency(np.nan, np.nan, np.nan)
        places = np.searchsorted(cumulative, np.array([0.5, 0.99, 0.999]) * cumulative[-1])
        return Latency(*(_LEAST_MS * 10 ** ((places + 1) / _PER_DECADE)).tolist())


TELEMETRY = Telemetry()
