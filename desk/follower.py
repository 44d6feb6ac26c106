"""Follows the topics into the store: chunks of messages and their positions, one transaction at a time."""

import logging
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any

from desk import cases
from desk.open_cases import open_cases
from desk.projections.projection import Ground, Message, Place, Projection
from desk.projections.table import PROJECTIONS
from desk.sight import EVERYTHING
from desk.sql import Connection, arriving, insert, upsert
from desk.store import OWN, Store
from pipelines.kafka.port import (
    Chunk,
    ChunkReader,
    KafkaSettings,
    OffsetOutOfRangeError,
    Partition,
    open_admin,
    open_reader,
)
from pipelines.kafka.seal import SEALED, UNSEALED, read_seal
from schemas.contract import UNREADABLE
from schemas.dead_letter import unreadable_as
from schemas.errors import BrokerError, ConfigError, SchemaError, StateError

_LOGGER = logging.getLogger(__name__)

#: Messages of one poll; the rest when nothing came, and how often new topics are looked for, seconds.
POLL_ROWS, REST_S, LOOK_S = 4_000, 0.05, 5.0

#: Cases are summed up with every transaction but while so much is still to be read: then once, at the end.
#: A store that begins empty with so much to be read is built: without indices, by larger transactions.
BEHIND_ROWS, BUILD_ROWS = 20_000, 20_000

_PUT_POSITION = upsert(OWN, "positions", key="topic, partition")


