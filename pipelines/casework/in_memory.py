"""All aggregates in the memory of one process: for the in-process runner, where a process has every key.

What an aggregate sends on is applied at once. What it sends back to an earlier stage waits for the next
bundle, so that nobody is told of a state that is not yet on its topic, and takes no way through Kafka; if the
process is lost meanwhile, who begins anew asks again (`Recall`). A bundle writes the last version of a state.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue
from msgspec.structs import replace

from measures.aggregate import run
from measures.casework import AGGREGATES, STAGE_OF
from pipelines.alarm_clock import alarm_clock
from pipelines.casework.past import read_state
from pipelines.casework.records import letter_record, tick_message
from pipelines.casework.settings import CaseworkSettings
from pipelines.casework.steps import Item, read_item, written
from pipelines.kafka.sink import OutRecord
from pipelines.process import Owner
from pipelines.received import fault_text
from schemas import topics

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = {each.kind: msgspec.msgpack.Decoder(each.state).decode for each in AGGREGATES.values()}
_GLOBAL = (GlobalWindow(),)

#: Kind and key of an aggregate.
Named = tuple[str, str]


class Memory:
    """States by kind and key, packed, and commands for the next bundle."""

    def __init__(self) -> None:
        self.states: dict[Named, bytes] = {}
        self.waiting: list[Item] = []


class InMemoryFn(beam.DoFn):  # type: ignore[misc]
    """Drive the aggregates, a bundle at a time and its messages in order of receipt; yields records to send.

    A fault, of an aggregate or of what it would write, leaves it as it was and puts the message aside.
    """

    _faults = Metrics.counter("stopline.casework", "faults")

    def __init__(self, settings: CaseworkSettings) -> None:
        self._settings, self._owner = settings, Owner()
        self._items: list[Item] = []

    def setup(self) -> None:
        """Read the states: what they say is no message's fault."""
        self._settings.past()
        of = self._settings.kafka, topics.CASEWORK_INTERNAL
        self._clock = alarm_clock(*of, tick_message, self._settings.clock)

    def start_bundle(self) -> None:
        """Begin a bundle."""
        self._items = []

    def process(self, element: tuple[str, bytes]) -> None:
        """Take one command."""
        self._items.append(read_item(element[1]))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Apply what waited, what came, and what follows."""
        memory = self._owner.shared("aggregates", Memory)
        ahead = deque((*memory.waiting, *sorted(self._items, key=lambda each: each.source)))
        memory.waiting = []
        states: dict[Named, OutRecord] = {}
        others: list[OutRecord] = []
        while ahead:
            item = ahead.popleft()
            try:
                self._drive(item, memory, ahead, states, others)
            except Exception as error:
                self._faults.inc()
                others.append(letter_record(item.source, "FAULT", fault_text(error)))
        for each in (*states.values(), *others):
            yield WindowedValue(each, MIN_TIMESTAMP, _GLOBAL)

    def _drive(
        self,
        item: Item,
        memory: Memory,
        ahead: deque[Item],
        states: dict[Named, OutRecord],
        others: list[OutRecord],
    ) -> None:
        of, named, source = AGGREGATES[item.kind], (item.kind, item.key), item.source
        known = self._known(named, memory)
        after = run(of, item.key, known, item.command, at_us=source.at_us, office=self._settings.office)
        state, rest, sends = written(of, known, after, source)
        if state:
            memory.states[named] = _ENCODE(after.state)
            states[named] = state
        if after.state is not None:
            self._clock.set("/".join(named), item.kind, of.due(after.state))
        others += rest
        later = replace(source, at_us=max(self._settings.clock(), source.at_us))
        for each in sends:
            on = STAGE_OF[each.kind] > STAGE_OF[item.kind]
            sent = Item(source=source if on else later, kind=each.kind, key=each.key, command=each.command)
            (ahead if on else memory.waiting).append(sent)

    def _known(self, named: Named, memory: Memory) -> Any:
        if packed := memory.states.get(named):
            return _DECODE[named[0]](packed)
        value = self._settings.past().states.get(named)
        return read_state(named[0], value) if value else None
