"""What the topics of states say: where every aggregate stood when a job starts.

Each state is written whole, under its key, with a version: the highest one counts, whatever partition and
order it is read in. What is no state, or has no seal where a key is named, is passed over aloud.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from measures.casework import AGGREGATES
from pipelines.casework.records import delivery_message
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within, read_once
from pipelines.kafka.seal import read_seal
from schemas import topics
from schemas.casework import AggregateKey, Recall, Tick
from schemas.contract import UNREADABLE
from schemas.units import HOUR_US

_LOGGER = logging.getLogger(__name__)

_BY_TOPIC = {each.topic: each for each in AGGREGATES.values()}
_READERS: Mapping[str, Any] = {
    each.topic: msgspec.json.Decoder(each.state).decode for each in AGGREGATES.values()
}


#: States written so long before the last one may have lost what follows from them with the process.
FRESH_US = HOUR_US


class Past(NamedTuple):
    """States as JSON, by kind and key, those that are due for something, and those that changed last."""

    states: dict[tuple[str, str], bytes]
    due: list[tuple[str, str]]
    fresh: list[tuple[str, str]]


def states_bounds(settings: KafkaSettings) -> tuple[Bound, ...]:
    """Capture what the topics of states hold now.

    Raises BrokerError if one is not there.
    """
    return captured_bounds(settings, tuple(_BY_TOPIC))


@read_once
def past(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> Past:
    """Read the states within `bounds`, once per process."""
    seal = read_seal(settings.seal_key)
    found: dict[tuple[str, str], tuple[int, bytes]] = {}
    due: dict[tuple[str, str], bool] = {}
    written: dict[tuple[str, str], int] = {}
    passed: list[str] = []
    for chunk in chunks_within(settings, bounds):
        of, read = _BY_TOPIC[chunk.topic], _READERS[chunk.topic]
        places = (chunk.partitions.tolist(), chunk.offsets.tolist(), chunk.timestamps.tolist())
        for value, partition, offset, at_us in zip(chunk.values, *places, strict=True):
            state = None
            if not seal or seal.holds(chunk.topic, value):
                state = _state(read, value)
            if state is None:
                passed.append(f"{chunk.topic}[{partition}]@{offset}")
                continue
            named = (of.kind, state.key)
            if state.version >= found.get(named, (0, b""))[0]:
                found[named] = (state.version, value)
                due[named] = of.due(state) is not None
                written[named] = at_us
    if passed:
        _LOGGER.error(
            "%d records, the first at %s, are no states of the casework job, or not sealed with its key, and "
            "are passed over; only this job may write to these topics", len(passed), passed[0],
        )  # fmt: skip
    states = {named: value for named, (_, value) in found.items()}
    last_us = max(written.values(), default=0)
    fresh = [named for named, at_us in written.items() if at_us >= last_us - FRESH_US]
    return Past(states, [named for named, is_due in due.items() if is_due], fresh)


def wake(settings: KafkaSettings, known: Past, now_us: int) -> int:
    """Send every aggregate with something still due a tick, so that its timer is set; returns how many.

    Those that changed last send again what follows from them: it may have been lost with the process.
    """
    producer = open_producer(settings)
    recalled = [(named, Recall()) for named in known.fresh]
    for (kind, key), command in (*((named, Tick()) for named in known.due), *recalled):
        value = delivery_message(kind, key, command)
        producer.send(topics.CASEWORK_INTERNAL, f"{kind}/{key}".encode(), value, (), now_us)
    producer.flush()
    return len(known.due)


def read_state(kind: str, value: bytes) -> Any:
    """Return the state of a kind that a value of `Past.states` is."""
    return _READERS[AGGREGATES[kind].topic](value)


def _state(read: Any, value: bytes) -> Any:
    """Return the state that a value is, None if it is none, or one that no command could be told to."""
    try:
        state = read(value)
        msgspec.convert(state.key, AggregateKey)
        return state
    except UNREADABLE:
        return None
