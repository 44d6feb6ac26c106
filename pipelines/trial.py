"""What ends a process is kept from jobs that drive aggregates: it is tried alone, through all steps."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.in_flight import in_flight
from pipelines.kafka.reading.suspects import Work, admitted
from pipelines.received import RawMessage


@dataclass(frozen=True)
class Trial:
    """Makes a job's steps ready in a process of their own, without timers and with states that are dropped.

    `settings` have `in_flight`, the folder where processes note what they work on, and `ticks`.
    """

    steps: Callable[[Any], Sequence[beam.DoFn]]
    settings: Any

    def __call__(self) -> Work:
        """Return what takes a chunk through the steps."""
        steps = self.steps(replace(self.settings, in_flight="", ticks=False))
        for each in steps:
            each.setup()
        return partial(driven, steps)


class Guard:
    """Keeps messages from a job's first step that processes died of."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def settled(self) -> None:
        """Note that all before has come through: a new bundle begins."""
        if (noted := in_flight(self._trial.settings.in_flight)) is not None:
            noted.settled(id(self))

    def admitted(self, chunk: Chunk) -> tuple[Chunk, list[RawMessage]]:
        """Return what of a chunk is worked on, and the messages that are put aside."""
        noted = in_flight(self._trial.settings.in_flight)
        kept, _, deadly = admitted(noted, id(self), chunk, self._trial)
        return kept, [
            RawMessage(
                topic=chunk.topic,
                partition=int(chunk.partitions[place]),
                offset=int(chunk.offsets[place]),
                at_us=max(int(chunk.timestamps[place]), 0),
                value=chunk.values[place],
            )
            for place in deadly
        ]


class Cell:
    """State and timer of one element."""

    value: bytes | None = None

    def read(self) -> bytes | None:
        """Return what was written last."""
        return self.value

    def write(self, value: bytes) -> None:
        """Keep a value."""
        self.value = value

    def set(self, _: object) -> None:
        """Let no timer fire."""

    def clear(self) -> None:
        """Keep nothing."""
        self.value = None


def driven(steps: Sequence[beam.DoFn], chunk: Chunk) -> list[Any]:
    """Take a chunk through steps outside of Beam; return what the last one yields."""
    found: list[Any] = [chunk]
    for step in steps:
        untagged = (each for each in found if not isinstance(each, TaggedOutput))
        elements = [each.value if isinstance(each, WindowedValue) else each for each in untagged]
        step.start_bundle()
        found = [out for each in elements for out in step.process(each, **_given(step)) or ()]
        found += step.finish_bundle() or ()
    return found


def _given(step: beam.DoFn) -> dict[str, Any]:
    """Return what Beam would give a step beside an element."""
    given: dict[str, Any] = {}
    for name, each in inspect.signature(step.process).parameters.items():
        if isinstance(each.default, beam.DoFn.StateParam | beam.DoFn.TimerParam):
            given[name] = Cell()
        elif each.default is beam.DoFn.TimestampParam:
            given[name] = MIN_TIMESTAMP
    return given
