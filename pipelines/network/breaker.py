"""A circuit breaker: who does not answer is left alone for a while, then tried by one question."""

import threading
from collections.abc import Callable

#: So many failures in a row open it, and for so long, seconds.
FAILURES, REST_S = 5, 15.0


class Breaker:
    """Closed it lets everything through; open nothing; after a rest one question, whose answer decides."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until_s = 0.0

    def room(self, asked: int) -> int:
        """Return how many of so many questions may be asked now; a trial counts as taken."""
        with self._lock:
            if self._failures < FAILURES:
                return asked
            if self._clock() < self._until_s or not asked:
                return 0
            self._until_s = self._clock() + REST_S
            return 1

    def answered(self) -> None:
        """Close it."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Count a failure; enough of them in a row open it."""
        with self._lock:
            self._failures += 1
            if self._failures == FAILURES:
                self._until_s = self._clock() + REST_S
