"""The rows of a table as text, block by block; a table that cannot be read says what it looks like."""

import csv
import re
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from console.lab.imports import typed
from console.lab.imports.mapping import Table
from schemas.errors import ConfigError, cause

#: Rows read at once.
BLOCK_ROWS = 200_000

#: UTF-8 with or without a byte order mark in front.
_WITHOUT_MARK = dict.fromkeys(("utf-8", "utf8", "utf_8"), "utf-8-sig")

_BOOK = "an Excel workbook; save its sheet as CSV UTF-8"
_UTF_16 = "text in UTF-16; say so in the mapping: table: {encoding: utf-16}"

#: How files begin that are no table of text, what may be said in `table` of those that are right, the mend.
_BEGINNINGS = (
    (b"PK\3\4", "", f"{_BOOK}, or unpack it if it is an archive"),
    (b"\xd0\xcf\x11\xe0", "", _BOOK),
    (b"%PDF", "", "a PDF; ask for the payments as CSV"),
    (b"PAR1", "parquet", "Parquet; say so in the mapping: table: {format: parquet}"),
    (b"\xff\xfe", "utf-16", _UTF_16),
    (b"\xfe\xff", "utf-16", _UTF_16),
    (b"<", "", "XML; messages of ISO 20022 are read by: stopline import iso20022"),
    (b"[", "", "one JSON array; write an object a line, and say so: table: {format: jsonl}"),
    (b"{", "jsonl", "JSON; say so in the mapping: table: {format: jsonl}"),
)

_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip"}

#: Lines at the beginning of a file among which its column names are looked for.
_HEAD_LINES = 50

_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def blocks(how: Table, columns: tuple[str, ...], table: Path) -> Iterator[pd.DataFrame]:
    """Yield these columns of a table as text.

    Raises:
        ConfigError: it cannot be read, or lacks a column; says what it looks like and how to mend it.

    """
    try:
        _require_table(how, table)
        for names, rows in _read(how, columns, table):
            _require(columns, names, how, table)
            yield rows[list(columns)]
    except UnicodeError as error:
        raise ConfigError(
            f"{table} is not written in {how.encoding} ({getattr(error, 'reason', error)}); name what it is "
            "in the mapping, such as table: {encoding: cp1252}"
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(
            f"{table} cannot be read as {how.format}: {_why(error, how, columns, table)}"
        ) from error


def _require_table(how: Table, table: Path) -> None:
    with table.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ConfigError(f"{table} is empty; name the file that holds the payments")
    for begins, right, what in _BEGINNINGS:
        if head.lstrip().startswith(begins) and right not in (
            how.format,
            how.encoding.lower().replace("_", "-"),
        ):
            raise ConfigError(f"{table} is {what}")


def _require_names(how: Table, table: Path) -> None:
    """Refuse a table whose lines hold more values than it has names; separators at the end are no matter."""
    with table.open(encoding=how.encoding, errors="replace", newline="") as file:
        lines = csv.reader(islice(file, how.skip, how.skip + 2), delimiter=how.separator, quotechar=how.quote)
        names, first = list(how.names) or next(lines, list[str]()), next(lines, list[str]())
    if len(names) > 1 and any(first[len(names) :]):
        raise ConfigError(
            f"{table} has {len(names)} names of columns and {len(first)} values in line {how.skip + 2}; "
            "name every column, or quote a value that holds the separator"
        )


def _read(how: Table, columns: tuple[str, ...], table: Path) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """Yield the names of all columns of a block, and as text those asked for that it has."""
    if how.format == "csv":
        if table.suffix not in _PACKED:
            _require_names(how, table)
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of the same
        for rows in pd.read_csv(
            table, sep=how.separator, quotechar=how.quote, dtype=str, keep_default_na=False,
            chunksize=BLOCK_ROWS, encoding=_WITHOUT_MARK.get(how.encoding.lower(), how.encoding),
            skiprows=how.skip, index_col=False, names=how.names or None, header=None if how.names else 0,
        ):  # fmt: skip
            yield [str(name) for name in rows.columns], rows
    else:
        read = typed.of_lines if how.format == "jsonl" else typed.of_parquet
        yield from read(table, columns, _WITHOUT_MARK.get(how.encoding.lower(), how.encoding), BLOCK_ROWS)


def _require(columns: tuple[str, ...], names: list[str], how: Table, table: Path) -> None:
    lacking = [name for name in columns if name not in names]
    if not lacking:
        return
    hint = (
        _separator(names) or _skipped(how, columns, table) or _misread(names, lacking[0]) or _nameless(names)
    )
    if not hint and (near := get_close_matches(lacking[0], names, 1, 0.6)):
        hint = f"; is {near[0]!r} meant?"
    others = f" nor {', '.join(map(repr, lacking[1:]))}" if lacking[1:] else ""
    raise ConfigError(
        f"{table} has no column {lacking[0]!r}{others}, which the mapping reads; it has "
        f"{', '.join(names[:40])}{hint}"
    )


def _separator(names: list[str]) -> str:
    """Say which separator a table of one column seems to have, "" if none."""
    head = names[0] if len(names) == 1 else ""
    found = max(";\t|,", key=head.count)
    return f"; its separator seems to be {found!r}: table: {{separator: {found!r}}}" if found in head else ""


def _skipped(how: Table, columns: tuple[str, ...], table: Path) -> str:
    """Say in which line the names stand if not in the first, "" if in none."""
    if how.format != "csv":
        return ""
    with table.open(encoding=how.encoding, errors="replace") as file:
        for number, line in enumerate(islice(file, _HEAD_LINES)):
            if number > how.skip and all(name in line for name in columns):
                return f"; its names seem to stand in line {number + 1}: table: {{skip: {number}}}"
    return ""


def _misread(names: list[str], wanted: str) -> str:
    """Say that names in UTF-8 were read as another encoding, "" if they were not."""
    if any(unscrambled(name) == wanted for name in names):
        return "; it is written in UTF-8: leave `encoding` out of the mapping"
    return ""


def _nameless(names: list[str]) -> str:
    """Say that the first line holds values and no names, "" if it does not."""
    if sum(any(sign.isdigit() for sign in name) for name in names) * 2 < len(names):
        return ""
    return "; if this is a payment, name the columns in order: table: {names: [Ref, Zeit, …]}"


def unscrambled(text: str) -> str:
    """Return text of UTF-8 that was read as Windows-1252 as it was, other text as it is.

    >>> unscrambled("W\u00c3\u00a4hrung"), unscrambled("W\u00e4hrung")
    ('Währung', 'Währung')
    """
    try:
        return text.encode("cp1252").decode()
    except UnicodeError:
        return text


def _why(error: Exception, how: Table, columns: tuple[str, ...], table: Path) -> str:
    said = cause(error)
    if found := _FIELDS.search(said):
        usual, line, saw = found.groups()
        hint = _skipped(how, columns, table) or (
            f"; quote a value that holds {how.separator!r}, or take the line out"
        )
        return f"line {line} has {saw} values and those before {usual}{hint}"
    return said
