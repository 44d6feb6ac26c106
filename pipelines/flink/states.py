"""State written by a bundle: sent before anything is waited for, and much of it while the bundle goes on.

Beam keeps what a bundle writes to its end, then sends and waits for one state after the other. On a busy
machine an answer takes 5 ms, one in twenty 40, and a stage writes two or three states for each shard of a
bundle; a backlog's 10 MB of logs take the TaskManager a tenth of a second, in which the worker would rest.
"""

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


def _send(bag: Any) -> None:
    """Send what was done to a bag since it was last sent, as its `commit` does; answers are kept with it."""
    answers = vars(bag).setdefault("answers", [])
    if bag._cleared:
        answers.append(bag._state_handler.clear(bag._state_key))
    if added := bag._added_elements:
        answers.append(bag._state_handler.extend(bag._state_key, bag._value_coder.get_impl(), added))
    bag._cleared, bag._added_elements = False, []


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
