"""The three steps of the lifecycle job: open messages, look order numbers up, drive the engine."""

from collections.abc import Iterator
from typing import Any

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

from measures.authority.keys import FollowedKeys
from measures.authority.signing import KeyRing
from measures.engine import intake
from measures.engine.intake import AccountState, Applied, Arrival
from measures.refusal import Refusal
from measures.state.account import next_due_us
from measures.state.register import Registered
from pipelines.alarm_clock import alarm_clock, set_timer
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.suspects import KILLED
from pipelines.kafka.sink import OutRecord
from pipelines.lifecycle.journal import tick_message
from pipelines.lifecycle.records import (
    journal_record,
    letter_record,
    refund_record,
)
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.policy import USUAL_CLOCK
from pipelines.received import CODES, NO_LAW, RawMessage, fault_text, read_back
from pipelines.streams.clock import window
from pipelines.telemetry import TELEMETRY
from pipelines.trial import Guard, Trial
from schemas import topics
from schemas.dead_letter import ErrorCode
from schemas.journal import RefundChanged
from schemas.order import Record
from schemas.reply import ReplyCode


class Item(Record, frozen=True, kw_only=True):
    """One readable message on its way through the job."""

    source: RawMessage
    arrival: Arrival


class StoredAccount(Record, frozen=True, kw_only=True):
    """State of one account: itself, when its newest message came, and when a timer last came early."""

    kept: AccountState
    newest_us: int
    early_at_us: int = 0


_ENCODE = msgspec.msgpack.Encoder().encode
_ITEM = msgspec.msgpack.Decoder(Item)
_STORED = msgspec.msgpack.Decoder(StoredAccount)
_REGISTERED = msgspec.msgpack.Decoder(Registered)


def _item(source: RawMessage, arrival: Arrival) -> bytes:
    return read_back(_ENCODE(Item(source=source, arrival=arrival)), _ITEM.decode)


class OpenFn(beam.DoFn):  # type: ignore[misc]
    """Check signatures and read messages; yields (register key, item), refused messages as dead letters."""

    _opened = Metrics.counter("stopline.lifecycle", "messages")
    _refused = Metrics.counter("stopline.lifecycle", "unreadable")
    _faults = Metrics.counter("stopline.lifecycle", "faults")

    def __init__(self, settings: LifecycleSettings) -> None:
        self._settings = settings
        self._guard = Guard(Trial(_steps, settings))
        self._keys: FollowedKeys | None = None

    def setup(self) -> None:
        """Begin to follow the file of public keys."""
        self._keys = FollowedKeys(self._settings.keys, self._settings.keys_file, self._settings.laws)

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
        columns = (chunk.partitions.tolist(), chunk.offsets.tolist(), times.received_us.tolist())
        for place, (value, partition, offset, at_us) in enumerate(zip(chunk.values, *columns, strict=True)):
            source = RawMessage(
                topic=chunk.topic, partition=partition, offset=offset, at_us=at_us, value=value
            )
            if not at_us:
                yield self._refuse(source, "FUTURE", "No record time that can be, and a replay has no clock")
                continue
            try:
                read = self._read(source, ring, clock_us)
                if not isinstance(read, Refusal):
                    stated = intake.times_stated(read.command)
                    faults = (times.fault(place, stated_us, field) for field, stated_us in stated)
                    if fault := next(filter(None, faults), None):
                        yield self._refuse(source, *fault)
                        continue
                item = b"" if isinstance(read, Refusal) else _item(source, read)
            except Exception as error:
                self._faults.inc()
                yield self._refuse(source, "FAULT", fault_text(error))
                continue
            if isinstance(read, Refusal):
                code = CODES.get(read.why, "INVALID")
                yield self._refuse(source, code, f"{read.why}: {read.detail}")
                continue
            self._opened.inc()
            yield read.register_key, item

    def _read(self, source: RawMessage, ring: KeyRing, clock_us: int) -> Arrival | Refusal:
        at_us, laws = source.at_us, self._settings.laws
        if source.topic != topics.ORDERS:
            return intake.read_command(source.value, at_us, laws)
        key_at_us = source.key_at_us(clock_us, self._settings.append_time)
        return intake.read_order(source.value, ring, at_us, laws, key_at_us=key_at_us)

    def _refuse(self, source: RawMessage, code: ErrorCode, message: str) -> TaggedOutput:
        self._refused.inc()
        return TaggedOutput("unreadable", letter_record(source, code, message, NO_LAW))


