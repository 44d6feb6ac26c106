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

from console.lab.doubting import doubts
from console.lab.imports import fields, guessing, labels, reading
from console.lab.imports.mapping import REQUIRED, TIMES, Mapping
from console.lab.rows import transfers_of
from pipelines.policy import USUAL_CLOCK
from pipelines.streams.clock import now_us, of_files
from schemas.contract import arrow_schema
from schemas.errors import ConfigError, cause
from schemas.feedback import Feedback
from schemas.payment import Payment

PAYMENTS, FEEDBACK, REPORT = "payments.parquet", "feedback.jsonl", "import.json"

#: So many payments, spread over all, are looked at for what is doubtful; so many values of a field that
#: cannot be read for what they look like.
_LOOKED_AT, _VALUES_KEPT = 20_000, 50

#: Why a row is no payment, besides its fields.
HEADER, REMARK = "the names of the columns once more", "most of its columns are empty: a total or a remark"

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
        labels_refused: reason -> rows that say something of a payment and are no label.
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
    labels_refused: Counter[str] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)
    from_us: int = 0
    to_us: int = 0
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(
            {name: getattr(self, name) for name in self.__dataclass_fields__}, indent=1
        ).encode()


@dataclass
class Conversion:
    """What is kept from block to block of a table: the report, ids that came, values that cannot be read."""

    mapping: Mapping
    secret: bytes
    report: Report = field(default_factory=Report)
    ids: set[str] = field(default_factory=set)
    told: labels.Told = field(default_factory=labels.Told)
    unread: dict[str, list[str]] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)


def convert(mapping: Mapping, table: Path, out: Path, secret: bytes, of_labels: Path | None = None) -> Report:
    """Write what `mapping` makes of `table` to the new folder `out`; return what became of the rows.

    `of_labels` is the table of labels, where the mapping has one.

    Raises:
        ConfigError: a table cannot be read, lacks a column, no row of it is a payment, or `out` exists.

    """
    require_new(out)
    label = mapping.label
    if (label is not None and bool(label.txn_id)) != (of_labels is not None):
        raise ConfigError(
            "give the table of labels with --labels, and name its columns in the mapping: "
            "label: {txn_id: …, column: …, scam: […]}"
        )
    run = Conversion(mapping, secret)
    blocks = [_converted(run, rows) for rows in reading.blocks(mapping.table, mapping.read, table)]
    report, mends = run.report, list(_mends(run))
    if not report.payments:
        said = "".join(f"; {mend}" for mend in mends)
        raise ConfigError(
            f"no row of {table} became a payment ({most(report.refused) or 'it has none'})"
            f"{said or '; fix the mapping'}"
        )
    payments = pa.concat_tables(blocks)
    if label is not None and of_labels is not None:
        ids, at_us = (payments[name].to_pylist() for name in ("txn_id", "accepted_at_us"))
        run.told = labels.of_table(label, mapping.table, of_labels, dict(zip(ids, at_us, strict=True)))
    report.labels.update(each.verdict for each in run.told.labels)
    report.labels_refused = run.told.refused
    report.remarks += [*mends, *run.remarks, *(run.told.mends(label) if label else ())]
    write(out, payments, run.told.labels, report)
    return report


def write(out: Path, payments: pa.Table, labels: list[Feedback], report: Report) -> None:
    """Write an import: payments in order of time, labels in order of when they became known, the report."""
    payments = payments.sort_by([("accepted_at_us", "ascending")])
    at_us = payments["accepted_at_us"]
    report.from_us, report.to_us = at_us[0].as_py(), at_us[-1].as_py()
    report.remarks += _doubts(payments)
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


def _converted(run: Conversion, rows: pd.DataFrame) -> pa.Table:
    mapping, report = run.mapping, run.report
    first = report.rows + 1
    numbers = np.arange(first, first + len(rows))
    report.rows += len(rows)
    if mapping.keep is not None:
        kept = rows[mapping.keep.column].astype(str).isin(mapping.keep.among).to_numpy(bool)
        report.left_out += int((~kept).sum())
        rows, numbers = rows[kept], numbers[kept]
    columns, reason, optional = _columns(run, rows, numbers)
    reason = np.where((reason == "") & _again(columns["txn_id"], run.ids), "txn_id: came before", reason)
    good = reason == ""
    for name, found, text in optional:
        report.unread[name] += int((found.wrong & good).sum())
        report.found[name] += int((found.present & good).sum())
        _keep(run, name, text[found.wrong & good])
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
    if mapping.label is not None and not mapping.label.txn_id:
        at_us = table["accepted_at_us"].to_numpy()
        run.told.take(mapping.label, rows[good], columns["txn_id"][good], at_us)
    return table


