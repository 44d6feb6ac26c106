"""What `telemetry` counts, as Beam's own metrics: for who watches a job from another process."""

import threading
import time
from collections import Counter

import numpy as np
from apache_beam.metrics import Metrics

from pipelines.telemetry import TELEMETRY, Telemetry, quantiles

#: How often the gauges are renewed.
GAUGES_S = 1.0


class LatencyGauges:
    """The latency of about the last second as Beam's gauges `p50_ms` and `p99_ms`."""

    _p50, _p99 = (Metrics.gauge("stopline.decide", name) for name in ("p50_ms", "p99_ms"))

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._due = 0.0
        self._before = telemetry.histogram()
        self._latency = quantiles(self._before)

    def set(self) -> None:
        """Set the gauges of the step that calls, in its bundle."""
        with self._lock:
            if (now := time.monotonic()) >= self._due or np.isnan(self._latency.p50_ms):
                seen = self._telemetry.histogram()
                self._latency, self._before = quantiles(seen - self._before), seen
                self._due = now + GAUGES_S
            latency = self._latency
        if not np.isnan(latency.p50_ms):
            self._p50.set(round(latency.p50_ms))
            self._p99.set(round(latency.p99_ms))


class StatusCounters:
    """What the status counts as Beam's counters of the same names, for who watches from another process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()

    def add(self) -> None:
        """Add what was counted since the last call to counters of the step that calls, in its bundle."""
        with self._lock:
            counts = Counter(self._telemetry.counts())
            fresh, self._told = counts - self._told, counts
        for name, count in fresh.items():
            Metrics.counter("stopline.status", name).inc(count)


STATUS_COUNTERS = StatusCounters(TELEMETRY)
LATENCY_GAUGES = LatencyGauges(TELEMETRY)
