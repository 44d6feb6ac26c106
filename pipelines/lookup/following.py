"""The registry as a process of the main job has it: a snapshot, then what topics say since.

One thread reads; the hot path takes whatever is complete when a chunk is decoded. What is said holds from the
broker's time of the message that said it, so that payments that are read again meet what was said then.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from measures.authority.keys import read_keys, ring_of
from measures.refusal import Refusal
from measures.registry import snapshot
from measures.registry.codes import LOOKED_UP, TIER_MASK, Spoken, listed, suspected
from measures.registry.table import Lists, Row, Table, entries_of, merged, prepare
from pipelines.kafka.port import (
    ChunkReader,
    KafkaSettings,
    OffsetOutOfRangeError,
    Partition,
    open_admin,
    open_reader,
)
from pipelines.kafka.reading.bounds import STALL_S, stalled_text
from pipelines.kafka.reading.start import partitions_of
from pipelines.kafka.seal import read_seal
from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.contract import UNREADABLE
from schemas.dead_letter import unreadable_as
from schemas.errors import BrokerError, ConfigError, StoplineError, cause
from schemas.rows.tokens import token_words
from schemas.subject import SubjectKind
from schemas.units import SECOND_US

_LOGGER = logging.getLogger(__name__)

#: What is read, and what its messages say.
READ: Mapping[str, Callable[[bytes], Spoken]] = {topics.SUSPICIONS: suspected, topics.LISTINGS: listed}

#: How often topics are looked at, and how often new partitions are looked for.
LOOK_S, PARTITIONS_S = 0.1, 60.0

#: So long after the topics were last reached a person is told: what is looked up may be out of date.
STALE_S = 600.0

#: Subjects that changed since the whole was built, and rows that are remembered of one.
CHANGES_MAX, ROWS_MAX = 20_000, 16

Key = tuple[int, int]


class Followed(NamedTuple):
    """What to follow: topics of a broker, after a snapshot signed with a key of a file, if there is one."""

    kafka: KafkaSettings
    snapshot: Path | None = None
    keys: Path | None = None


def key_of(kind: SubjectKind, token: str) -> Key:
    """Return what a subject is found by; of a number calls tell only the second word."""
    first, second = token_words([token])[0].tolist()
    return (0, second) if kind == "SIM" else (first, second)


class Follower:
    """Keeps `lists` up to date."""

    def __init__(self, followed: Followed) -> None:
        """Load the snapshot and read what the topics hold now.

        Raises:
            ConfigError: the snapshot cannot be used.
            BrokerError: a topic is missing, or what it holds does not come.

        """
        self._followed = followed
        self._seal = read_seal(followed.kafka.seal_key)
        self._reader: ChunkReader | None = None
        self._closed = threading.Event()
        self._unread: set[str] = set()
        prepare()
        self._begin()
        self._catch_up()

    def run(self) -> None:
        """Follow until `close`; the body of a daemon thread."""
        while not self._closed.wait(LOOK_S):
            self.look()
        self._release()

    def close(self) -> None:
        """End following after the look that is under way."""
        self._closed.set()

    def look(self) -> None:
        """Take up what was said since the last look; trouble is complained of and tried again."""
        try:
            if self._reader is None or time.monotonic() - self._partitions_s > PARTITIONS_S:
                self._open()
            try:
                self._read()
            except OffsetOutOfRangeError as error:
                _LOGGER.error("the registry's topics begin anew, and are read from there: %s", cause(error))
                self._begin(snapshot_too=False)
                self._catch_up()
        except StoplineError as error:
            _LOGGER.warning("the registry is not followed at the moment: %s", cause(error))

    @property
    def stale_s(self) -> float:
        """For how long the topics were not reached, seconds."""
        return time.monotonic() - self.reached_s

    @property
    def read_to(self) -> dict[str, int]:
        """How far each partition was read, `topic/partition` -> offset."""
        return {f"{topic}/{number}": offset for (topic, number), offset in sorted(self._positions.items())}

    def whole(self) -> Lists:
        """Return all there is as one table."""
        return merged(self.lists)

    def _release(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _begin(self, *, snapshot_too: bool = True) -> None:
        self._release()
        self._said: dict[Key, list[Row]] = {}
        self._versions: dict[tuple[str, Key], int] = {}
        self._positions: dict[Partition, int] = {}
        self.lists = Lists()
        if snapshot_too and self._followed.snapshot is not None:
            found = loaded(self._followed.snapshot, self._followed.keys)
            for name, offset in found.head.read.items():
                topic, _, number = name.rpartition("/")
                self._positions[topic, int(number)] = offset
            self.lists = Lists(Table(found.entries), version=found.head.version)
        self._open()

    def _open(self) -> None:
        """Reach the broker; open what partitions there are."""
        with closing(open_admin(self._followed.kafka)) as admin:
            partitions = partitions_of(admin, self._followed.kafka, tuple(READ))
            starts = admin.beginning_offsets(partitions)
        self._partitions_s = self.reached_s = time.monotonic()
        reading = self._reader.positions() if self._reader else {}
        fresh = {
            at: max(self._positions.setdefault(at, 0), starts[at]) for at in partitions if at not in reading
        }
        if fresh or self._reader is None:
            self._reader = self._reader or open_reader(self._followed.kafka)
            self._reader.assign({**reading, **fresh})

    def _catch_up(self) -> None:
        assert self._reader is not None
        with closing(open_admin(self._followed.kafka)) as admin:
            ends = admin.end_offsets(tuple(self._reader.positions()))
        deadline = time.monotonic() + STALL_S
        while late := [at for at, end in ends.items() if self._reader.positions()[at] < end]:
            if self._read():
                deadline = time.monotonic() + STALL_S
            elif time.monotonic() > deadline:
                at = late[0]
                raise BrokerError(stalled_text(at, self._reader.positions()[at], ends[at]))
            time.sleep(0.005)

    def _read(self) -> int:
        """Take what has come; returns how many messages."""
        assert self._reader is not None
        count, changed = 0, False
        while chunks := self._reader.poll(2_000):
            for chunk in chunks:
                number = int(chunk.partitions[0])
                count += len(chunk.values)
                for value, offset, at_us in zip(
                    chunk.values, chunk.offsets.tolist(), chunk.timestamps.tolist(), strict=True
                ):
                    changed |= self._hear(chunk.topic, number, offset, value, at_us)
        self._positions.update(self._reader.positions())
        if count:
            self.reached_s = time.monotonic()
        if changed:
            version = int.from_bytes(blake2b(repr(self.read_to).encode(), digest_size=4).digest()) or 1
            lists = Lists(self.lists.whole, Table(entries_of(self._said)), version)
            if len(self._said) > CHANGES_MAX:
                lists = merged(lists)
                self._said.clear()
            self.lists = lists
        return count

    def _hear(self, topic: str, number: int, offset: int, value: bytes, at_us: int) -> bool:
        if not value:
            return False
        try:
            if self._seal and not self._seal.holds(topic, value):
                raise ValueError("no seal of the job key, or one that does not hold")
            spoken = READ[topic](value)
            key = key_of(spoken.kind, spoken.token)
        except UNREADABLE as error:
            TELEMETRY.count("registry_unreadable", 1)
            if topic not in self._unread:
                _LOGGER.error(
                    "%s[%d]@%d is passed over, the first of its topic, others are counted: %s",
                    topic, number, offset, unreadable_as(error)[1],
                )  # fmt: skip
            self._unread.add(topic)
            return False
        if spoken.kind not in LOOKED_UP or spoken.version < self._versions.get((topic, key), 0):
            return False
        self._versions[topic, key] = spoken.version
        known = self._said[key] if key in self._said else self.lists.whole.rows(key)
        self._said[key] = spoken_rows(known, spoken, topic, at_us)
        return True


def spoken_rows(known: list[Row], spoken: Spoken, topic: str, at_us: int) -> list[Row]:
    """Return what is said of a subject once a state has come: what its plane said before ends there."""
    now_s = at_us // SECOND_US
    suspicions = topic == topics.SUSPICIONS
    rows = []
    for row in known:
        mine = bool(row.code & TIER_MASK) == suspicions
        until_s = min(row.until_s, now_s) if mine else row.until_s
        if row.from_s < until_s:
            rows.append(row._replace(until_s=until_s))
    for code, until_us in spoken.codes:
        until_s = min(-(-until_us // SECOND_US), int(np.iinfo(np.uint32).max))
        if until_s > now_s:
            rows.append(Row(now_s, until_s, code))
    return rows[-ROWS_MAX:]


def loaded(path: Path, keys: Path | None) -> snapshot.Snapshot:
    """Read a snapshot.

    Raises:
        ConfigError: it is not signed by a key that is good now, damaged, or cannot be read.

    """
    if keys is None:
        raise ConfigError("--lists_snapshot needs --lists_keys, the public keys of who signs it")
    try:
        found = snapshot.opened(path.read_bytes(), ring_of(read_keys(keys)), time.time_ns() // 1000)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--lists_snapshot {path} cannot be read: {cause(error)}; write it anew") from error
    if isinstance(found, Refusal):
        raise ConfigError(f"--lists_snapshot {path} is refused: {found.detail}; write or fetch it anew")
    return found


def follower(followed: Followed) -> Follower:
    """Return this process's follower, which has begun."""
    return PROCESS.running("registry", followed, lambda: Follower(followed), Follower.close)
