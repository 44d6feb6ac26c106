"""What one process shares, made when it is first asked for: threads, connections, clocks, tables, reports.

Functions of a pipeline are pickled, copied and made anew with bundles; what must not be stands here, under
what it is and for whom. Nothing is made at import, so that a process that is forked from one that has loaded
everything starts without threads.
"""

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar, cast


class Running(Protocol):
    """Something that works in a thread."""

    def run(self) -> None:
        """Work until it is ended."""


T = TypeVar("T")
R = TypeVar("R", bound=Running)


class Shared(NamedTuple):
    """A thing of a process, and what ends it."""

    thing: Any
    end: Callable[[Any], object]


class Process:
    """Things of a process by what they are and for whom."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._making: dict[tuple[str, Hashable], threading.RLock] = {}
        self._held: dict[tuple[str, Hashable], Shared] = {}

    def shared(
        self, what: str, whose: Hashable, make: Callable[[], T], end: Callable[[T], object] = lambda _: None
    ) -> T:
        """Return the one `what` for `whose`, made by `make` the first time; `end` is how it ends.

        >>> process = Process()
        >>> process.shared("list", "a", list) is process.shared("list", "a", list)
        True
        """
        key = what, whose
        if (found := self._held.get(key)) is None:
            with self._lock:
                making = self._making.setdefault(key, threading.RLock())
            with making:
                if (found := self._held.get(key)) is None:
                    found = self._held[key] = Shared(make(), end)
        return cast("T", found.thing)

    def running(
        self, what: str, whose: Hashable, make: Callable[[], R], end: Callable[[R], object] = lambda _: None
    ) -> R:
        """Return the one `what` for `whose`; its `run` has a daemon thread from the first time on."""

        def started() -> R:
            made = make()
            threading.Thread(target=made.run, name=what, daemon=True).start()
            return made

        return self.shared(what, whose, started, end)

    def all(self, what: str) -> list[Any]:
        """Return every `what` there is."""
        with self._lock:
            return [held.thing for (kind, _), held in list(self._held.items()) if kind == what]

    def end(self, what: str, whose: Callable[[Any], bool] = lambda _: True) -> None:
        """End and forget every `what`, or those for whom `whose` says so."""
        with self._lock:
            ended = [key for key in list(self._held) if key[0] == what and whose(key[1])]
            found = [self._held.pop(key) for key in ended]
        for held in found:
            held.end(held.thing)

    def forget(self, whose: Hashable) -> None:
        """Forget everything of one."""
        for key in [key for key in list(self._held) if key[1] == whose]:
            self._held.pop(key, None)
            self._making.pop(key, None)

    def threads(self, name: str, count: int = 1) -> ThreadPoolExecutor:
        """Return the threads of a name."""
        return self.shared("threads", name, lambda: ThreadPoolExecutor(count, name))


PROCESS = Process()


class Owner:
    """Whose some things of the process are: one function of a pipeline, with all its copies.

    Copies are pickled ones: Beam makes and drops them with bundles and idle times, in this process and in
    others. The things go when the function that was applied goes.
    """

    def __init__(self) -> None:
        self._name = os.urandom(8)
        weakref.finalize(self, PROCESS.forget, self._name)

    def shared(self, what: str, make: Callable[[], T]) -> T:
        """Return the one `what` of this owner, made by `make` the first time in each process."""
        return PROCESS.shared(what, self._name, make)
