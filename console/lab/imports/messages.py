"""Files of ISO 20022 become an import: transfers are payments, recalls and returns for fraud are labels."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from console.lab.imports.converting import Report, most, require_new, write
from console.lab.imports.labels import label_of
from schemas.contract import arrow_schema
from schemas.errors import ConfigError, SchemaError
from schemas.feedback import Feedback
from schemas.iso20022.transfers import Initiated, Names, Said, Wrong, read
from schemas.payment import Payment
from schemas.strict_text import read_bytes
from schemas.token_recipe import token

#: What is written for a mapping file to say that the data are messages.
NAME = "iso20022"

#: ISO 20022 reasons by which an institution says that a payment was fraud.
FRAUD = frozenset({"FRAD", "FR01", "FRNA"})

#: A bulk file is no longer.
FILE_BYTES_MAX = 200_000_000

#: What is written where there is no end-to-end id.
_NOT_PROVIDED = "NOTPROVIDED"

#: A reason in a report is no longer.
_SAID_MAX = 200

_OPTIONAL = [field for field in msgspec.structs.fields(Payment) if not field.required]


def convert(place: Path, out: Path, secret: bytes, zone: str) -> Report:
    """Write what the messages of a file or folder say to the new folder `out`; return what became of them.

    `zone` is that of times without an offset. A payment that camt.056 recalls or pacs.004 returns for fraud
    is labelled a scam, known when that message was made.

    Raises:
        ConfigError: a file cannot be read, no payment is in any, or `out` exists.

    """
    require_new(out)
    report = Report()
    payments: dict[str, Initiated] = {}
    told: list[Said] = []
    for found in _found(_files(place), partial(token, secret), ZoneInfo(zone), report):
        if isinstance(found, Said):
            told.append(found)
        elif found.payment.txn_id in payments:
            _refuse(report, "txn_id: came before")
        else:
            payments[found.payment.txn_id] = found
    if not payments:
        why = most(report.refused) or "it has none"
        raise ConfigError(f"no message of {place} became a payment ({why}); see docs/your-data.md")
    report.payments = len(payments)
    paid = [each.payment for each in payments.values()]
    for field in _OPTIONAL:
        report.found[field.name] = sum(getattr(each, field.name) != field.default for each in paid)
    report.currencies.update(each.currency for each in paid)
    labels = list(_labels(told, payments.values(), report))
    table = pa.Table.from_pylist([msgspec.structs.asdict(each) for each in paid], arrow_schema(Payment))
    write(out, table, labels, report)
    return report


def _files(place: Path) -> list[Path]:
    files = sorted(place.rglob("*.xml")) if place.is_dir() else [place]
    if not files:
        raise ConfigError(f"{place} holds no file that ends in .xml")
    return files


def _found(
    files: Iterable[Path], tokens: partial[str], zone: ZoneInfo, report: Report
) -> Iterator[Initiated | Said]:
    """Read the files; a row of the report is a transaction, or a message that cannot be read at all."""
    for file in files:
        try:
            for each in read(read_bytes(file, FILE_BYTES_MAX), tokens, zone, FILE_BYTES_MAX):
                report.rows += 1
                if isinstance(each, Wrong):
                    _refuse(report, str(each.error))
                else:
                    yield each
        except SchemaError as error:
            report.rows += 1
            _refuse(report, f"{file.name}: {error}")


def _refuse(report: Report, why: str) -> None:
    report.refused[why[:_SAID_MAX]] += 1
    report.first_refused.setdefault(why[:_SAID_MAX], report.rows)


def _labels(told: list[Said], payments: Iterable[Initiated], report: Report) -> Iterator[Feedback]:
    by_name: dict[Names, list[str]] = defaultdict(list)
    for each in payments:
        for name in (*_names(each.names), _of_message(each.names)):
            by_name[name].append(each.payment.txn_id)
    seen: set[str] = set()
    for said in sorted(told, key=lambda each: each.at_us):
        if said.reason not in FRAUD or said.status not in {"RECALLED", "RETURNED"}:
            report.left_out += 1
            continue
        names = _names(said.names) or [_of_message(said.names)]
        meant = next(filter(None, (by_name.get(name) for name in names)), [])
        if not meant:
            _refuse(report, "recall or return of a payment that is not here")
        for txn_id in meant:
            if txn_id not in seen:
                seen.add(txn_id)
                report.labels["SCAM"] += 1
                yield label_of(txn_id, "SCAM", said.at_us)


def _names(names: Names) -> list[Names]:
    """Return a payment's names one by one, the surest first."""
    none = Names()
    single = "" if names.end_to_end_id == _NOT_PROVIDED else names.end_to_end_id
    found = [
        none._replace(uetr=names.uetr),
        none._replace(txn_id=names.txn_id),
        none._replace(message_id=single and names.message_id, end_to_end_id=single),
        none._replace(end_to_end_id=single),
    ]
    return [name for name in found if name != none]


def _of_message(names: Names) -> Names:
    return Names(message_id=names.message_id)
