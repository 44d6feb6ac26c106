"""What topic `measures` says: where every account and every order number stood when a job starts.

Runners that keep state in memory lose it with their process. The journal has all of it, so a stateful
step that meets an account or an order number it does not know looks here first. The topic is read once
per process, up to the offsets captured when the job was built.
"""

from typing import NamedTuple

import msgspec

from measures.engine import intake
from measures.engine.intake import AccountState
from measures.state.account import next_due_us
from measures.state.register import Registered
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within, read_once
from pipelines.lifecycle.alarm import tick_message
from schemas import topics
from schemas.errors import SchemaError
from schemas.journal import JournalEntry

_ENTRY = msgspec.json.Decoder(JournalEntry)


class Past(NamedTuple):
    """Accounts by token, and the register by order key, as the journal tells them."""

    kept: dict[str, AccountState]
    registered: dict[str, Registered]


def journal_bounds(settings: KafkaSettings) -> tuple[Bound, ...]:
    """Capture what the journal holds now.

    Raises BrokerError if the topic is not there.
    """
    return captured_bounds(settings, (topics.MEASURES,))


@read_once
def past(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> Past:
    """Read the journal within `bounds`, once per process.

    Raises SchemaError if a message is no journal entry, or entries of an account are missing.
    """
    found = Past({}, {})
    for chunk in chunks_within(settings, bounds):
        places = zip(chunk.values, chunk.partitions.tolist(), chunk.offsets.tolist(), strict=True)
        for value, partition, offset in places:
            _remember(found, value, f"{chunk.topic}[{partition}]@{offset}")
    return found


def wake(settings: KafkaSettings, known: Past, now_us: int) -> int:
    """Send every account with something still due one command, so that its timer is set; returns how many."""
    producer = open_producer(settings)
    woken = 0
    for token, kept in known.kept.items():
        if next_due_us(kept.account) is not None:
            value = tick_message(token, kept.jurisdiction)
            producer.send(topics.ACCOUNTS, token.encode(), value, (), now_us)
            woken += 1
    producer.flush()
    return woken


def _remember(found: Past, value: bytes, place: str) -> None:
    try:
        entry = _ENTRY.decode(value)
    except msgspec.MsgspecError as error:
        raise SchemaError(
            f"{place} is no journal entry ({error}); only this job may write to topic {topics.MEASURES}"
        ) from error
    found.kept[entry.account_token] = intake.recalled(found.kept.get(entry.account_token), entry)
    found.registered.update(intake.registrations(entry))
