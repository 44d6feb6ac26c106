"""Payments in the decision log: all of them, in the few columns that the rows of ledgers are made of.

They are kept where ledgers are to be refilled from the log (`--ledger_warmup_from log`).
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.hot.decision_log.read import files, table_of
from pipelines.state.shards import event_order
from schemas.errors import cause
from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER
from schemas.units import DAY_US

_LOGGER = logging.getLogger(__name__)

#: What files of payments are called, and the first letter of their blocks.
NAME, LETTER = "PAYMENT", b"P"

#: Fields of TRANSFER that facts of `models.ledgers.history` come from, and those that tell payments apart.
_KINDS = {
    "at_us": pa.int64(), "partition": pa.int32(), "offset": pa.int64(), "currency": pa.string(),
    "amount_minor": pa.int64(), "signals": pa.uint8(), "payee_added_at_us": pa.int64(),
    "debtor": pa.binary(16), "debtor_account": pa.binary(16), "creditor_account": pa.binary(16),
    "balance_after_minor": pa.int64(), "limit_changed_at_us": pa.int64(), "new_device_age_h": pa.int32(),
    "channel": pa.uint8(), "payee_check": pa.uint8(),
}  # fmt: skip
#: Of these -1 is unknown, as in files that do not hold them yet.
_UNKNOWN = ("balance_after_minor", "limit_changed_at_us", "new_device_age_h")

SCHEMA = pa.schema(list(_KINDS.items()))


class Logged(NamedTuple):
    """The payments that a log in `folder` holds from below an offset of each partition."""

    folder: Path
    below: Mapping[int, int]


def block(transfers: Rows) -> bytes:
    """Return payments, TRANSFER[n], as the letter and an Arrow IPC message, or `b""` if there are none."""
    if not len(transfers):
        return b""
    arrays = [_array(transfers[name], kind) for name, kind in _KINDS.items()]
    message: bytes = pa.record_batch(arrays, schema=SCHEMA).serialize().to_pybytes()
    return LETTER + message


def has_payments(folder: Path) -> bool:
    """Tell whether a log holds payments."""
    return next(files(folder, NAME), None) is not None


def payments(logged: Logged, days: int) -> Iterator[Rows]:
    """Yield the newest `days` of payments, TRANSFER[n] a day in order of events, each payment once.

    A file that is damaged is left out aloud: ledgers without it are better than none.
    """
    by_day: dict[str, list[Path]] = {}
    for path in files(logged.folder, NAME):
        by_day.setdefault(path.parent.name, []).append(path)
    newest = max(by_day, default="day=1970-01-01").removeprefix("day=")
    oldest = np.datetime64(newest, "D") - days
    for day in sorted(by_day):
        if np.datetime64(day.removeprefix("day="), "D") >= oldest:
            rows = np.concatenate([np.empty(0, TRANSFER), *_read(by_day[day])])
            below = np.zeros(len(rows), np.bool_)
            for number, offset in logged.below.items():
                below |= (rows["partition"] == number) & (rows["offset"] < offset)
            rows = rows[below]
            _, first = np.unique(rows[["partition", "offset"]], return_index=True)
            rows = rows[first]
            yield rows[event_order(rows)]


def said(transfers: int, first_us: int, last_us: int) -> str:
    """Say what the log gave.

    >>> said(2, 0, 86_400_000_000)
    'ledgers are refilled with 2 payments of the decision log, 1970-01-01 to 1970-01-02'
    """
    first, last = (np.datetime64(at_us // DAY_US, "D") for at_us in (first_us, last_us))
    return f"ledgers are refilled with {transfers:,} payments of the decision log, {first} to {last}"


def _read(paths: list[Path]) -> Iterator[Rows]:
    for path in paths:
        try:
            table = table_of(path)
        except FileNotFoundError:  # sealed since the folder was listed, and found as Parquet
            continue
        except (pa.ArrowException, OSError, ValueError) as error:
            _LOGGER.error("%s refills no ledger: %s; restore it and start again", path, cause(error))
            continue
        rows = np.zeros(table.num_rows, TRANSFER)
        for name in _UNKNOWN:
            rows[name] = -1
        for name, kind in _KINDS.items():
            if name in table.column_names:
                rows[name] = _column(table[name].combine_chunks(), kind)
        yield rows


def _array(column: Rows, kind: pa.DataType) -> pa.Array:
    if kind == pa.binary(16):
        return pa.FixedSizeBinaryArray.from_buffers(
            kind, len(column), [None, pa.py_buffer(np.ascontiguousarray(column))]
        )
    found = pa.array(column)
    return found.cast(kind) if found.type != kind else found


def _column(column: pa.Array, kind: pa.DataType) -> NDArray[Any]:
    if kind == pa.binary(16):
        return np.frombuffer(b"".join(column.to_pylist()), np.uint64).reshape(-1, 2)
    found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found.astype("S3") if kind == pa.string() else found
