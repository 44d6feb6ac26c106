"""What a runner needs of a job."""

from collections.abc import Callable
from typing import NamedTuple

import apache_beam as beam

from pipelines.state.identity import Identity


class Job(NamedTuple):
    """A job as each runner takes it.

    Attributes:
        name: Flink lists it under this, and at most one of a name runs.
        in_process: applies the graph with the source of the in-process runner, whose state is lost with it;
            returns what an operator is told.
        on_flink: applies the graph with the source of Flink, which restores state and positions together.
        of: tells what its state is state of.
        on_flink_first: the same where there is no state to restore; None if there is no difference.
        beside: begins what on Flink runs in the process that watches the job, for as long as it watches;
            returns what an operator is told.

    """

    name: str
    in_process: Callable[[beam.Pipeline], str]
    on_flink: Callable[[beam.Pipeline], None]
    of: Callable[[], Identity]
    on_flink_first: Callable[[beam.Pipeline], None] | None = None
    beside: Callable[[], str] | None = None
