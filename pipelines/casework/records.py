"""What the casework job sends: states, deliveries to its own parts, what is told, refused messages."""

from typing import Any

import msgspec

from measures.aggregate import Aggregate, Publish, Send
from measures.casework import AGGREGATES
from pipelines.hot.records import record, refused_record
from pipelines.kafka.sink import OutRecord
from pipelines.received import NO_LAW, RawMessage, read_back
from schemas import topics
from schemas.casework import Delivery, Tick
from schemas.dead_letter import ErrorCode
from schemas.ids import derived_id

_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_STATES = {each.kind: msgspec.json.Decoder(each.state).decode for each in AGGREGATES.values()}

#: Reads what carries a command to an aggregate.
read_delivery = msgspec.json.Decoder(Delivery).decode


def state_record(of: Aggregate, state: Any, at_us: int) -> OutRecord:
    """Return an aggregate's state for its topic, keyed by its name."""
    value = read_back(_ENCODE(state), _STATES[of.kind])
    return record(
        of.topic, state.key, value, getattr(state, "jurisdiction", NO_LAW),
        event_id=derived_id("state", of.kind, state.key, state.version),
        event_type=f"fp.casework.{of.kind}.v1", subject=f"{of.kind}:{state.key}", time_us=at_us,
    )  # fmt: skip


def delivery_message(kind: str, key: str, command: Any) -> bytes:
    """Return the message that carries a command to an aggregate."""
    return read_back(_ENCODE(Delivery(kind=kind, key=key, command=command)), read_delivery)


def tick_message(named: str, kind: str) -> bytes:
    """Return the message that lets time pass for the aggregate `kind/key`."""
    return delivery_message(kind, named.partition("/")[2], Tick())


def delivery_record(send: Send, source: RawMessage, number: int, at_us: int) -> OutRecord:
    """Return a command on its way to an earlier stage, or to its own."""
    value = delivery_message(send.kind, send.key, send.command)
    named = derived_id("delivery", source.topic, source.partition, source.offset, send.kind, send.key, number)
    return record(
        topics.CASEWORK_INTERNAL, f"{send.kind}/{send.key}", value, NO_LAW,
        event_id=named, event_type="fp.casework.delivery.v1", subject=f"{send.kind}:{send.key}",
        time_us=at_us,
    )  # fmt: skip


def told_record(publish: Publish, at_us: int) -> OutRecord:
    """Return what somebody outside is told."""
    return record(
        publish.topic, publish.key, _ENCODE(publish.record), NO_LAW, event_id=publish.event_id,
        event_type=publish.event_type, subject=publish.key, time_us=at_us,
    )  # fmt: skip


def letter_record(source: RawMessage, code: ErrorCode, message: str) -> OutRecord:
    """Return a refused message for topic `dead_letters`."""
    return refused_record(source.letter("casework", code, message), NO_LAW)
