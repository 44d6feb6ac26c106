"""A model trained up to a day and tested on the days after, again and again."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from console.lab.rows import DecisionLog, Worlds, labelled_log, of_worlds
from models.learning.backtest import Step, ablate, walk
from models.learning.stream import LegRows
from models.learning.train import Windows
from pipelines.policy import Policy
from schemas.feedback import Feedback


class Log(NamedTuple):
    """A decision log to test on, with its labels; `known_by` as `labelled_log` takes it."""

    log: DecisionLog
    feedback: list[Feedback]
    known_by: str


class Walk(NamedTuple):
    """How to test: lengths of the windows in days, how many of them, how many trees a leg.

    With `ablations` one group of features after the other is left out instead.
    """

    train: float
    validation: float
    test: float
    steps: int
    trees: int
    ablations: bool


def walked(
    source: Worlds | Log, rules: Policy, delays: Sequence[float], walk_: Walk, say: Callable[[str], None]
) -> list[tuple[int, Step]]:
    """Return every test with the seed of its world, 0 for a log."""
    found: list[tuple[int, Step]] = []
    for delay in delays:
        split = Windows(walk_.train, walk_.validation, walk_.test, delay)
        for seed, rows in _rows(source, rules, delay):
            say(f"delay {delay:g} days, seed {seed}")
            tested = (
                ablate(rows, split, max_iter=walk_.trees)
                if walk_.ablations
                else walk(rows, split, steps=walk_.steps, max_iter=walk_.trees)
            )
            found += [(seed, step) for step in tested]
    return found


def _rows(source: Worlds | Log, rules: Policy, delay: float) -> Iterator[tuple[int, dict[str, LegRows]]]:
    if isinstance(source, Worlds):
        yield from of_worlds(source, rules)
        return
    log, feedback, known_by = source
    yield 0, labelled_log(log, feedback, rules, known_by=known_by, delay_days=delay)
