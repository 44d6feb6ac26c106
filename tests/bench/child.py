"""Functions in processes of their own, each at the other end of a pipe."""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

_PROCESSES = multiprocessing.get_context("spawn")

#: A child that says nothing for so long has failed, seconds.
SILENCE_S = 300.0


class Child:
    """`target(*arguments, pipe)`, running from here to the end of the block."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self._name = target.__name__
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=target, args=(*arguments, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def receive(self) -> Any:
        """Return the next thing it sends.

        Raises:
            RuntimeError: it ended, or said nothing for `SILENCE_S`.

        """
        try:
            if self._pipe.poll(SILENCE_S):
                return self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self._name} ended with code {self._process.exitcode}, see above") from None
        raise RuntimeError(f"{self._name} said nothing for {SILENCE_S:.0f} s")

    def has_news(self) -> bool:
        """Tell whether `receive` would return, or raise, at once."""
        return self._pipe.poll()

    def send(self, command: str) -> None:
        """Send a command."""
        self._pipe.send(command)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._pipe.close()
        self._process.join(1.0)
        self._process.kill()
        self._process.join()


def answer(target: Callable[..., None], *arguments: Any) -> Any:
    """Run `target(*arguments, pipe)` in a process of its own and return the one thing it sends."""
    with Child(target, *arguments) as child:
        return child.receive()