class Follower:
    """Reads every topic of the projections; `step` by hand, or `run` in a thread of its own.

    Attributes:
        changed: number of the last change of a case.
        caught_up: whether all that the topics held when reading began is in the store.

    """

    def __init__(
        self,
        store: Store,
        settings: KafkaSettings,
        ground: Ground,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> None:
        self.store, self._settings, self._ground = store, settings, ground
        self._projections = {each.topic: each for each in projections}
        self._seal = read_seal(settings.seal_key)
        self._reader: ChunkReader | None = None
        self._ids: dict[str, str] = {}
        self._behind: dict[Partition, int] = {}
        self._touched: set[str] = set()
        self._looked = -LOOK_S
        self._stopped = threading.Event()
        self._unfit: tuple[type[Exception], ...] = (
            SchemaError,
            ValueError,
            OverflowError,
            *store.database.unfit,
        )
        self.caught_up = False
        self.lag, self.read, self.wrong = 0, 0, ""
        self.changed = cases.last_change(store)
        self._building = store.building

    def run(self) -> None:
        """Follow until `stop`; an outage is waited out and said."""
        while not self._stopped.is_set():
            try:
                if not self.step():
                    self._stopped.wait(REST_S)
                self.wrong = ""
            except (BrokerError, ConfigError, StateError) as error:
                if str(error) != self.wrong:
                    _LOGGER.error("the desk does not get on: %s", error)
                self.wrong = str(error)
                self.close()
                if self.store.damaged:
                    self.store.put_aside("is damaged")
                    self._anew()
                self._stopped.wait(LOOK_S)
        self.close()

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, name="desk-follower", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Let `run` end after its transaction."""
        self._stopped.set()

    def catch_up(self, timeout_s: float = 600.0) -> None:
        """Step until all that the topics hold now is in the store.

        Raises:
            BrokerError: it did not come in time.

        """
        deadline = time.monotonic() + timeout_s
        while not self.caught_up:
            if not self.step():
                time.sleep(0.01)
            if time.monotonic() > deadline:
                raise BrokerError(f"the desk lacks {self.lag:,} messages after {timeout_s:.0f} s")

    def step(self) -> int:
        """Take over what is there to be read; returns how many messages."""
        if time.monotonic() >= self._looked + LOOK_S:
            self._look()
        assert self._reader is not None
        chunks = self._polled(self._reader)
        count = sum(len(chunk.values) for chunk in chunks)
        positions = self._reader.positions()
        self.lag = sum(max(end - positions.get(at, 0), 0) for at, end in self._behind.items())
        refresh = self.lag < (POLL_ROWS if self._building else BEHIND_ROWS)
        if chunks or (refresh and (self._touched or self._building)):
            self._take(chunks, refresh=refresh)
        if not self.lag and not self._touched:
            self._arrived()
        self.read += count
        return count

    def _arrived(self) -> None:
        if not self.caught_up and self._looked > 0:
            open_cases(self.store).seen(EVERYTHING)  # so that the first page need not wait for it
            self.caught_up = True

    def _polled(self, reader: ChunkReader) -> list[Chunk]:
        try:
            chunks = reader.poll(POLL_ROWS)
            while self._building and chunks and sum(len(each.values) for each in chunks) < BUILD_ROWS:
                if not (more := reader.poll(POLL_ROWS)):
                    break
                chunks += more
        except OffsetOutOfRangeError as error:
            _LOGGER.error("%s; the desk is built anew", error)
            self._anew()
            raise BrokerError(str(error)) from error
        return chunks

    def _take(self, chunks: list[Chunk], *, refresh: bool) -> None:
        with self.store.writing() as db:
            for chunk in chunks:
                topic, partition = chunk.topic, int(chunk.partitions[0])
                self._touched.update(self._put(db, self._projections[topic], partition, chunk))
                db.execute(
                    _PUT_POSITION,
                    (topic, partition, self._ids.get(topic, ""), int(chunk.offsets[-1]) + 1),
                )
            if built := refresh and self._building:
                self.store.end_building(db)
                self._touched.update(cases.everybody(db))
            touched = sorted(self._touched) if refresh else []
            changed = cases.refresh(db, touched, self.changed)
            if refresh:
                db.execute("DELETE FROM touched")
            elif not self._building:
                rows = [(each,) for each in self._touched]
                db.executemany(insert("touched", 1), rows)
        self._building = self._building and not built
        if refresh or self._building:
            self._touched.clear()
        self.changed = changed

    def _put(self, db: Connection, projection: Projection, partition: int, chunk: Chunk) -> Collection[str]:
        messages: list[Message] = []
        unreadable: list[tuple[str, int, int, str]] = []
        for value, offset in zip(chunk.values, chunk.offsets.tolist(), strict=True):
            place = Place(projection.topic, partition, offset)
            try:
                if (
                    self._seal
                    and projection.topic in SEALED
                    and not self._seal.holds(projection.topic, value)
                ):
                    raise ValueError(UNSEALED)
                messages.append(Message(place, value, projection.read(value)))
            except UNREADABLE as error:
                unreadable.append((*place, _why(error)))
        touched = self._guarded(db, projection, messages, unreadable)
        if not self._building:
            touched = {*touched, *projection.others(db, messages)}
        seq = arriving(db, "unreadable")
        db.executemany(insert("unreadable", 5), [(next(seq), *each) for each in unreadable])
        return touched

    def _guarded(
        self, db: Connection, projection: Projection, messages: list[Message], unreadable: list[Any]
    ) -> Collection[str]:
        """Put all messages at once; if one cannot be put, one by one, and set that one aside."""
        if not messages:
            return ()
        db.execute("SAVEPOINT whole")
        try:
            touched = projection.put(db, self._ground, messages)
            db.execute("RELEASE whole")
            return touched
        except self._unfit as error:
            db.execute("ROLLBACK TO whole")
            db.execute("RELEASE whole")
            if len(messages) == 1:
                unreadable.append((*messages[0].place, _why(error)))
                return ()
        found = [self._guarded(db, projection, [each], unreadable) for each in messages]
        return {account for each in found for account in each}

    def _look(self) -> None:
        """Open what is there by now; begin anew where a topic is another one than the positions are of."""
        with closing(open_admin(self._settings)) as admin:
            counts = admin.partition_counts()
            there = [topic for topic in self._projections if topic in counts]
            self._ids = {topic: state.topic_id for topic, state in admin.describe(there).items()}
            places = [(topic, number) for topic in there for number in range(counts[topic])]
            known = {
                (row["topic"], row["partition"]): row for row in self.store.rows("SELECT * FROM positions")
            }
            replaced = [
                at for at in known if self._ids.get(at[0], known[at]["topic_id"]) != known[at]["topic_id"]
            ]
            if replaced:
                _LOGGER.warning("topic %s was created anew; the desk is built anew", replaced[0][0])
                self._anew()
                known = {}
            reading = self._reader.positions() if self._reader else {}
            fresh = [at for at in places if at not in reading]
            first = admin.beginning_offsets(fresh) if fresh else {}
            if not self.caught_up:
                self._behind = admin.end_offsets(places)
        if not known and sum(self._behind.values()) - sum(first.values()) >= BEHIND_ROWS:
            self.store.begin_building()
        self._building = self.store.building
        if fresh or self._reader is None:
            self._reader = self._reader or open_reader(self._settings)
            stood = {at: known[at]["next_offset"] if at in known else 0 for at in fresh}
            self._reader.assign({**reading, **{at: max(stood[at], first[at]) for at in fresh}})
        if self._looked < 0:
            self.changed = cases.last_change(self.store)
            self._touched.update(name for (name,) in self.store.rows("SELECT account FROM touched"))
        self._looked = time.monotonic()

    def _anew(self) -> None:
        self.close()
        self.store.clear()
        self._touched.clear()
        self.changed, self.caught_up = 0, False

    def close(self) -> None:
        """Close the connection; a later step opens another."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._looked = -LOOK_S


def _why(error: Exception) -> str:
    return unreadable_as(error)[1][:300].replace("\0", "")