def _columns(
    run: Conversion, rows: pd.DataFrame, numbers: Any
) -> "tuple[dict[str, Any], Any, list[tuple[str, fields.Values, pd.Series[Any]]]]":
    """Return the fields; why each row is no payment, "" if it is one; how optional fields were read."""
    mapping = run.mapping
    columns: dict[str, Any] = {}
    reason = _no_row(mapping, rows)
    whole = reason == ""
    currency = None
    optional: list[tuple[str, fields.Values, pd.Series[Any]]] = []
    for name in ("currency", *(each for each in mapping.fields if each != "currency")):
        field_ = mapping.fields[name]
        found, text = fields.read(name, field_, rows, numbers, secret=run.secret, currency=currency)
        if name == "currency":
            currency = found.values
        columns[name] = found.values.to_numpy()
        if name in TIMES and guessing.zoneless(field_, text[found.present].head(_VALUES_KEPT).tolist()):
            run.remarks[
                f"{name} names no time zone and is taken for UTC; if it is local time, say where: "
                f"{name}: {{…, zone: Europe/Berlin}}"
            ] = None
        if name in REQUIRED:
            reason = np.where((reason == "") & ~found.present, f"{name}: none", reason)
            reason = np.where(found.wrong & (reason == f"{name}: none"), f"{name}: cannot be read", reason)
            _keep(run, name, text[found.wrong & whole])
        else:
            optional.append((name, found, text))
    untrue = np.where(reason == "", _untrue(columns["accepted_at_us"]), reason)
    times, _ = fields.text_of(mapping.fields["accepted_at_us"], rows, numbers)
    _keep(run, "accepted_at_us", times[untrue != reason])
    return columns, untrue, optional


def _keep(run: Conversion, name: str, text: "pd.Series[Any]") -> None:
    """Keep some values that cannot be read, to say what they look like."""
    kept = run.unread.setdefault(name, [])
    kept += text.head(_VALUES_KEPT - len(kept)).tolist()


def _no_row(mapping: Mapping, rows: pd.DataFrame) -> Any:
    """Say which rows are no payment as a whole, "" of the others."""
    text = rows.astype(object).fillna("").astype(str)
    header = (text == text.columns.to_numpy()).to_numpy(bool).all(axis=1)
    needed = [name for field in REQUIRED for name in mapping.fields[field].read]
    empty = (text[list(dict.fromkeys(needed))] == "").to_numpy(bool).mean(axis=1) > 0.5
    return np.select([header, empty], [HEADER, REMARK], "").astype(object)


def _untrue(accepted_at_us: Any) -> Any:
    """Say which times no payment of the past can have, "" of the others."""
    at_us = pd.Series(accepted_at_us).fillna(0).to_numpy(np.int64)
    times = of_files(len(at_us), USUAL_CLOCK, now_us())
    early = np.where(times.too_old(at_us), "accepted_at_us: before 2000, check unit and since", "")
    return np.where(times.too_new(at_us), "accepted_at_us: after today, check unit, since and zone", early)


def _again(txn_id: Any, seen: set[str]) -> Any:
    """Tell which transaction ids came before, and remember the others."""
    again = np.zeros(len(txn_id), bool)
    for place, each in enumerate(txn_id.tolist()):
        again[place] = each in seen
        seen.add(each)
    return again


def _doubts(payments: pa.Table) -> Iterator[str]:
    """Say what looks wrong in payments though each could be read."""
    looked = np.unique(np.linspace(0, len(payments) - 1, min(len(payments), _LOOKED_AT)).astype(np.int64))
    rows = transfers_of(payments.take(looked))
    for what, times, _, mend in doubts(rows, USUAL_CLOCK.ahead_us, live=False):
        yield f"{what} (in {times:,} of {len(rows):,} payments): {mend}"


def _mends(run: Conversion) -> Iterator[str]:
    """Say of each field that could not be read what it has to be, how it is written, and the mend."""
    report = run.report
    for name, kept in run.unread.items():
        field_ = run.mapping.fields[name]
        if not kept:
            continue
        refused = [why for why in report.refused if why.startswith(f"{name}: ") and why != f"{name}: none"]
        where = f" in row {report.first_refused[refused[0]]:,}" if refused else ""
        if refused and (others := report.refused[refused[0]] - 1):
            where += f" and {others:,} others"
        if name in REQUIRED:
            said = f"{name}{where} has to be {fields.wanted(name, field_)}"
        else:
            said = f"{name} could not be read in {report.unread[name]:,} payments and is absent there"
        mend = guessing.mend(name, field_, kept)
        yield f"{said}; there it is {guessing.shown(name, kept[0])}{f': {mend}' if mend else ''}"


def most(refused: Counter[str]) -> str:
    """Say why most was refused."""
    return ", ".join(f"{why} in {rows:,}" for why, rows in refused.most_common(3))
