"""What one process shares, made when it is first asked for: threads, clocks, reports.

Functions of a pipeline are pickled, copied and made anew with bundles; what must not be stands here, under
what it is and for whom. Nothing is made at import, so that a process that is forked from one that has loaded
everything starts without threads.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Process:
    """Things of a process by what they are and for whom."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held: dict[tuple[str, Hashable], Any] = {}

    def shared(self, what: str, whose: Hashable, make: Callable[[], T]) -> T:
        """Return the one `what` for `whose`, made by `make` the first time.

        >>> process = Process()
        >>> process.shared("list", "a", list) is process.shared("list", "a", list)
        True
        """
        found: T | None = self._held.get((what, whose))
        if found is None:
            with self._lock:
                if (what, whose) not in self._held:
                    self._held[what, whose] = make()
                found = self._held[what, whose]
        assert found is not None
        return found

    def forget(self, what: str, whose: Hashable) -> None:
        """Give up the `what` of `whose`, if there is one."""
        with self._lock:
            self._held.pop((what, whose), None)

    def threads(self, name: str, count: int = 1) -> ThreadPoolExecutor:
        """Return the threads of a name."""
        return self.shared("threads", name, lambda: ThreadPoolExecutor(count, name))


PROCESS = Process()
