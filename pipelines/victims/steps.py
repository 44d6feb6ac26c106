"""The two steps of the victims job: read messages, drive the ladder of each party."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam import coders
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer

from measures.victims import ladder
from measures.victims.answers import said_in
from measures.victims.contacts import contact_severity, contact_warning
from measures.victims.ladder import Answer, Command, Forwarding
from pipelines.alarm_clock import alarm_clock, set_timer
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.suspects import KILLED
from pipelines.kafka.sink import OutRecord
from pipelines.received import NO_LAW, RawMessage, fault_text, read_back
from pipelines.streams.clock import window
from pipelines.streams.clues import saying_nothing
from pipelines.telemetry import TELEMETRY
from pipelines.trial import Guard, Trial
from pipelines.victims.journal import tick_message
from pipelines.victims.records import contact_record, letter_record
from pipelines.victims.settings import VictimsSettings
from schemas import topics
from schemas.clue import read as read_clue
from schemas.clue import untold
from schemas.contact import ContactEntry, OutcomeMessage, Party, PartyTick, Planned
from schemas.contract import UNREADABLE
from schemas.dead_letter import ErrorCode, unreadable_as
from schemas.errors import StoplineError
from schemas.feedback import Feedback
from schemas.warning import Warning

_WARNING = msgspec.json.Decoder(Warning)
_OUTCOME = msgspec.json.Decoder(OutcomeMessage)
_FEEDBACK = msgspec.json.Decoder(Feedback)
_SOURCE = msgspec.msgpack.Decoder(RawMessage)
_PARTY = msgspec.msgpack.Decoder(Party)
_CONTACT = msgspec.json.Decoder(ContactEntry)
_ENCODE = msgspec.msgpack.Encoder().encode


def _feedback(value: bytes, _: VictimsSettings) -> Command | None:
    """Read what a party answered; other findings are no command."""
    found = _FEEDBACK.decode(value)
    said = said_in(found)
    if said is None or not found.cause_id or not found.debtor:
        return None
    return Answer(
        party_token=found.debtor,
        warning_id=found.cause_id,
        verdict=said,
        at_us=found.known_at_us,
    )


def _clue(value: bytes, settings: VictimsSettings) -> Command | None:
    """Read what a clue says of forwarding, or warn of a contact; other clues are no command."""
    if b"FORWARDING" not in value and b'"grade"' not in value and b"call-forwarding" not in value:
        return None
    clue = read_clue(value, number_token=untold)
    if clue is None:
        return None
    if clue.kind == "FORWARDING":
        return Forwarding(party_token=clue.party, active=clue.active, at_us=clue.at_us)
    if contact_severity(clue) is None:
        return None
    return contact_warning(clue, settings.policy.law, settings.policy.words.victims, settings.policy.language)


_READ: Mapping[str, Callable[[bytes, VictimsSettings], Command | None]] = {
    topics.WARNINGS: lambda value, _: _WARNING.decode(value),
    topics.WARNING_OUTCOMES: lambda value, _: _OUTCOME.decode(value),
    topics.FEEDBACK: _feedback,
    topics.CLUES: _clue,
}


def _stated(command: Command) -> tuple[str, int]:
    """Return the time that a command states, and the field it stands in; "" if it states none."""
    if isinstance(command, Warning):
        return "issued_at_us", command.issued_at_us
    return ("", 0) if isinstance(command, PartyTick) else ("at_us", command.at_us)


class OpenFn(beam.DoFn):  # type: ignore[misc]
    """Read messages; yields (party, message as received), refused messages as dead letters."""

    _opened = Metrics.counter("stopline.victims", "messages")
    _refused = Metrics.counter("stopline.victims", "unreadable")

    def __init__(self, settings: VictimsSettings) -> None:
        self._settings = settings
        self._guard = Guard(Trial(_steps, settings))

    def start_bundle(self) -> None:
        """Begin a bundle; those before have come through."""
        self._guard.settled()

    def process(self, chunk: Chunk) -> Iterator[Any]:
        """Read every message of a chunk. Live it counts as received now: a ladder begins when it can."""
        TELEMETRY.read(chunk.topic, len(chunk.values))
        chunk, aside = self._guard.admitted(chunk)
        for each in aside:
            yield self._refuse(each, "KILLED", KILLED)
        clock_us = self._settings.clock()
        times = window(chunk, self._settings.policy.clock, clock_us or None).long_ago()
        columns = (chunk.partitions.tolist(), chunk.offsets.tolist(), times.received_us.tolist())
        quiet = (
            saying_nothing(chunk.values) & (times.received_us > 0) if chunk.topic == topics.CLUES else None
        )
        for place, (value, partition, offset, at_us) in enumerate(zip(chunk.values, *columns, strict=True)):
            if quiet is not None and quiet[place]:
                continue
            source = RawMessage(
                topic=chunk.topic, partition=partition, offset=offset, at_us=clock_us or at_us, value=value
            )
            if not source.at_us:
                yield self._refuse(source, "FUTURE", "No record time that can be, and a replay has no clock")
                continue
            try:
                command = _READ[chunk.topic](value, self._settings)
            except UNREADABLE as error:
                yield self._refuse(source, *unreadable_as(error))
                continue
            if command is None:
                continue
            field, stated_us = _stated(command)
            if fault := times.fault(place, stated_us, field) if field else None:
                yield self._refuse(source, *fault)
            else:
                self._opened.inc()
                yield command.party_token, _ENCODE(source)

    def _refuse(self, source: RawMessage, code: ErrorCode, message: str) -> TaggedOutput:
        self._refused.inc()
        return TaggedOutput("unreadable", letter_record(source, code, message, NO_LAW))


class PartyFn(beam.DoFn):  # type: ignore[misc]
    """Drive the ladder of a party; yields journal entries as records.

    A fault leaves the party as it was and puts the message aside.
    """

    HELD = ReadModifyWriteStateSpec("held", coders.BytesCoder())
    DUE = TimerSpec("due", TimeDomain.WATERMARK)

    _entries = Metrics.counter("stopline.victims", "entries")
    _faults = Metrics.counter("stopline.victims", "faults")

    def __init__(self, settings: VictimsSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        """Read the journal: what it says is no message's fault."""
        self._settings.past()

    def process(
        self,
        element: tuple[str, bytes],
        state: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> Iterator[Any]:
        """Apply one message to its party."""
        token, source = element[0], _SOURCE.decode(element[1])
        try:
            command = _READ[source.topic](source.value, self._settings)
            assert command is not None
            yield from self._applied(token, command, source.at_us, state, due)
        except StoplineError as error:
            self._faults.inc()
            yield TaggedOutput("refused", letter_record(source, "NO_LAW", str(error), NO_LAW))
        except Exception as error:
            self._faults.inc()
            yield TaggedOutput("refused", letter_record(source, "FAULT", fault_text(error), NO_LAW))

    @on_timer(DUE)  # type: ignore[untyped-decorator]
    def on_due(
        self,
        token: str = beam.DoFn.KeyParam,
        state: Any = beam.DoFn.StateParam(HELD),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> Iterator[Any]:
        """Let the party's next due time pass, if the clock has reached it; a runner may fire early."""
        party = self._party(token, state)
        at_us = ladder.next_due_us(party) if party else None
        if party is None or at_us is None:
            return
        clock_us = max(self._settings.clock(), party.clock_us)
        if at_us <= clock_us:
            yield from self._applied(token, PartyTick(party_token=token), clock_us, state, due)
        elif self._settings.clock():
            set_timer(due, at_us)

    def _applied(self, token: str, command: Command, at_us: int, state: Any, due: Any) -> list[OutRecord]:
        party = self._party(token, state)
        law = command.jurisdiction if isinstance(command, Warning) else party.jurisdiction if party else ""
        after, events = ladder.apply(party, command, self._settings.rules(law), at_us)
        kept = _ENCODE(after)
        changed = after.version != (party.version if party else 0)
        records = [_entry(ladder.entry(after, events))] if changed else []
        state.write(kept)
        self._wake(after, due)
        self._entries.inc(len(records))
        TELEMETRY.count("contacts", len(records))
        TELEMETRY.count("tries", sum(isinstance(event, Planned) for event in events))
        return records

    def _party(self, token: str, state: Any) -> Party | None:
        if encoded := state.read():
            return _PARTY.decode(encoded)
        return self._settings.past().get(token)

    def _wake(self, party: Party, due: Any) -> None:
        at_us = ladder.next_due_us(party)
        if self._settings.ticks:
            clock = alarm_clock(
                self._settings.kafka, topics.WARNING_OUTCOMES, tick_message, self._settings.clock
            )
            clock.set(party.party_token, party.jurisdiction, at_us)
        else:
            set_timer(due, at_us)


def _entry(entry: ContactEntry) -> OutRecord:
    return contact_record(entry, read_back(msgspec.json.encode(entry), _CONTACT.decode))


def _steps(settings: VictimsSettings) -> list[beam.DoFn]:
    return [OpenFn(settings), PartyFn(settings)]
