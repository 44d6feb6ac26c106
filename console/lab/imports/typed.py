"""Rows whose values have types, of Parquet and JSON Lines, as the text a CSV of them would hold.

A number without a fraction is written without one, whatever its type: many tools keep a column of account
numbers that lacks one as doubles, and `1001.0` would become another token than `1001`.
"""

import json
import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Block = tuple[list[str], pd.DataFrame]


def of_parquet(table: Path, wanted: Iterable[str], encoding: str, size: int) -> Iterator[Block]:
    """Yield the names of all columns and the wanted ones that there are; `a.b` is field b of a struct a.

    Raises:
        UnicodeDecodeError: a wanted column holds bytes that are no text in that encoding.

    """
    for batch in pq.ParquetFile(table).iter_batches(size):
        block = pa.Table.from_batches([batch])
        while any(pa.types.is_struct(field.type) for field in block.schema):
            block = block.flatten()
        names = [name for name in wanted if name in block.column_names]
        rows = {name: [text(each, encoding) for each in block[name].to_pylist()] for name in names}
        yield block.column_names, pd.DataFrame(rows, dtype=object)


def of_lines(table: Path, wanted: Iterable[str], encoding: str, size: int) -> Iterator[Block]:
    """Yield the same of JSON objects, one a line.

    Raises:
        ValueError: a line holds no object; names the line.

    """
    with fsspec.open(str(table), "rt", encoding=encoding, compression="infer") as file:
        lines, names = enumerate(file, 1), dict[str, None]()
        while some := list(islice(lines, size)):
            objects = [dict(_flat("", _object(line, number))) for number, line in some if line.strip()]
            names.update(dict.fromkeys(name for each in objects for name in each))
            rows = {
                name: [text(each.get(name), encoding) for each in objects] for name in wanted if name in names
            }
            yield list(names), pd.DataFrame(rows, dtype=object)


def text(value: Any, encoding: str = "utf-8") -> str:
    """Return a value as text, "" if there is none.

    >>> [text(value) for value in (1001.0, 0.5, 2**60, True, None, b"DE", Decimal("1.50"), float("nan"))]
    ['1001', '0.5', '1152921504606846976', 'True', '', 'DE', '1.50', '']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode(encoding)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"line {number} holds no object in braces but {line.strip()[:40]!r}")
    return value


def _flat(within: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{within}{name}.", value)
        else:
            yield within + name, value
