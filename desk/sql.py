"""The SQL that SQLite and PostgreSQL both speak: what statements are made of, and what a connection does.

Statements are written once. Parameters are `?`, or `?1` where one is used twice; truth is 0 and 1; types are
SQLite's. What arrives is numbered by the one writer: a sequence would number in another order than that in
which transactions are kept, and readers that ask for all after a number would miss lines.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any, Protocol


class Row(Protocol):
    """One row, by number or by name of a column."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def keys(self) -> Iterable[str]: ...  # noqa: D102


class Connection(Protocol):
    """What projections write by; a cursor that comes back yields rows and knows its `rowcount`."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Any: ...  # noqa: D102
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Any: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


def among(column: str, values: Collection[Any]) -> str:
    """Return the condition that a column is one of `values`; of none it never is.

    >>> among("txn", ["a", "b"]), among("txn", [])
    ('txn IN (?, ?)', '1 = 0')
    """
    return f"{column} IN ({_places(len(values))})" if values else "1 = 0"


@cache
def insert(table: str, columns: int) -> str:
    """Return the statement that adds a row of so many columns, unless it is there already."""
    return f"INSERT INTO {table} VALUES ({_places(columns)}) ON CONFLICT DO NOTHING"


@cache
def upsert(tables: str, table: str, key: str, newer: str = "") -> str:
    """Return the statement that adds a row, or puts it in place of the one of the same key.

    Columns are in the order in which `tables` makes them; with `newer` only if that one has grown.

    >>> upsert("CREATE TABLE a(id TEXT, at INTEGER)", "a", key="id")
    'INSERT INTO a(id, at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at'
    """
    made = next(each for each in tables.split(";") if f"CREATE TABLE {table}(" in each)
    columns, keys = re.findall(r"(\w+) (?:TEXT|INTEGER|REAL|BLOB)\b", made), key.split(", ")
    changed = ", ".join(f"{each} = excluded.{each}" for each in columns if each not in keys)
    only = f" WHERE excluded.{newer} > {table}.{newer}" if newer else ""
    return (
        f"INSERT INTO {table}({', '.join(columns)}) VALUES ({_places(len(columns))}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changed}{only}"
    )


def arriving(db: Connection, table: str) -> Iterator[int]:
    """Yield numbers after all that stand in column `seq` of a table."""
    return count(1 + int(db.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0]))


def _places(values: int) -> str:
    return ", ".join("?" * values)
