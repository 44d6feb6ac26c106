"""The read model's store: one writer, any number of readers, in a file or on a server.

What was read and what was made of it are committed together, so that the store is never ahead of its
positions nor behind them. It holds nothing that is not on Kafka: deleted or damaged, it is rebuilt.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any
from weakref import WeakSet

from desk.databases.postgresql import Server, is_address
from desk.databases.sqlite import File
from desk.sql import Connection, Row
from schemas.errors import StateError, cause

_INDEX = re.compile(r"CREATE INDEX (?P<name>\w+) ON (?P<table>\w+)\(.*", re.DOTALL)

#: The tables of the store itself.
OWN = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE positions(
  topic TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY(topic, partition));
CREATE TABLE touched(account TEXT PRIMARY KEY);
CREATE TABLE unreadable(
  seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, message_offset INTEGER NOT NULL,
  why TEXT NOT NULL, UNIQUE(topic, partition, message_offset));
"""


class Store:
    """The read model at a path, or at an address of PostgreSQL; `tables` are the statements that make it.

    A store of other tables is made `anew`, or refused (`StateError`); a file that is damaged, or no store of
    ours, is put aside first. Only who makes a store `anew` owns it; others read.

    Attributes:
        database: where it stands.
        damaged: whether damage was met since it was opened.
        beside: what is kept in memory beside it, by its type.

    """

    def __init__(self, at: Path | str, tables: Sequence[str], *, anew: bool = True) -> None:
        self.database = Server(at) if isinstance(at, str) and is_address(at) else File(Path(at))
        self._statements = [each.strip() for each in ";".join((OWN, *tables)).split(";") if each.strip()]
        self._idle: list[Connection] = []
        self._connections: WeakSet[Connection] = WeakSet()
        self._owned, self.damaged = anew, False
        self.beside: dict[type, Any] = {}
        with self.told():
            if anew:
                self.database.own()
                self._writer = self.database.writer()
            with self.reading() as db:
                there = self.database.tables(db)
            if "meta" in there and self._value("format") == self.format:
                return
        if not anew:
            self.close()
            raise StateError(
                f"{self.database} is of another release of the desk; start that one, it builds it anew"
            )
        self.clear()

    @property
    def format(self) -> str:
        """What the tables are; a store of other tables is made anew."""
        return sha256("\n".join(self._statements).encode()).hexdigest()[:16]

    @property
    def epoch(self) -> str:
        """Name this build of the store: places in another one's list mean nothing here."""
        return self._value("epoch")

    def put_aside(self, why: str) -> None:
        """Keep what is damaged aside; say so."""
        with suppress(*self.database.errors):
            self._writer.close()
        self.database.put_aside(why)

    def clear(self) -> None:
        """Forget everything; the next reading begins at the beginning of the topics."""
        with self.told():
            self._writer = self.database.emptied(self._living())
        self._idle, self.damaged = [], False
        with self.writing() as db:
            for statement in self._statements:
                db.execute(self.database.made(statement))
            rows = [("format", self.format), ("epoch", token_hex(4))]
            db.executemany("INSERT INTO meta VALUES (?, ?)", rows)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the writer one transaction: all of it is kept, or nothing."""
        with self.told():
            db = self._living()
            db.execute("BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(*self.database.errors):
                    db.execute("ROLLBACK")
                raise

    @property
    def building(self) -> bool:
        """Whether much is still to be read into a store that began empty: indices are made at the end."""
        return self._value("building") == "1"

    def begin_building(self) -> None:
        """Drop the indices, so that each of a great many rows need not find its place in all of them."""
        with self.writing() as db:
            db.execute("INSERT INTO meta VALUES ('building', '1') ON CONFLICT DO NOTHING")
            for name in self._late:
                db.execute(f"DROP INDEX IF EXISTS {name}")

    def end_building(self, db: Connection) -> None:
        """Make the indices, in a transaction of the writer."""
        for statement in self._late.values():
            db.execute(statement)
        db.execute("DELETE FROM meta WHERE name = 'building'")

    @property
    def _late(self) -> dict[str, str]:
        """The indices that can wait, by name: not those of cases, which are summed up at the end."""
        found = (_INDEX.match(each) for each in self._statements)
        return {each["name"]: each[0] for each in found if each and each["table"] != "cases"}

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what the database meets, damage or a full disk, as `StateError`."""
        try:
            yield
        except self.database.errors as error:
            self.damaged |= self.database.is_damage(error)
            raise StateError(f"{self.database} cannot be used at the moment: {cause(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection that cannot write to whichever thread, the one that was given back last."""
        with self.told():
            db = self._lent()
            try:
                yield db
            except self.database.errors:
                db.close()
                raise
            self._idle.append(db)

    def _lent(self) -> Connection:
        while True:
            try:
                db = self._idle.pop()
            except IndexError:
                break
            if self.database.lives(db):
                return db
            db.close()
        db = self.database.reader()
        self._connections.add(db)
        return db

    def _living(self) -> Connection:
        """Return the writer, or another one where the server has dropped its session."""
        if not self.database.lives(self._writer):
            self._writer.close()
            self._writer = self.database.writer()
        return self._writer

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Ask from whichever thread."""
        with self.reading() as db:
            found: list[Row] = db.execute(query, values).fetchall()
        return found

    def row(self, query: str, *values: Any) -> Row | None:
        """Ask for one row; None if there is none."""
        with self.reading() as db:
            found: Row | None = db.execute(query, values).fetchone()
        return found

    def close(self) -> None:
        """Close every connection, the writer's last."""
        for each in set(self._connections):
            each.close()
        if self._owned:
            self.database.close(self._writer, whole=not self.damaged)

    def _value(self, name: str) -> str:
        row = self.row("SELECT value FROM meta WHERE name = ?", name)
        return str(row[0]) if row else ""


def packed(value: bytes) -> bytes:
    """Return a message as the store keeps it."""
    return zlib.compress(value, 1)


def unpacked(value: bytes) -> bytes:
    """Return a message that the store kept."""
    return zlib.decompress(value)
