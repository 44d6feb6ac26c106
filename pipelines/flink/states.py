"""State written by a bundle: sent before anything is waited for, and much of it while the bundle goes on.

Beam keeps what a bundle writes to its end, then sends and waits for one state after the other. On a busy
machine an answer takes 5 ms, one in twenty 40, and a stage writes two or three states for each shard of a
bundle; a backlog's 10 MB of logs take the TaskManager a tenth of a second, in which the worker would rest.
"""

from collections.abc import Iterable
from typing import Any

from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext, SynchronousBagRuntimeState

#: A bag is sent what it was given once an element is this large.
EARLY_BYTES = 1 << 16


def commit_together() -> None:
    """Make the workers of this process write so; of Beam's kinds of state for values and bags only.

    For runners that restore all state when a bundle fails, as Flink does.
    """
    FnApiUserStateContext.commit = _commit
    SynchronousBagRuntimeState.add = _add


class _Sender:
    """Stands in for a bundle's state handler while one of its bags is sent; there is nothing to wait for."""

    def __init__(self, handler: Any, answers: list[Any]) -> None:
        self._handler = handler
        self._answers = answers

    def clear(self, state_key: Any) -> None:
        self._answers.append(self._handler.clear(state_key))

    def extend(self, state_key: Any, coder: Any, elements: Iterable[Any]) -> None:
        self._answers.append(self._handler.extend(state_key, coder, elements))


def _send(bag: Any) -> None:
    """Send what was done to a bag since it was last sent; answers are kept with it."""
    handler, answers = bag._state_handler, vars(bag).setdefault("answers", [])
    bag._state_handler = _Sender(handler, answers)
    bag.commit()
    bag._state_handler, bag._cleared, bag._added_elements = handler, False, []


def _add(bag: Any, value: Any) -> None:
    bag._added_elements.append(value)
    if isinstance(value, bytes) and len(value) >= EARLY_BYTES:
        _send(bag)


def _commit(context: Any) -> None:
    bags = [getattr(state, "_underlying_bag_state", state) for state in context._all_states.values()]
    for bag in bags:
        _send(bag)
    for bag in bags:
        for answer in bag.answers:
            if error := answer.get().error:
                raise RuntimeError(error)
