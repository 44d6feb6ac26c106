"""A database of PostgreSQL, in a schema of the desk's own; psycopg 3 is installed with `stopline[postgres]`.

One desk writes: it holds an advisory lock for as long as its session lasts, and a session that is lost takes
the lock with it. Statements come as SQLite has them; here places of values and types get their names.
"""

import re
import select
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import count
from typing import Any, ClassVar

from desk.sql import Connection
from schemas.errors import ConfigError, StateError, cause

try:
    import psycopg
    from psycopg import conninfo
except ImportError:  # an extra
    psycopg = None  # type: ignore[assignment]

#: The schema that the tables stand in, and the number of the lock of who writes there.
SCHEMA, LOCK = "stopline_desk", 0x5708_11E0_DE5C

#: How long to wait for a server, and for another's lock, seconds; how often the lock of a desk that was
#: killed is asked for, ten times a second.
CONNECT_S, LOCKED_S, TRIES = 10, 30, 50

_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_TYPE = re.compile(rf"\b({'|'.join(_TYPES)})\b")
_PLACE = re.compile(r"'(?:[^']|'')*'|\?(\d*)")

#: The server, too, notices within a minute that a desk has gone without a word.
_SESSION = (
    f"-c search_path={SCHEMA} -c lock_timeout={LOCKED_S}s -c synchronous_commit=off "
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)


def is_address(text: str) -> bool:
    """Tell whether a text is the address of a database, as `postgresql://host/database`.

    >>> is_address("postgresql://db.bank.example/desk"), is_address("var/desk/desk.db")
    (True, False)
    """
    return text.startswith(("postgresql://", "postgres://"))


@lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """Return a statement with its places as PostgreSQL numbers them.

    >>> numbered("a = ? AND b = '?' AND c = ?"), numbered("a = ?1 OR b = ?1")
    ("a = $1 AND b = '?' AND c = $2", 'a = $1 OR b = $1')
    """
    numbers = count(1)
    return _PLACE.sub(lambda at: at[0] if at[0][0] == "'" else f"${at[1] or next(numbers)}", sql)


