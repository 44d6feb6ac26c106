"""The read model's store: SQLite in WAL mode, one writer, any number of readers.

What was read and what was made of it are committed together, so that the store is never ahead of its
positions nor behind them. It holds nothing that is not on Kafka: deleted or damaged, it is rebuilt. SQLite
does not notice a bit that changed, so a clean stop leaves a digest of the file beside it, which the next
start compares; after a crash the start looks at the structure alone.
"""

import logging
import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakSet

import xxhash

from schemas.errors import StateError

_LOGGER = logging.getLogger(__name__)

#: How long a connection waits for another process that has the file locked, seconds.
LOCKED_S = 30.0

#: What SQLite says of a file that is none of its own, and of one that another process has locked.
_FOREIGN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

#: Octets of pages kept in memory, as SQLite counts them (negative: KiB).
CACHE_KIB = -65_536

_INDEX = re.compile(r"CREATE INDEX (?P<name>\w+) ON (?P<table>\w+)\(.*", re.DOTALL)

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


class _Connection(sqlite3.Connection):
    """A connection that can be held weakly: it ends with the file it is of, or when the store is closed."""


class Store:
    """One file of the read model; `tables` are the statements that make what the projections fill.

    A file of other tables is made `anew`, or refused (`StateError`); one that is damaged, or no store of
    ours, is put aside first. Only who makes a store `anew` owns it; others read.

    Attributes:
        damaged: whether SQLite has met damage since the file was opened.
        beside: what is kept in memory beside the file, by its type.

    """

    def __init__(self, path: Path, tables: Sequence[str], *, anew: bool = True) -> None:
        self.path = path
        self._made = (_OWN, *tables)
        self._idle: list[_Connection] = []
        self._connections: WeakSet[_Connection] = WeakSet()
        self._owned, self.damaged = anew, False
        self.beside: dict[type, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if anew and (wrong := self._wrong()):
            self.put_aside(wrong)
        if anew:
            self._digest.unlink(missing_ok=True)
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

    def put_aside(self, why: str) -> None:
        """Keep what is damaged or foreign as `FILE.aside`, in place of what was kept before; say so."""
        with suppress(AttributeError, sqlite3.Error):
            self._writer.close()
        aside = f"{self.path}.aside"
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        _LOGGER.error(
            "%s %s; what there is of it is kept as %s, the desk is built anew", self.path, why, aside
        )

    def clear(self) -> None:
        """Forget everything; the next reading begins at the beginning of the topics."""
        with suppress(sqlite3.Error):
            self._writer.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.damaged = False
        self._idle = []
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
        with self.told():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    @property
    def building(self) -> bool:
        """Whether much is still to be read into a store that began empty: indices are made at the end."""
        return self._value("building") == "1"

    def begin_building(self) -> None:
        """Drop the indices, so that each of a great many rows need not find its place in all of them."""
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('building', '1')")
            for name in self._late:
                db.execute(f"DROP INDEX IF EXISTS {name}")

    def end_building(self, db: sqlite3.Connection) -> None:
        """Make the indices, in a transaction of the writer."""
        for statement in self._late.values():
            db.execute(statement)
        db.execute("DELETE FROM meta WHERE name = 'building'")

    @property
    def _late(self) -> dict[str, str]:
        """The indices that can wait, by name: not those of cases, which are summed up at the end."""
        found = (_INDEX.match(each.strip()) for each in ";".join(self._made).split(";"))
        return {each["name"]: each[0] for each in found if each and each["table"] != "cases"}

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what SQLite meets, damage or a full disk, as `StateError`."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            self.damaged |= _says(error, _FOREIGN)
            raise StateError(f"{self.path} cannot be used at the moment: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that cannot write to whichever thread, the one that was given back last."""
        with self.told():
            idle = self._idle
            try:
                db = idle.pop()
            except IndexError:
                db = self._opened()
                db.execute("PRAGMA query_only = 1")
            yield db
            idle.append(db)

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Ask from whichever thread."""
        with self.reading() as db:
            return db.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Ask for one row; None if there is none."""
        with self.reading() as db:
            found: sqlite3.Row | None = db.execute(query, values).fetchone()
        return found

    def close(self) -> None:
        """Close every connection, the writer's last, and note the file's digest."""
        for each in set(self._connections) - {self._writer}:
            each.close()
        if self._owned and not self.damaged:
            with suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()
        if self._owned and not self.damaged and not _size(self._log):
            digest = _digest(self.path)
            self._digest.write_text(f"{digest} {digest}")

    @property
    def _digest(self) -> Path:
        return self.path.with_name(f"{self.path.name}.digest")

    @property
    def _log(self) -> Path:
        return Path(f"{self.path}-wal")

    def _wrong(self) -> str:
        """Say what is wrong with the file as it lies there; "" if nothing is."""
        found = self._digest.read_text("latin-1") if self._digest.exists() else ""
        noted, _, again = found.partition(" ")
        if noted and noted == again:
            as_left = self.path.exists() and noted == _digest(self.path) and not _size(self._log)
            return "" if as_left else "is not what the desk left when it stopped"
        if not _size(self.path):
            return ""
        try:
            with closing(sqlite3.connect(self.path, timeout=LOCKED_S)) as db:
                if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                    return f"is damaged ({said})"
                names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        except sqlite3.DatabaseError as error:
            if _says(error, _LOCKED):
                raise StateError(f"{self.path} cannot be used at the moment: {error}") from error
            return f"is damaged or no store of the desk ({error})"
        return "" if not names or {"meta", "positions"} <= names else "is no store of the desk"

    def _value(self, name: str) -> str:
        try:
            found = self._writer.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        except sqlite3.OperationalError:
            return ""
        except sqlite3.DatabaseError as error:
            raise StateError(f"{self.path} is no store of the desk: {error}; delete it") from error
        return str(found[0]) if found else ""

    def _opened(self) -> _Connection:
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=LOCKED_S, factory=_Connection
        )
        self._connections.add(db)
        db.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = {CACHE_KIB}"):
                db.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            db.close()
            if _says(error, _FOREIGN):
                raise StateError(f"{self.path} is no store of the desk: {error}; delete it") from error
            raise StateError(f"{self.path} cannot be used at the moment: {error}") from error
        return db


def _says(error: sqlite3.DatabaseError, codes: Sequence[int]) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in codes


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path) -> str:
    found = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def packed(value: bytes) -> bytes:
    """Return a message as the store keeps it."""
    return zlib.compress(value, 1)


def unpacked(value: bytes) -> bytes:
    """Return a message that the store kept."""
    return zlib.decompress(value)
