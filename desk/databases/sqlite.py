"""A file of SQLite in WAL mode: one writer, any number of readers.

SQLite does not notice a bit that changed, so a clean stop leaves a digest of the file beside it, which the
next start compares; after a crash the start looks at the structure alone.
"""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import xxhash

from desk.sql import Connection
from schemas.errors import StateError

_LOGGER = logging.getLogger(__name__)

#: How long a connection waits for another process that has the file locked, seconds.
LOCKED_S = 30.0

#: What SQLite says of a file that is none of its own, and of one that another process has locked.
_FOREIGN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

#: Octets of pages kept in memory, as SQLite counts them (negative: KiB).
CACHE_KIB = -65_536


class _Connection(sqlite3.Connection):
    """A connection that can be held weakly: it ends with the file it is of, or when the store is closed."""


class File:
    """One file, and what lies beside it.

    Attributes:
        errors: what SQLite raises.
        unfit: what it raises where a value does not fit a table.

    """

    errors: tuple[type[Exception], ...] = (sqlite3.DatabaseError,)
    unfit: tuple[type[Exception], ...] = (sqlite3.IntegrityError, sqlite3.InterfaceError)

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return str(self.path)

    def own(self) -> None:
        """Take the file over for a writer; what is damaged, or no store of the desk, is put aside."""
        if wrong := self._wrong():
            self.put_aside(wrong)
        self._digest.unlink(missing_ok=True)

    def writer(self) -> Connection:
        """Open the file for the one who writes."""
        return self._opened()

    def reader(self) -> Connection:
        """Open the file for somebody who cannot write."""
        db = self._opened()
        db.execute("PRAGMA query_only = 1")
        return db

    def lives(self, db: Connection) -> bool:
        """Say that it does: a file does not go away."""
        return True

    def tables(self, db: Connection) -> set[str]:
        """Return the names of the tables."""
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def emptied(self, db: Connection) -> Connection:
        """Begin another file; returns the writer of it."""
        with suppress(sqlite3.Error):
            db.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        return self.writer()

    def made(self, statement: str) -> str:
        """Return a statement that makes a table as SQLite writes it."""
        return statement

    def is_damage(self, error: Exception) -> bool:
        """Tell whether an error says that the file is damaged."""
        return _says(error, _FOREIGN)

    def put_aside(self, why: str) -> None:
        """Keep what is damaged or foreign as `FILE.aside`, in place of what was kept before; say so."""
        aside = f"{self.path}.aside"
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        _LOGGER.error(
            "%s %s; what there is of it is kept as %s, the desk is built anew", self.path, why, aside
        )

    def close(self, db: Connection, *, whole: bool) -> None:
        """Close the writer; leave a digest if the file is `whole`."""
        if whole:
            with suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        if whole and not _size(self._log):
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
                names = self.tables(db)
        except sqlite3.DatabaseError as error:
            if _says(error, _LOCKED):
                raise StateError(f"{self.path} cannot be used at the moment: {error}") from error
            return f"is damaged or no store of the desk ({error})"
        return "" if not names or {"meta", "positions"} <= names else "is no store of the desk"

    def _opened(self) -> Connection:
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=LOCKED_S, factory=_Connection
        )
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


def _says(error: Exception, codes: Sequence[int]) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in codes


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path) -> str:
    found = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
