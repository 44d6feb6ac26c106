"""Repeat and cool-down rules for warnings (domain.md 2.4), one party at a time.

At most one warning about one kind of scam in the country's cool-down and so many in a day; a graver one
always passes. Time is event time, so a replay warns the same people.

What was said to a party is forgotten when the next warning to it comes over a day later, not by a timer:
Beam's in-process runner fires event-time timers as soon as they are set, and would let everything through.
So the state of a party that was warned stays, a few dozen bytes.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam import coders
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec

from measures.jurisdiction import Jurisdiction
from pipelines.kafka.sink import OutRecord
from pipelines.records import warning_record
from pipelines.telemetry import TELEMETRY
from schemas.warning import FraudClass, Warning

DAY_US = 86_400_000_000


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A warning that went out."""

    at_us: int
    severity: int
    fraud_class: FraudClass


def may_warn(said: tuple[Said, ...], asked: Said, *, cooldown_us: int, per_day: int) -> bool:
    """Tell whether a warning may go out after those `said` in the last day.

    >>> first = Said(0, 2, "BRUSHING")
    >>> may_warn((first,), Said(60, 2, "BRUSHING"), cooldown_us=100, per_day=3)
    False
    >>> may_warn((first,), Said(60, 3, "BRUSHING"), cooldown_us=100, per_day=3)
    True
    """
    if all(asked.severity > earlier.severity for earlier in said):
        return True
    repeats = any(
        earlier.fraud_class == asked.fraud_class
        and earlier.severity >= asked.severity
        and abs(asked.at_us - earlier.at_us) < cooldown_us
        for earlier in said
    )
    return not repeats and len(said) < per_day


class DissuadeFn(beam.DoFn):  # type: ignore[misc]
    """Let through the warnings a party may get now, as records for `warnings`; input (party token, JSON)."""

    SAID = ReadModifyWriteStateSpec("said", coders.BytesCoder())

    _sent = Metrics.counter("stopline.dissuade", "warnings")
    _suppressed = Metrics.counter("stopline.dissuade", "suppressed")

    def __init__(self, law: Jurisdiction) -> None:
        self._law = law

    def process(
        self, element: tuple[str, bytes], said: Any = beam.DoFn.StateParam(SAID)
    ) -> Iterator[OutRecord]:
        """Decide about one warning."""
        warning = msgspec.json.decode(element[1], type=Warning)
        rule = self._law.on(warning.issued_at_us).warning
        at_us = warning.issued_at_us
        stored = msgspec.json.decode(said.read() or b"[]", type=tuple[Said, ...])
        recent = tuple(each for each in stored if at_us - each.at_us < DAY_US)
        asked = Said(at_us, warning.severity, warning.fraud_class)
        cooldown_us = self._law.calendar.add(at_us, rule.cooldown) - at_us
        if not may_warn(recent, asked, cooldown_us=cooldown_us, per_day=rule.per_day):
            self._suppressed.inc()
            return
        self._sent.inc()
        TELEMETRY.count("warnings", 1)
        said.write(msgspec.json.encode((*recent, asked)))
        yield warning_record(warning)
