"""The steps of the casework job: open messages, then one stage of aggregates after the other.

Every command of a message passes all stages; each stage takes those of its own kinds. A stage yields its
commands in the order of their messages when its bundle ends.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam import coders
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from measures.aggregate import Aggregate, Applied, Publish, Refuse, Send, run
from measures.authority.keys import FollowedKeys
from measures.authority.signing import KeyRing
from measures.casework import AGGREGATES, STAGE_OF, STAGES, read_casework, read_journal, read_report
from measures.refusal import Refusal
from measures.registry.suspicion import key_of
from pipelines.alarm_clock import set_timer
from pipelines.casework.past import read_state
from pipelines.casework.records import (
    delivery_message,
    delivery_record,
    letter_record,
    read_delivery,
    state_record,
    told_record,
)
from pipelines.casework.settings import CaseworkSettings
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.suspects import KILLED
from pipelines.kafka.seal import SEALED, UNSEALED, Seal, read_seal
from pipelines.kafka.sink import OutRecord
from pipelines.policy import USUAL_CLOCK
from pipelines.received import CODES, RawMessage, fault_text, read_back
from pipelines.streams.clock import window
from pipelines.streams.iso20022 import tokens_of
from pipelines.telemetry import TELEMETRY
from pipelines.trial import Guard, Trial
from schemas import topics
from schemas.casework import CaseworkMessage, InternalCommand, Tick, TraceTold
from schemas.contract import UNREADABLE, explained
from schemas.dead_letter import ErrorCode
from schemas.order import Record
from schemas.reply import Why
from schemas.trace import Trace


class Item(Record, frozen=True, kw_only=True):
    """One command on its way through the job, and the message that brought it about."""

    source: RawMessage
    kind: str
    key: str
    command: CaseworkMessage | InternalCommand


class Stored(NamedTuple):
    """State of one aggregate: itself, when its newest message came, and when a timer last came early."""

    state: Any
    newest_us: int
    early_at_us: int = 0


_ENCODE = msgspec.msgpack.Encoder().encode
#: Reads what carries a command through the job.
read_item = msgspec.msgpack.Decoder(Item).decode
_HELD = {
    each.kind: msgspec.msgpack.Decoder(tuple[each.state, int, int]).decode  # type: ignore[name-defined]
    for each in AGGREGATES.values()
}
_TRACE = msgspec.json.Decoder(Trace).decode

_CHANGES = Metrics.counter("stopline.casework", "changes")
_REFUSALS = Metrics.counter("stopline.casework", "refusals")


def _traced(value: bytes) -> list[Send]:
    trace = _TRACE(value)
    told = TraceTold(
        trace_id=trace.trace_id,
        amount_minor=trace.amount_minor,
        currency=trace.currency,
        case_family=trace.case_family,
        at_us=trace.at_us,
    )
    return [Send("suspicion", key_of("ACCOUNT", trace.creditor_account), told)]


def _delivered(value: bytes) -> list[Send]:
    told = read_delivery(value)
    return [Send(told.kind, told.key, told.command)]


#: What the job's own parts and other jobs tell, by topic.
_TOLD: Mapping[str, Callable[[bytes], list[Send]]] = {
    topics.TRACES: _traced,
    topics.MEASURES: read_journal,
    topics.CASEWORK_INTERNAL: _delivered,
}


class OpenFn(beam.DoFn):  # type: ignore[misc]
    """Read messages and check who signed them; yields (kind and key, item), refused ones as dead letters."""

    _opened = Metrics.counter("stopline.casework", "messages")
    _refused = Metrics.counter("stopline.casework", "unreadable")
    _faults = Metrics.counter("stopline.casework", "faults")

    def __init__(self, settings: CaseworkSettings) -> None:
        self._settings = settings
        self._guard = Guard(Trial(_steps, settings))
        self._keys: FollowedKeys | None = None
        self._seal: Seal | None = None

    def setup(self) -> None:
        """Begin to follow the file of public keys."""
        settings = self._settings
        self._keys = FollowedKeys(settings.keys, settings.keys_file, settings.office.laws)
        self._seal = read_seal(settings.kafka.seal_key)

    def start_bundle(self) -> None:
        """Begin a bundle; those before have come through."""
        self._guard.settled()

    def process(self, chunk: Chunk) -> Iterator[Any]:
        """Read every message of a chunk."""
        assert self._keys is not None
        TELEMETRY.read(chunk.topic, len(chunk.values))
        chunk, aside = self._guard.admitted(chunk)
        for each in aside:
            yield self._refuse(each, "KILLED", KILLED)
        ring, clock_us = self._keys.ring(), self._settings.clock()
        times = window(chunk, USUAL_CLOCK, clock_us or None).long_ago()
        columns = (
            chunk.values,
            chunk.partitions.tolist(),
            chunk.offsets.tolist(),
            times.received_us.tolist(),
        )
        for value, partition, offset, at_us in zip(*columns, strict=True):
            source = RawMessage(
                topic=chunk.topic, partition=partition, offset=offset, at_us=at_us, value=value
            )
            if not at_us:
                yield self._refuse(source, "FUTURE", "No record time that can be, and a replay has no clock")
                continue
            try:
                read = self._read(source, ring, clock_us)
                if isinstance(read, Refusal):
                    known = CODES.get(read.why, "INVALID")
                    code = "UNSEALED" if read.detail == UNSEALED else known
                    yield self._refuse(source, code, f"{read.why}: {read.detail}")
                    continue
                items = [
                    (f"{each.kind}/{each.key}", _item(source, each))
                    for each in read
                    if each.kind in AGGREGATES
                ]
            except Exception as error:
                self._faults.inc()
                yield self._refuse(source, "FAULT", fault_text(error))
                continue
            self._opened.inc()
            yield from items

    def _read(self, source: RawMessage, ring: KeyRing, clock_us: int) -> list[Send] | Refusal:
        topic, value = source.topic, source.value
        key_at_us = source.key_at_us(clock_us, self._settings.append_time)
        if topic == topics.REPORTS:
            tokens = tokens_of(self._settings.token_keys, "")
            return read_report(value, ring, key_at_us, tokens)
        if topic == topics.CASEWORK:
            return read_casework(value, ring, key_at_us)
        if self._seal and topic in SEALED and not self._seal.holds(topic, value):
            return Refusal(why=Why.BAD_SIGNATURE, detail=UNSEALED)
        try:
            return _TOLD[topic](value)
        except UNREADABLE as error:
            return Refusal(why=Why.MALFORMED, detail=explained(error))

    def _refuse(self, source: RawMessage, code: ErrorCode, message: str) -> TaggedOutput:
        self._refused.inc()
        return TaggedOutput("refused", letter_record(source, code, message))


class StageFn(beam.DoFn):  # type: ignore[misc]
    """Drive the aggregates of one stage; yields the commands that go on, and records to send.

    A fault, of an aggregate or of what it would write, leaves it as it was and puts the message aside.
    """

    HELD = ReadModifyWriteStateSpec("held", coders.BytesCoder())
    DUE = TimerSpec("due", TimeDomain.WATERMARK)

    _faults = Metrics.counter("stopline.casework", "faults")

    def __init__(self, settings: CaseworkSettings, stage: int) -> None:
        self._settings, self._stage = settings, stage
        self._onward: list[tuple[RawMessage, int, str, bytes, Timestamp]] = []
        self._newest_us = 0

    def setup(self) -> None:
        """Read the states: what they say is no message's fault."""
        self._settings.past()

    def start_bundle(self) -> None:
        """Begin a bundle."""
        self._onward = []

    def process(
        self,
        element: tuple[str, bytes],
        held: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
        stamp: Any = beam.DoFn.TimestampParam,
    ) -> Iterator[Any]:
        """Apply one command to its aggregate, or hand on what a later stage takes."""
        named, encoded = element
        kind = named.partition("/")[0]
        if STAGE_OF[kind] != self._stage:
            item = read_item(encoded)
            self._onward.append((item.source, len(self._onward), named, encoded, stamp))
            return
        item, of = read_item(encoded), AGGREGATES[kind]
        at_us = item.source.at_us
        try:
            known = self._held(of, item.key, held)
            applied = run(of, item.key, known.state, item.command, at_us=at_us, office=self._settings.office)
            kept = Stored(applied.state, max(at_us, known.newest_us))
            records = self._written(of, known.state, applied, item.source, stamp)
            encoded = _ENCODE(kept)
        except Exception as error:
            self._faults.inc()
            yield TaggedOutput("records", letter_record(item.source, "FAULT", fault_text(error)))
            return
        if kept.state is not None:
            held.write(encoded)
            set_timer(due, of.due(kept.state))
        yield from records

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what goes on, in order of receipt."""
        for _, _, named, encoded, stamp in sorted(self._onward, key=lambda each: each[:2]):
            yield WindowedValue((named, encoded), stamp, (GlobalWindow(),))

    @on_timer(DUE)  # type: ignore[untyped-decorator]
    def on_due(
        self,
        named: str = beam.DoFn.KeyParam,
        held: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
        stamp: Any = beam.DoFn.TimestampParam,
    ) -> Iterator[Any]:
        """Let the next due time pass, if the clock has reached it; a runner may fire early."""
        kind, _, key = named.partition("/")
        of = AGGREGATES[kind]
        known = self._held(of, key, held)
        at_us = of.due(known.state) if known.state is not None else None
        if at_us is None:
            return
        self._newest_us = max(self._newest_us, known.newest_us)
        reached_us = max(self._newest_us, self._settings.clock())
        source = RawMessage(
            at_us=at_us, topic=topics.CASEWORK_INTERNAL, partition=-1, offset=-1,
            value=delivery_message(kind, key, Tick()),
        )  # fmt: skip
        if at_us <= reached_us:
            try:
                applied = run(of, key, known.state, None, at_us=at_us, office=self._settings.office)
                records = self._written(of, known.state, applied, source, stamp)
                encoded = _ENCODE(Stored(applied.state, known.newest_us))
            except Exception as error:
                self._faults.inc()
                yield TaggedOutput("records", letter_record(source, "FAULT", fault_text(error)))
                return
            held.write(encoded)
            set_timer(due, of.due(applied.state))
            yield from records
            return
        if known.early_at_us != reached_us:
            held.write(_ENCODE(known._replace(early_at_us=reached_us)))
            set_timer(due, at_us)

    def _held(self, of: Aggregate, key: str, held: Any) -> Stored:
        if encoded := held.read():
            return Stored(*_HELD[of.kind](encoded))
        if value := self._settings.past().states.get((of.kind, key)):
            return Stored(read_state(of.kind, value), 0)
        return Stored(None, 0)

    def _written(
        self, of: Aggregate, was: Any, applied: Applied, source: RawMessage, stamp: Any
    ) -> list[Any]:
        """Return what goes out, as records: what cannot be written changes nothing."""
        now_us = self._settings.clock() or source.at_us
        state, told, sent = written(of, was, applied, source)
        found, ahead = [*filter(None, [state]), *told], []
        for number, each in enumerate(sent):
            if STAGE_OF[each.kind] > self._stage:
                ahead.append((f"{each.kind}/{each.key}", _item(source, each)))
            else:
                found.append(delivery_record(each, source, number, now_us))
        for named, encoded in ahead:
            self._onward.append((source, len(self._onward), named, encoded, stamp))
        return [TaggedOutput("records", each) for each in found]


def written(
    of: Aggregate, was: Any, applied: Applied, source: RawMessage
) -> tuple[OutRecord | None, list[OutRecord], list[Send]]:
    """Return the record of a state if it is another, what else goes out, and what other aggregates are sent.

    Raises:
        SchemaError: the state could not be read back.

    """
    state, told = None, []
    if applied.state is not None and applied.state != was:
        state = state_record(of, applied.state, source.at_us)
        _CHANGES.inc()
        TELEMETRY.count("changes", 1)
    for each in applied.followed:
        if isinstance(each, Refuse):
            _REFUSALS.inc()
            told.append(letter_record(source, "CONFLICT", each.detail))
        elif isinstance(each, Publish):
            told.append(told_record(each, source.at_us))
            TELEMETRY.count("told", 1)
    sends = [each for each in applied.followed if isinstance(each, Send) and each.kind in AGGREGATES]
    return state, told, sends


def _item(source: RawMessage, send: Send) -> bytes:
    return read_back(
        _ENCODE(Item(source=source, kind=send.kind, key=send.key, command=send.command)), read_item
    )


def _steps(settings: CaseworkSettings) -> list[beam.DoFn]:
    return [OpenFn(settings), *(StageFn(settings, number) for number in range(len(STAGES)))]
