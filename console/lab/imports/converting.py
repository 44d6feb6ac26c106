"""A table of one's own becomes a folder: payments in order of time, labels, and what was refused and why."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from console.lab.imports import fields
from console.lab.imports.mapping import REQUIRED, Label, Mapping
from pipelines.policy import USUAL_CLOCK
from pipelines.streams.clock import now_us, of_files
from schemas.contract import arrow_schema
from schemas.errors import ConfigError, cause
from schemas.feedback import Feedback, Verdict
from schemas.ids import derived_id
from schemas.payment import Payment
from schemas.units import DAY_US

PAYMENTS, FEEDBACK, REPORT = "payments.parquet", "feedback.jsonl", "import.json"

#: Rows converted at once.
BLOCK_ROWS = 200_000

_SCHEMA = arrow_schema(Payment)
_DEFAULTS = {each.name: each.default for each in msgspec.structs.fields(Payment) if not each.required}


@dataclass
class Report:
    """What became of the rows of a table.

    Attributes:
        rows: rows of the table.
        left_out: rows that `keep` leaves out.
        payments: rows that became payments.
        refused: reason -> rows; a row counts once, under the first field that is wrong.
        first_refused: reason -> number of the first such row, counted from 1.
        unread: field -> payments whose optional value could not be read and is absent.
        found: optional field -> payments that have it.
        labels: verdict -> labels.
        currencies: currency -> payments.
        from_us, to_us: event times of the first and the last payment.
        remarks: what looks wrong though it could be read.

    """

    rows: int = 0
    left_out: int = 0
    payments: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, int] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)
    from_us: int = 0
    to_us: int = 0
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(
            {name: getattr(self, name) for name in self.__dataclass_fields__}, indent=1
        ).encode()


def convert(mapping: Mapping, table: Path, out: Path, secret: bytes) -> Report:
    """Write what `mapping` makes of `table` to the new folder `out`; return what became of the rows.

    Raises:
        ConfigError: the table cannot be read, lacks a column, no row of it is a payment, or `out` exists.

    """
    require_new(out)
    report = Report()
    blocks, labels = [], []
    seen: set[str] = set()
    for rows in _blocks(mapping, table):
        block, found = _converted(mapping, rows, report, secret, seen)
        blocks.append(block)
        labels += found
    if not report.payments:
        raise ConfigError(
            f"no row of {table} became a payment ({most(report.refused) or 'it has none'}); fix the mapping"
        )
    report.remarks += _mends(mapping, report)
    write(out, pa.concat_tables(blocks), labels, report)
    return report


def write(out: Path, payments: pa.Table, labels: list[Feedback], report: Report) -> None:
    """Write an import: payments in order of time, labels in order of when they became known, the report."""
    payments = payments.sort_by([("accepted_at_us", "ascending")])
    at_us = payments["accepted_at_us"]
    report.from_us, report.to_us = at_us[0].as_py(), at_us[-1].as_py()
    report.remarks += _remarks(report, payments)
    out.mkdir(parents=True)
    pq.write_table(payments, out / PAYMENTS, compression="zstd")
    labels.sort(key=lambda each: (each.known_at_us, each.feedback_id))
    (out / FEEDBACK).write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in labels))
    (out / REPORT).write_bytes(report.as_json())


def require_new(out: Path) -> None:
    """Raise ConfigError if a folder to write exists."""
    if out.exists():
        raise ConfigError(f"{out} exists and imports are never mixed; name a new folder with --out")


def payments_of(folder: Path) -> pa.Table:
    """Return the payments of an import, in order of time.

    Raises:
        ConfigError: there is no import.

    """
    try:
        return pq.read_table(folder / PAYMENTS, schema=_SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(
            f"{folder} holds no import ({cause(error)}); make one with `stopline import`"
        ) from error


def _blocks(mapping: Mapping, table: Path) -> Iterator[pd.DataFrame]:
    """Yield the used columns of a table as text, block by block."""
    used = list(mapping.read)
    try:
        for rows in _read(mapping, table):
            lacking = [name for name in used if name not in rows.columns]
            if lacking:
                raise ConfigError(
                    f"{table} has no column {lacking[0]!r}, which the mapping reads; it has "
                    f"{', '.join(map(str, rows.columns[:40]))}{_separator(rows)}"
                )
            yield rows[used]
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{table} is not written in {mapping.table.encoding} ({error.reason}); name what it is in the "
            "mapping, such as table: {encoding: cp1252}"
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(f"{table} cannot be read as {mapping.table.format}: {cause(error)}") from error


#: UTF-8 with or without a byte order mark in front.
_WITHOUT_MARK = dict.fromkeys(("utf-8", "utf8", "utf_8"), "utf-8-sig")


def _separator(rows: pd.DataFrame) -> str:
    """Say which separator a table of one column seems to have, "" if none."""
    head = str(rows.columns[0]) if len(rows.columns) == 1 else ""
    found = max(";\t|,", key=head.count)
    return f"; its separator seems to be {found!r}: say so in the mapping's table" if found in head else ""


def _read(mapping: Mapping, table: Path) -> Iterator[pd.DataFrame]:
    how = mapping.table
    if how.format == "csv":
        yield from pd.read_csv(
            table, sep=how.separator, quotechar=how.quote, dtype=str, keep_default_na=False,
            chunksize=BLOCK_ROWS, encoding=_WITHOUT_MARK.get(how.encoding.lower(), how.encoding),
        )  # fmt: skip
    elif how.format == "jsonl":
        yield from pd.read_json(table, lines=True, dtype=False, chunksize=BLOCK_ROWS)
    else:
        for batch in pq.ParquetFile(table).iter_batches(BLOCK_ROWS):
            yield batch.to_pandas()


def _converted(
    mapping: Mapping, rows: pd.DataFrame, report: Report, secret: bytes, seen: set[str]
) -> tuple[pa.Table, list[Feedback]]:
    first = report.rows + 1
    numbers = np.arange(first, first + len(rows))
    report.rows += len(rows)
    if mapping.keep is not None:
        kept = rows[mapping.keep.column].astype(str).isin(mapping.keep.among).to_numpy(bool)
        report.left_out += int((~kept).sum())
        rows, numbers = rows[kept], numbers[kept]
    columns, reason = _columns(mapping, rows, numbers, report, secret)
    reason = np.where((reason == "") & _again(columns["txn_id"], seen), "txn_id: came before", reason)
    good = reason == ""
    for why, number in zip(reason[~good].tolist(), numbers[~good].tolist(), strict=True):
        report.refused[why] += 1
        report.first_refused.setdefault(why, number)
    report.payments += int(good.sum())
    table = pa.table(
        {
            name: pa.array(columns[name][good])
            if name in columns
            else pa.repeat(_DEFAULTS[name], int(good.sum()))
            for name in _SCHEMA.names
        }
    ).cast(_SCHEMA)
    report.currencies.update(table["currency"].to_pylist())
    return table, _labels(mapping.label, rows[good], table, report)


def _columns(
    mapping: Mapping, rows: pd.DataFrame, numbers: Any, report: Report, secret: bytes
) -> tuple[dict[str, Any], Any]:
    """Return the fields, and why each row is no payment, "" if it is one."""
    columns: dict[str, Any] = {}
    reason = np.full(len(rows), "", object)
    currency = None
    optional: list[tuple[str, fields.Values]] = []
    for name in ("currency", *(each for each in mapping.fields if each != "currency")):
        field_ = mapping.fields[name]
        found = fields.read(name, field_, rows, numbers, secret=secret, currency=currency)
        if name == "currency":
            currency = found.values
        columns[name] = found.values.to_numpy()
        if name in REQUIRED:
            reason = np.where((reason == "") & ~found.present, f"{name}: none", reason)
            reason = np.where(found.wrong & (reason == f"{name}: none"), f"{name}: cannot be read", reason)
        else:
            optional.append((name, found))
    reason = np.where(reason == "", _untrue(columns["accepted_at_us"]), reason)
    good = reason == ""
    for name, found in optional:
        report.unread[name] += int((found.wrong & good).sum())
        report.found[name] += int((found.present & good).sum())
    return columns, reason


def _untrue(accepted_at_us: Any) -> Any:
    """Say which times no payment of the past can have, "" of the others."""
    at_us = pd.Series(accepted_at_us).fillna(0).to_numpy(np.int64)
    times = of_files(len(at_us), USUAL_CLOCK, now_us())
    early = np.where(times.too_old(at_us), "accepted_at_us: before 2000, check unit and since", "")
    return np.where(times.too_new(at_us), "accepted_at_us: after today, check unit and since", early)


def _again(txn_id: Any, seen: set[str]) -> Any:
    """Tell which transaction ids came before, and remember the others."""
    again = np.zeros(len(txn_id), bool)
    for place, each in enumerate(txn_id.tolist()):
        again[place] = each in seen
        seen.add(each)
    return again


def _labels(label: Label | None, rows: pd.DataFrame, table: pa.Table, report: Report) -> list[Feedback]:
    if label is None:
        return []
    text = rows[label.column].astype(object).fillna("").astype(str).str.strip()
    words: dict[Verdict, tuple[str, ...]] = {
        "SCAM": label.scam, "LAUNDERING": label.laundering, "LEGITIMATE": label.legitimate
    }  # fmt: skip
    verdicts = text.map({word: verdict for verdict, among in words.items() for word in among})
    after_us = round(label.known_after_days * DAY_US)
    found = []
    for place in np.flatnonzero(verdicts.notna().to_numpy(bool)).tolist():
        txn_id, verdict = table["txn_id"][place].as_py(), verdicts.iloc[place]
        report.labels[verdict] += 1
        found.append(label_of(txn_id, verdict, table["accepted_at_us"][place].as_py() + after_us))
    return found


def label_of(txn_id: str, verdict: Verdict, known_us: int) -> Feedback:
    """Return the label of a payment, known at an instant (microseconds UTC)."""
    return Feedback(
        feedback_id=derived_id("feedback", txn_id, "LABEL", known_us),
        txn_id=txn_id,
        kind="LABEL",
        verdict=verdict,
        known_at_us=known_us,
    )


def _remarks(report: Report, payments: pa.Table) -> list[str]:
    remarks = []
    amounts = payments["amount_minor"].to_numpy()
    if len(amounts) > 1_000 and (amounts % 100 != 0).mean() == 0:
        remarks.append("every amount ends in two zeros: unit major where it is minor?")
    if report.unread.total():
        name, rows = report.unread.most_common(1)[0]
        remarks.append(f"{name} could not be read in {rows:,} payments and is absent there")
    return remarks


def _mends(mapping: Mapping, report: Report) -> list[str]:
    """Say of each field that was refused what it has to be."""
    unread = {why.partition(":")[0]: why for why in report.refused if why.endswith(": cannot be read")}
    return [
        f"{name} in row {report.first_refused[why]:,} and {report.refused[why] - 1:,} others has to be "
        f"{fields.wanted(name, mapping.fields[name])}"
        for name, why in unread.items()
    ]


def most(refused: Counter[str]) -> str:
    """Say why most was refused."""
    return ", ".join(f"{why} in {rows:,}" for why, rows in refused.most_common(3))
