"""The read model's store: SQLite in WAL mode, one writer, any number of readers.

What was read and what was made of it are committed together, so that the store is never ahead of its
positions nor behind them. It holds nothing that is not on Kafka: deleted, it is rebuilt.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.errors import StateError

#: Octets of pages kept in memory, as SQLite counts them (negative: KiB).
CACHE_KIB = -65_536

_OWN = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE positions(
  topic TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY(topic, partition));
CREATE TABLE touched(account TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unreadable(
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY(topic, partition, offset));
"""


class Store:
    """One file of the read model; `tables` are the statements that make what the projections fill.

    A file of other tables is made `anew`, or refused (`StateError`).
    """

    def __init__(self, path: Path, tables: Sequence[str], *, anew: bool = True) -> None:
        self.path = path
        self._made = (_OWN, *tables)
        self._threads = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._opened()
        if self._value("format") == self.format:
            return
        if not anew:
            raise StateError(f"{path} is of another release of the desk; start that one, it builds it anew")
        self.clear()

    @property
    def format(self) -> str:
        """What the tables are; a store of other tables is made anew."""
        return sha256("\n".join(self._made).encode()).hexdigest()[:16]

    @property
    def epoch(self) -> str:
        """Name this build of the store: places in another one's list mean nothing here."""
        return self._value("epoch")

    def clear(self) -> None:
        """Forget everything; the next reading begins at the beginning of the topics."""
        self._writer.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._threads = threading.local()
        self._writer = self._opened()
        epoch = sha256(str(self.path.stat().st_ctime_ns).encode()).hexdigest()[:8]
        with self.writing() as db:
            for statement in ";".join(self._made).split(";"):
                db.execute(statement)
            rows = [("format", self.format), ("epoch", epoch)]
            db.executemany("INSERT INTO meta VALUES (?, ?)", rows)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the writer one transaction: all of it is kept, or nothing."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    def reader(self) -> sqlite3.Connection:
        """Return this thread's connection, which cannot write."""
        db: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if db is None:
            db = self._threads.db = self._opened()
            db.execute("PRAGMA query_only = 1")
        return db

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Ask from whichever thread."""
        return self.reader().execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Ask for one row; None if there is none."""
        found: sqlite3.Row | None = self.reader().execute(query, values).fetchone()
        return found

    def close(self) -> None:
        """Close the writer; readers end with their threads."""
        self._writer.close()

    def _value(self, name: str) -> str:
        try:
            found = self._writer.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        except sqlite3.OperationalError:
            return ""
        except sqlite3.DatabaseError as error:
            raise StateError(f"{self.path} is no store of the desk: {error}; delete it") from error
        return str(found[0]) if found else ""

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        db.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = {CACHE_KIB}"):
                db.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            raise StateError(f"{self.path} is no store of the desk: {error}; delete it") from error
        return db


def packed(value: bytes) -> bytes:
    """Return a message as the store keeps it."""
    return zlib.compress(value, 1)


def unpacked(value: bytes) -> bytes:
    """Return a message that the store kept."""
    return zlib.decompress(value)
