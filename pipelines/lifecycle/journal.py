"""What topic `measures` says: where every account and every order number stood when a job starts.

Runners that keep state in memory lose it with their process. The journal has all of it, so a stateful
step that meets an account or an order number it does not know looks here first. The topic is read once
per process, up to the offsets captured when the job was built.
"""

import logging
from typing import NamedTuple

import msgspec

from measures.engine import intake
from measures.engine.intake import AccountState
from measures.state.account import next_due_us
from measures.state.register import Registered
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within, read_once
from pipelines.kafka.seal import read_seal
from schemas import topics
from schemas.commands import AccountMessage, Tick
from schemas.contract import UNREADABLE
from schemas.errors import SchemaError
from schemas.journal import JournalEntry

_LOGGER = logging.getLogger(__name__)

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

    An account's entries are taken by version: its key moves to another partition when the topic grows. What
    is no journal entry, or has no seal where a key is named, is passed over aloud.

    Raises:
        SchemaError: entries of an account are missing, or a journal that has entries has none with our seal.

    """
    found, early = Past({}, {}), dict[str, list[JournalEntry]]()
    foreign: list[str] = []
    unsealed: list[str] = []
    seal = read_seal(settings.seal_key)
    for chunk in chunks_within(settings, bounds):
        places = zip(chunk.values, chunk.partitions.tolist(), chunk.offsets.tolist(), strict=True)
        for value, partition, offset in places:
            if seal and not seal.holds(chunk.topic, value):
                unsealed.append(f"{chunk.topic}[{partition}]@{offset}")
            elif (entry := journal_entry(value)) is not None:
                _remember(found, early, entry)
            else:
                foreign.append(f"{chunk.topic}[{partition}]@{offset}")
    if unsealed and not found.kept and not early:
        raise SchemaError(
            f"none of the {len(unsealed):,} entries of topic {topics.MEASURES} was sealed with the key of "
            "--seal_key; name the right file, or seal entries of before there was a key with "
            "`stopline lifecycle seal`"
        )
    if unsealed:
        _LOGGER.error(
            "%d records, the first at %s, were not sealed with the job key and are passed over; look who may "
            "write to topic %s, and seal entries of before there was a key with `stopline lifecycle seal`",
            len(unsealed), unsealed[0], topics.MEASURES,
        )  # fmt: skip
    if foreign:
        _LOGGER.error(
            "%d records, the first at %s, are no journal entries and are passed over; only this job may "
            "write to topic %s", len(foreign), foreign[0], topics.MEASURES,
        )  # fmt: skip
    for waiting in early.values():
        _take(found, min(waiting, key=_first_version))
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


def tick_message(token: str, jurisdiction: str) -> bytes:
    """Return the message that lets time pass on an account."""
    message = AccountMessage(account_token=token, jurisdiction=jurisdiction, command=Tick())
    return msgspec.json.encode(message)


def journal_entry(value: bytes) -> JournalEntry | None:
    """Read an entry; None if the message is none."""
    try:
        return _ENTRY.decode(value)
    except UNREADABLE:
        return None


def _remember(found: Past, early: dict[str, list[JournalEntry]], entry: JournalEntry) -> None:
    """Take an entry, and what waited for it; or let it wait for those before it."""
    token = entry.account_token
    kept = found.kept.get(token)
    if _first_version(entry) > (kept.account.version if kept else 0) + 1:
        early.setdefault(token, []).append(entry)
        return
    _take(found, entry)
    for waiting in sorted(early.pop(token, ()), key=_first_version):
        _remember(found, early, waiting)


def _first_version(entry: JournalEntry) -> int:
    return entry.events[0].version if entry.events else entry.version


def _take(found: Past, entry: JournalEntry) -> None:
    found.kept[entry.account_token] = intake.recalled(found.kept.get(entry.account_token), entry)
    found.registered.update(intake.registrations(entry))
