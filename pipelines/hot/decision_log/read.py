"""Reading the decision log: one table over all its files, whichever release wrote them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from models import features
from pipelines.hot.decision_log import finished
from pipelines.hot.decision_log.frames import Damaged, framed_table
from pipelines.hot.decision_log.rows import COLUMNS, VERSION
from schemas.alert import Leg
from schemas.errors import ConfigError, cause

#: What names of files begin with.
NAMES = ("credit-", "debit-", "payment-")

#: Columns of `COLUMNS` that a file may lack.
_OPTIONAL = {"model_outcome", "shadow", "shadow_score", "shadow_outcome", "lists"}


class Log(NamedTuple):
    """What a log holds of one leg.

    Attributes:
        rows: one per payment, ordered by event time: `COLUMNS`, then features, nan where a file lacks one.
        lacking: feature -> days of which a file lacks it in the version that this release computes.
        left_out: files that were left out, each with what is wrong with it.

    """

    rows: pa.Table
    lacking: dict[str, list[str]]
    left_out: list[str]


def read(folder: Path, leg: Leg, *, skip_damaged: bool = False) -> Log:
    """Return a leg's log over all releases that wrote to it.

    A feature in another version than this release computes counts as lacking; one that this release does not
    compute is kept.

    Raises:
        ConfigError: a file is damaged or none of a decision log; with `skip_damaged` it is left out.

    """
    wanted = features.versions(leg.lower())
    tables = [pa.schema([*COLUMNS, *((name, pa.float64()) for name in wanted)]).empty_table()]
    lacking: dict[str, list[str]] = {}
    left_out = []
    for path in _files(folder, leg):
        try:
            table = table_of(path)
            tables.append(_today(table, wanted))
        except FileNotFoundError:  # sealed since the folder was listed, and found as Parquet
            continue
        except (pa.ArrowException, OSError, ValueError) as error:
            if not skip_damaged:
                raise ConfigError(
                    f"{path} is damaged or no file of a decision log ({cause(error)}); restore it, or leave "
                    "it out with --skip-damaged"
                ) from error
            left_out.append(f"{path}: {cause(error)}")
            continue
        for name in wanted if table.num_rows else ():
            if not _held(table, name, wanted[name]):
                lacking.setdefault(name, []).append(path.parent.name.removeprefix("day="))
    rows = pa.concat_tables(tables, promote_options="default")
    rows = rows.sort_by([("at_us", "ascending"), ("txn_id", "ascending")])
    _, first = np.unique(rows.column("txn_id").to_numpy(zero_copy_only=False), return_index=True)
    return Log(rows.take(np.sort(first)), {name: sorted({*days}) for name, days in lacking.items()}, left_out)


def files(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files of a name that stand in the days of a log; files of frames first."""
    yield from sorted(folder.glob(f"day=*/_{name.lower()}-*.frames"))
    yield from sorted(folder.glob(f"day=*/{name.lower()}-*"))


def _files(folder: Path, leg: Leg) -> Iterator[Path]:
    """Yield what stands in the days of a log and is of no other name; files of frames first."""
    yield from sorted(folder.glob(f"day=*/_{leg.lower()}-*.frames"))
    for path in sorted(folder.glob("day=*/*")):
        other = path.name.startswith(NAMES) and not path.name.startswith(leg.lower())
        if not other and not path.name.startswith((".", "_")):
            yield path


def table_of(path: Path) -> pa.Table:
    """Return the table of a file, finished or not.

    Raises:
        ValueError: it is damaged.
        ArrowException: it is no Parquet.
        OSError: it cannot be read.

    """
    if path.suffix != ".frames":
        return finished.read(path)
    framed = framed_table(path)
    return pa.schema(COLUMNS).empty_table() if framed is None else framed


def _today(table: pa.Table, wanted: dict[str, int]) -> pa.Table:
    """Return a file's rows with the columns of this release, and what features it holds beyond them."""
    named = dict(COLUMNS)
    if absent := [name for name in named if name not in table.column_names and name not in _OPTIONAL]:
        raise Damaged(f"it has no column {', '.join(absent)}")
    columns = {
        name: table[name].cast(kind) if name in table.column_names else pa.nulls(table.num_rows, kind)
        for name, kind in named.items()
    }
    for name, version in wanted.items():
        known = _held(table, name, version)
        columns[name] = table[name] if known else pa.array(np.full(table.num_rows, np.nan))
    beyond = {
        field.name: table[field.name]
        for field in table.schema
        if field.name not in columns and pa.types.is_float64(field.type)
    }
    return pa.table(columns | beyond)


def _held(table: pa.Table, name: str, version: int) -> bool:
    """Tell whether a file has a feature in this version."""
    if name not in table.column_names:
        return False
    field = table.schema.field(name)
    return pa.types.is_float64(field.type) and (field.metadata or {}).get(VERSION.encode()) == b"%d" % version
