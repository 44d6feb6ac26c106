"""What topic `contacts` says: how far the ladders of every party had come when a job starts."""

import logging

import msgspec

from measures.victims.ladder import next_due_us
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within, read_once
from pipelines.kafka.seal import read_seal
from schemas import topics
from schemas.contact import ContactEntry, Party, PartyTick
from schemas.contract import UNREADABLE

_LOGGER = logging.getLogger(__name__)

_ENTRY = msgspec.json.Decoder(ContactEntry)

#: Parties by token.
Parties = dict[str, Party]


def journal_bounds(settings: KafkaSettings) -> tuple[Bound, ...]:
    """Capture what the journal holds now.

    Raises BrokerError if the topic is not there.
    """
    return captured_bounds(settings, (topics.CONTACTS,))


@read_once
def past(settings: KafkaSettings, bounds: tuple[Bound, ...]) -> Parties:
    """Read the journal within `bounds`, once per process: of each party the entry of the highest version.

    What is no entry, or has no seal where a key is named, is passed over aloud.
    """
    found: dict[str, ContactEntry] = {}
    foreign: list[str] = []
    seal = read_seal(settings.seal_key)
    for chunk in chunks_within(settings, bounds):
        places = zip(chunk.values, chunk.partitions.tolist(), chunk.offsets.tolist(), strict=True)
        for value, partition, offset in places:
            entry = contact_entry(value)
            if entry is None or (seal and not seal.holds(chunk.topic, value)):
                foreign.append(f"{chunk.topic}[{partition}]@{offset}")
            elif entry.party_token not in found or found[entry.party_token].version <= entry.version:
                found[entry.party_token] = entry
    if foreign:
        _LOGGER.error(
            "%d records, the first at %s, are no entries of this job and are passed over; look who may write "
            "to topic %s", len(foreign), foreign[0], topics.CONTACTS,
        )  # fmt: skip
    return {token: entry.party for token, entry in found.items()}


def wake(settings: KafkaSettings, known: Parties, now_us: int) -> int:
    """Send every party with something still due a tick, so that its clock is set; returns how many."""
    producer = open_producer(settings)
    woken = 0
    for token, party in known.items():
        if next_due_us(party) is not None:
            value = tick_message(token, party.jurisdiction)
            producer.send(topics.WARNING_OUTCOMES, token.encode(), value, (), now_us)
            woken += 1
    producer.flush()
    return woken


def tick_message(token: str, _: str) -> bytes:
    """Return the message that lets time pass on a party's ladder."""
    return msgspec.json.encode(PartyTick(party_token=token))


def contact_entry(value: bytes) -> ContactEntry | None:
    """Read an entry; None if the message is none."""
    try:
        return _ENTRY.decode(value)
    except UNREADABLE:
        return None