class RegisterFn(beam.DoFn):  # type: ignore[misc]
    """Mark an order whose number stands for another one; yields (account token, item) by time of receipt.

    Order numbers are looked up across accounts, so this step has keys of its own. Sorting what a bundle
    brought restores the order of one account's messages.
    """

    ENTRY = ReadModifyWriteStateSpec("entry", coders.BytesCoder())
    FORGET = TimerSpec("forget", TimeDomain.WATERMARK)

    _faults = Metrics.counter("stopline.lifecycle", "faults")

    def __init__(self, settings: LifecycleSettings) -> None:
        self._settings = settings
        self._items: list[tuple[RawMessage, str, bytes, Timestamp]] = []

    def setup(self) -> None:
        """Read the journal: what it says is no message's fault."""
        self._settings.past()

    def start_bundle(self) -> None:
        """Begin a bundle."""
        self._items = []

    def process(
        self,
        element: tuple[str, bytes],
        entry: Any = beam.DoFn.StateParam(ENTRY),
        forget: Any = beam.DoFn.TimerParam(FORGET),
        stamp: Any = beam.DoFn.TimestampParam,
    ) -> Iterator[Any]:
        """Look one message's number up."""
        item = _ITEM.decode(element[1])
        try:
            held = entry.read()
            known = _REGISTERED.decode(held) if held else self._settings.past().registered.get(element[0])
            registered, arrival = intake.entered(known, item.arrival, self._settings.laws)
            marked = arrival is not item.arrival
            payload = _item(item.source, arrival) if marked else element[1]
            kept = _ENCODE(registered)
        except Exception as error:
            self._faults.inc()
            letter, answers = put_aside(item, error, None)
            yield TaggedOutput("refused", letter)
            yield from (TaggedOutput("answers", answer) for answer in answers)
            return
        if registered is not None and registered != known:
            entry.write(kept)
            if not self._settings.ticks:
                set_timer(forget, registered.forget_at_us)
        self._items.append((item.source, arrival.account_token, payload, stamp))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what the bundle brought, in order of receipt."""
        for _, token, payload, stamp in sorted(self._items, key=lambda item: item[0]):
            yield WindowedValue((token, payload), stamp, (GlobalWindow(),))

    @on_timer(FORGET)  # type: ignore[untyped-decorator]
    def forget(
        self,
        entry: Any = beam.DoFn.StateParam(ENTRY),
        forget: Any = beam.DoFn.TimerParam(FORGET),
    ) -> None:
        """Forget a number whose order can no longer come again."""
        held, clock_us = entry.read(), self._settings.clock()
        if not held or not clock_us:
            return
        forget_at_us = _REGISTERED.decode(held).forget_at_us
        if forget_at_us <= clock_us:
            entry.clear()
        else:
            set_timer(forget, forget_at_us)


class AccountFn(beam.DoFn):  # type: ignore[misc]
    """Drive the legal engine; yields journal entries, refund rounds and conflicts as records.

    A fault, of the engine or of what it would write, leaves the account as it was and puts the message aside.
    """

    HELD = ReadModifyWriteStateSpec("held", coders.BytesCoder())
    DUE = TimerSpec("due", TimeDomain.WATERMARK)

    _entries = Metrics.counter("stopline.lifecycle", "entries")
    _conflicts = Metrics.counter("stopline.lifecycle", "conflicts")
    _faults = Metrics.counter("stopline.lifecycle", "faults")
    _early = Metrics.counter("stopline.lifecycle", "early_timers")

    def __init__(self, settings: LifecycleSettings) -> None:
        self._settings = settings
        self._newest_us = 0

    def setup(self) -> None:
        """Read the journal: what it says is no message's fault."""
        self._settings.past()

    def process(
        self,
        element: tuple[str, bytes],
        state: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> Iterator[Any]:
        """Apply one message to its account."""
        token, item = element[0], _ITEM.decode(element[1])
        held = None
        try:
            held = self._read(token, state)
            applied = intake.apply(held.kept if held else None, item.arrival, self._settings.laws)
            newest_us = max(item.source.at_us, held.newest_us if held else 0)
            kept, outputs = self._written(applied, newest_us)
        except Exception as error:
            self._faults.inc()
            letter, answers = put_aside(item, error, held.kept if held else None)
            yield TaggedOutput("refused", letter)
            yield from answers
            return
        replies = applied.entry.replies if applied.entry else ()
        for reply in (each for each in replies if each.code is ReplyCode.CONFLICT):
            self._conflicts.inc()
            law, said = item.arrival.jurisdiction, f"{reply.why}: {reply.detail}"
            yield TaggedOutput("refused", letter_record(item.source, "CONFLICT", said, law))
        yield from self._keep(applied, kept, outputs, state, due)

    @on_timer(DUE)  # type: ignore[untyped-decorator]
    def on_due(
        self,
        token: str = beam.DoFn.KeyParam,
        state: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> Iterator[Any]:
        """Let the account's next due time pass, if the clock has reached it.

        A runner may fire early, as the in-process one does. The timer is then set anew, unless nothing has
        happened since it last was: a replay has come to its end.
        """
        held = self._read(token, state)
        at_us = next_due_us(held.kept.account) if held else None
        if held is None or at_us is None:
            return
        reached_us = self._reached_us(held.newest_us)
        if at_us <= reached_us:
            try:
                applied = intake.tick(held.kept, at_us, self._settings.laws)
                kept, outputs = self._written(applied, held.newest_us)
            except Exception as error:
                self._faults.inc()
                yield TaggedOutput("refused", due_letter(token, held.kept.jurisdiction, at_us, error))
                return
            yield from self._keep(applied, kept, outputs, state, due)
            return
        self._early.inc()
        if held.early_at_us != reached_us:
            state.write(_ENCODE(msgspec.structs.replace(held, early_at_us=reached_us)))
            set_timer(due, at_us)

    def _read(self, token: str, state: Any) -> StoredAccount | None:
        if encoded := state.read():
            return _STORED.decode(encoded)
        kept = self._settings.past().kept.get(token)
        return StoredAccount(kept=kept, newest_us=kept.account.clock_us) if kept else None

    def _reached_us(self, newest_us: int) -> int:
        self._newest_us = max(self._newest_us, newest_us)
        return max(self._newest_us, self._settings.clock())

    def _written(self, applied: Applied, newest_us: int) -> tuple[bytes, list[Any]]:
        """Return an account's state and what goes out, as bytes: what cannot be written changes nothing."""
        kept = _ENCODE(StoredAccount(kept=applied.kept, newest_us=newest_us))
        if applied.entry is None:
            return kept, []
        rounds = [event for event in applied.entry.events if isinstance(event, RefundChanged)]
        refunds = [TaggedOutput("refunds", refund_record(event)) for event in rounds]
        return kept, [journal_record(applied.entry, applied.value), *refunds]

    def _keep(self, applied: Applied, kept: bytes, outputs: list[Any], state: Any, due: Any) -> Iterator[Any]:
        state.write(kept)
        self._wake(applied.kept, due)
        if outputs:
            self._entries.inc()
            TELEMETRY.count("entries", 1)
        yield from outputs

    def _wake(self, kept: AccountState, due: Any) -> None:
        at_us = next_due_us(kept.account)
        if self._settings.ticks:
            clock = alarm_clock(self._settings.kafka, topics.ACCOUNTS, tick_message, self._settings.clock)
            clock.set(kept.account.account_token, kept.jurisdiction, at_us)
        else:
            set_timer(due, at_us)


def put_aside(item: Item, error: Exception, kept: AccountState | None) -> tuple[OutRecord, list[OutRecord]]:
    """Give a message up: a letter with the fault, and to an authority the answer that it was not executed."""
    letter = letter_record(item.source, "FAULT", fault_text(error), item.arrival.jurisdiction)
    answer = intake.unable(kept, item.arrival)
    return letter, [journal_record(answer, intake.written(answer))] if answer else []


def due_letter(token: str, jurisdiction: str, at_us: int, error: Exception) -> OutRecord:
    """Return the letter of a due time that could not be worked off: the account waits for a person."""
    source = RawMessage(
        at_us=at_us, topic=topics.ACCOUNTS, partition=-1, offset=-1, value=tick_message(token, jurisdiction)
    )
    return letter_record(source, "FAULT", fault_text(error), jurisdiction)


def _steps(settings: LifecycleSettings) -> list[beam.DoFn]:
    return [OpenFn(settings), RegisterFn(settings), AccountFn(settings)]