class Server:
    """One database on a server; the password is in no address, as others can see command lines.

    Attributes:
        errors: what psycopg raises.
        unfit: what it raises where a value does not fit a table.

    Raises:
        ConfigError: psycopg is not installed, or the address is none, or holds a password.

    """

    def __init__(self, address: str) -> None:
        if psycopg is None:
            raise ConfigError("PostgreSQL needs psycopg; install it: pip install 'stopline[postgres]'")
        try:
            told = conninfo.conninfo_to_dict(address)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"the address of the database is none ({cause(error)}); write postgresql://user@host/database"
            ) from error
        if {"password", "sslpassword"} & told.keys():
            raise ConfigError(
                "a password in the address of the database can be read by everybody on this machine; name a "
                "file that holds it in environment variable PGPASSFILE, or use ~/.pgpass"
            )
        own = f"{told.pop('options', '')} {_SESSION}".strip()
        self._given = {"connect_timeout": CONNECT_S, "application_name": "stopline desk", **told}
        self._given["options"] = own
        self._name = f"database {told.get('dbname', '')!r} on {told.get('host', 'this machine')}"
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self.unfit: tuple[type[Exception], ...] = (psycopg.DataError, psycopg.IntegrityError)

    def __str__(self) -> str:
        return self._name

    def own(self) -> None:
        """Make sure that the schema is the desk's, or is made.

        Raises:
            ConfigError: it holds something else, or texts of the database are not UTF-8.

        """
        with self._opened() as db:
            encoding = db.execute("SHOW server_encoding").fetchone()[0]
            if encoding != "UTF8":
                raise ConfigError(f"{self} keeps texts in {encoding}; create one with ENCODING 'UTF8'")
            if not db.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (SCHEMA,)).fetchone():
                db.execute(f"CREATE SCHEMA {SCHEMA}")
            names = self.tables(db)
        if names and not {"meta", "positions"} <= names:
            raise ConfigError(
                f"schema {SCHEMA} of {self} holds tables that are not the desk's; name another database"
            )

    def writer(self) -> Connection:
        """Open the database for the one who writes.

        Raises:
            ConfigError: another desk does.

        """
        db: Connection = self._opened()
        for _ in range(TRIES):
            if db.execute("SELECT pg_try_advisory_lock(?)", (LOCK,)).fetchone()[0]:
                return db
            db.execute("SELECT pg_sleep(0.1)")
        db.close()
        raise ConfigError(
            f"another desk keeps its store in {self}; stop that one, or give this one another database"
        )

    def reader(self) -> Connection:
        """Open the database for somebody who cannot write."""
        db: Connection = self._opened()
        db.execute("SET default_transaction_read_only = on")
        return db

    def lives(self, db: Any) -> bool:
        """Tell whether a session still stands; one that is idle hears of nothing but its end."""
        if db.closed:
            return False
        said = select.poll()
        said.register(db.fileno(), select.POLLIN)
        return not said.poll(0)

    def tables(self, db: Connection) -> set[str]:
        """Return the names of the tables."""
        found = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = ?", (SCHEMA,))
        return {name for (name,) in found}

    def emptied(self, db: Connection) -> Connection:
        """Drop the tables; returns the writer."""
        if names := sorted(self.tables(db)):
            db.execute(f"DROP TABLE {', '.join(names)} CASCADE")
        return db

    def made(self, statement: str) -> str:
        """Return a statement that makes a table with the types of PostgreSQL.

        Text is ordered by its octets, as in SQLite, whatever the database was created with.
        """
        return _TYPE.sub(lambda at: _TYPES[at[0]], statement)

    def is_damage(self, error: Exception) -> bool:
        """Say that it is none: a server looks after its own files."""
        return False

    def put_aside(self, why: str) -> None:
        """Keep nothing aside."""

    def close(self, db: Connection, *, whole: bool) -> None:
        """Close the writer, and with it give up the lock."""
        db.close()

    def _opened(self) -> Any:
        try:
            db = _opener()(self._given)
        except psycopg.OperationalError as error:
            answers = "FATAL" in str(error) or "password" in str(error)
            hint = (
                "it answers: mend user or database, or the password in the file that PGPASSFILE names"
                if answers
                else "start the server, or name another database"
            )
            raise StateError(f"{self} cannot be reached: {cause(error)}; {hint}") from error
        return db


@cache
def _opener() -> Callable[[Mapping[str, Any]], Any]:
    """Return what opens a session; made at first use, as psycopg is an extra."""

    class Cursor(psycopg.RawCursor[Any]):
        def execute(self, query: Any, params: Any = None, **given: Any) -> Any:
            return super().execute(numbered(query), params or None, **given)

        def executemany(self, query: Any, params_seq: Iterable[Any], **given: Any) -> None:
            super().executemany(numbered(query), params_seq, **given)

    class Session(psycopg.Connection[Any]):
        def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> Any:
            cursor = self.cursor()
            cursor.executemany(query, rows)
            return cursor

    class Whole(psycopg.adapt.Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data))

    def opened(given: Mapping[str, Any]) -> Any:
        db = Session.connect(autocommit=True, cursor_factory=Cursor, row_factory=_rows, **given)
        db.adapters.register_loader("numeric", Whole)  # sums of whole numbers
        return db

    return opened


class _Row(tuple[Any, ...]):
    """A row that is asked by number or by name, as those of SQLite are."""

    _places: ClassVar[Mapping[str, int]]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._places[key] if isinstance(key, str) else key)

    def keys(self) -> Iterator[str]:
        return iter(self._places)


@lru_cache(maxsize=512)
def _row_class(names: tuple[str, ...]) -> type[_Row]:
    places = {name: number for number, name in enumerate(names)}
    return type("Row", (_Row,), {"_places": places})


def _rows(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    return _row_class(tuple(each.name for each in cursor.description or ()))
