"""The job's three steps in one process, without a runner: what goes in, what comes out."""

from collections.abc import Iterator
from typing import Any

import msgspec
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from measures.authority.keys import KeyEntry
from measures.engine import intake
from measures.engine.intake import AccountState
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.sink import OutRecord
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.lifecycle.steps import AccountFn, OpenFn, RegisterFn, StoredAccount
from pipelines.received import no_clock
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.journal import JournalEntry

ENTRY, LETTER = msgspec.json.Decoder(JournalEntry), msgspec.json.Decoder(DeadLetter)


class Cell:
    """A state of one key."""

    def __init__(self) -> None:
        self.value: bytes | None = None

    def read(self) -> bytes | None:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


class Timer:
    """A timer that is never fired; what is set is kept."""

    at: Any = None

    def set(self, at: Any) -> None:
        self.at = at

    def clear(self) -> None:
        self.at = None


class Steps:
    """The job of one process; keeps every entry and letter."""

    def __init__(self, keys: tuple[KeyEntry, ...], **settings: Any) -> None:
        self._settings = LifecycleSettings(KafkaSettings("none:1"), keys, clock=no_clock, **settings)
        self._open, self._register, self._accounts = (
            step(self._settings) for step in (OpenFn, RegisterFn, AccountFn)
        )
        for step in (self._open, self._register, self._accounts):
            step.setup()
        self._numbers: dict[str, Cell] = {}
        self.cells: dict[str, Cell] = {}
        self.entries: list[JournalEntry] = []
        self.letters: list[DeadLetter] = []

    def take(self, chunk: Chunk) -> None:
        """Run a chunk through all steps."""
        self._register.start_bundle()
        for key, item in self._sorted(self._open.process(chunk)):
            cell = self._numbers.setdefault(key, Cell())
            list(self._sorted(self._register.process((key, item), cell, Timer(), Timestamp(0)) or ()))
        for value in self._register.finish_bundle():
            token, item = value.value
            cell = self.cells.setdefault(token, Cell())
            list(self._sorted(self._accounts.process((token, item), cell, Timer())))

    def kept(self, token: str) -> AccountState | None:
        """An account's state as it is stored."""
        cell = self.cells.get(token)
        value = cell.read() if cell else None
        return msgspec.msgpack.decode(value, type=StoredAccount).kept if value else None

    def rebuilt(self) -> dict[str, AccountState]:
        """All accounts from the journal alone."""
        found: dict[str, AccountState] = {}
        for entry in self.entries:
            found[entry.account_token] = intake.recalled(found.get(entry.account_token), entry)
        return found

    def _sorted(self, outputs: Any) -> Iterator[Any]:
        """Keep entries and letters; yield the rest."""
        for output in outputs:
            record = output.value if isinstance(output, TaggedOutput) else output
            if not isinstance(record, OutRecord):
                yield record
            elif record.topic == topics.MEASURES:
                self.entries.append(ENTRY.decode(record.value))
            elif record.topic == topics.DEAD_LETTERS:
                self.letters.append(LETTER.decode(record.value))
