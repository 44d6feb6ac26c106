"""How a job that runs for ever ends."""

import os
import signal
from collections.abc import Callable


def unwind_on_signals() -> None:
    """Let SIGTERM end this process as Ctrl-C does, by `KeyboardInterrupt`, so that everything is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def end_on_signals(say: Callable[[str], None], finish: Callable[[], None] = lambda: None) -> None:
    """Let Ctrl-C and SIGTERM end this process, with exit code 0 and a word about it, once it has finished.

    A second one does not wait.

    An exception could be raised where Beam or a callback drops it, and the runner's threads would wait for a
    source without an end.
    """

    def end(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(1))
        finish()
        say("stopped; reading continues at the committed offsets")
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
