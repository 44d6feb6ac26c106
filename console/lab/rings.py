"""Rings of a broker's topics looked for, written to topic `cases`, and given out as evidence."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from joserfc.jwk import OKPKey

from console.lab.brokers import topic_values
from console.lab.feeds import PARTITIONS
from measures.rings import evidence, following, links
from measures.rings.links import Known
from models.scoring.shelf import read_key
from pipelines.casework import rings
from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.preflight import new_topics
from schemas import topics
from schemas.alert import Alert
from schemas.clue import Clue, untold
from schemas.clue import read as read_clue
from schemas.contract import UNREADABLE, explained
from schemas.errors import BrokerError, ConfigError
from schemas.feedback import Feedback
from schemas.journal import JournalEntry, MeasureChanged
from schemas.measure import Measure
from schemas.report import ReportCase
from schemas.ring import Ring
from schemas.trace import Trace

_RING = msgspec.json.Decoder(Ring)


class Looked(NamedTuple):
    """What one look at the topics found.

    Attributes:
        known: the links and suspected accounts.
        rings: as they stand now, by id.
        told: the changes since the look before; what is written to topic `cases`.
        unread: of messages that are no record of their topic: how many, and why the first is none, by topic.

    """

    known: Known
    rings: dict[str, Ring]
    told: list[Ring]
    unread: dict[str, tuple[int, str]]


def look(kafka: KafkaSettings) -> Looked:
    """Look for rings in what the topics hold now, and compare with the look before.

    Raises:
        BrokerError: nobody listens, or topic `alerts` is not there.

    """
    unread: dict[str, tuple[int, str]] = {}

    def read(topic: str, record: Any, *, needed: bool = False) -> list[Any]:
        try:
            values = topic_values(kafka, topic)
        except BrokerError:
            if needed:
                raise
            return []
        clues = partial(read_clue, number_token=untold)
        decode = clues if record is Clue else msgspec.json.Decoder(record).decode
        found = []
        for value in filter(None, values):
            try:
                found.append(decode(value))
            except UNREADABLE as error:
                count, why = unread.get(topic, (0, explained(error)))
                unread[topic] = (count + 1, why)
        return [each for each in found if each is not None]

    known = links.known(
        read(topics.ALERTS, Alert, needed=True),
        read(topics.TRACES, Trace),
        read(topics.CLUES, Clue),
        read(topics.FEEDBACK, Feedback),
        read(topics.REPORT_ACTIONS, ReportCase),
    )
    before = newest(read(topics.CASES, Ring))
    told = following.changes(
        before.values(), following.found(known, held(read(topics.MEASURES, JournalEntry)))
    )
    now = {**before, **{ring.ring_id: ring for ring in told}}
    return Looked(known, {name: ring for name, ring in now.items() if ring.change != "ENDED"}, told, unread)


def newest(rings: Iterable[Ring]) -> dict[str, Ring]:
    """Return each ring as told last; a look that was written twice tells the same."""
    found: dict[str, Ring] = {}
    for ring in rings:
        if ring.ring_id not in found or ring.at_us >= found[ring.ring_id].at_us:
            found[ring.ring_id] = ring
    return found


def held(entries: Iterable[JournalEntry]) -> dict[str, dict[str, int]]:
    """Return what measures hold now, by account and currency."""
    measures: dict[str, tuple[int, Measure]] = {}
    for entry in entries:
        for event in entry.events:
            if isinstance(event, MeasureChanged):
                version, _ = measures.get(event.measure.measure_id, (-1, None))
                if event.version > version:
                    measures[event.measure.measure_id] = event.version, event.measure
    found: defaultdict[str, list[Measure]] = defaultdict(list)
    for _, measure in measures.values():
        if measure.live:
            found[measure.account_token].append(measure)
    return {account: rings.held_of(each) for account, each in found.items()}


def write(kafka: KafkaSettings, told: Iterable[Ring]) -> None:
    """Send changes to topic `cases`."""
    with closing(open_admin(kafka)) as admin:
        admin.create_topics(new_topics([topics.CASES], PARTITIONS))
    rings.write(kafka, list(told))


def one(rings: Mapping[str, Ring], ring_id: str) -> Ring:
    """Return a ring.

    Raises:
        ConfigError: there is none of that id.

    """
    if ring_id not in rings:
        raise ConfigError(f"there is no ring {ring_id!r}; list them with: stopline rings find")
    return rings[ring_id]


def give_out(
    ring: Ring,
    known: Known,
    folder: Path,
    key: Path,
    *,
    audience: evidence.Audience,
    own: Collection[str],
    who: str,
) -> list[str]:
    """Write the evidence of a ring to a new folder, signed; returns its files.

    Raises:
        ConfigError: the folder exists and is not empty, or the key cannot be read.

    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; name another folder")
    wanted = set(ring.evidence)
    mine = [link for link in known.links if link.cause_id in wanted]
    private = read_key(key)
    if not private.is_private:
        raise ConfigError(f"{key} is a public key; name the private one, made with: stopline registry keygen")
    made = evidence.files(ring, mine, audience=audience, own=own)
    made[evidence.MANIFEST] = evidence.manifest(ring, made, private)
    made[evidence.CUSTODY] = evidence.handed_on(b"", who, f"made for {audience}", ring.at_us)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return sorted(made)


def hand_on(folder: Path, who: str, what: str) -> None:
    """Note in a folder's chain of custody who got it or did something with it.

    Raises:
        ConfigError: the folder holds no evidence.

    """
    custody = folder / evidence.CUSTODY
    if not custody.is_file():
        raise ConfigError(f"{folder} holds no evidence; make it with: stopline rings evidence")
    custody.write_bytes(evidence.handed_on(custody.read_bytes(), who, what, time.time_ns() // 1000))


def faults(folder: Path, key: Path) -> list[str]:
    """Say what of a folder of evidence is not as it was signed.

    Raises:
        ConfigError: the folder or the key cannot be read.

    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; name one made by: stopline rings evidence")
    public: OKPKey = read_key(key)
    held_there = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    return evidence.faults(held_there, public)
