"""Repeat and cool-down rules for warnings (`measures.cooldown`), one party at a time.

Time is event time, so a replay warns the same people.

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

from measures.cooldown import Said, may_warn, recent
from measures.jurisdiction import Jurisdiction
from pipelines.kafka.sink import OutRecord
from pipelines.records import warning_record
from pipelines.telemetry import TELEMETRY
from schemas.warning import Warning


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
        asked = Said(warning.issued_at_us, warning.severity, warning.fraud_class)
        stored = msgspec.json.decode(said.read() or b"[]", type=tuple[Said, ...])
        heard = recent(stored, asked.at_us)
        if not may_warn(heard, asked, self._law.on(asked.at_us)):
            self._suppressed.inc()
            return
        self._sent.inc()
        TELEMETRY.count("warnings", 1)
        said.write(msgspec.json.encode((*heard, asked)))
        yield warning_record(warning)
