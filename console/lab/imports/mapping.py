"""Mapping files: which column of a table becomes which field of a payment, in which unit, under which token.

table: {format: csv}                     # csv, parquet or jsonl; csv: separator, quote, encoding, skip, names
keep: {column: type, among: [TRANSFER]}  # rows to take, all if absent
fields:                                  # as in schemas/json/payment.v1.json
  txn_id: {numbered: "row-"}
  accepted_at_us: {column: step, unit: hours, since: "2026-01-01T00:00:00Z"}
  amount_minor: {column: amount, unit: major}
  currency: {constant: USD}
  debtor: {column: nameOrig, token: PARTY}
label: {column: isFraud, scam: [1], known_after_days: 7}   # or of a table of their own, below `Label`
"""

import codecs
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

import fixtures
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.payment import Payment
from schemas.token_recipe import SCHEMES
from schemas.units import DAY_US, HOUR_US

Unit = Literal["minor", "major", "microseconds", "milliseconds", "seconds", "hours", "days", "text"]

#: Microseconds of a unit of time.
TIME_UNITS = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "hours": HOUR_US,
    "days": DAY_US,
}
AMOUNTS = ("amount_minor", "balance_after_minor")
TIMES = ("accepted_at_us", "payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us")
TOKENS = ("debtor", "debtor_account", "creditor_account")

#: Values that are as if absent wherever they stand, in whatever case.
NOTHING = frozenset({"null", "n/a", "#n/a", "nan", "<na>", "none", "-", "--", "?"})

#: The mappings that come with Stopline.
MAPS = Path(fixtures.__file__).parent / "maps"

#: Fields without which there is no payment.
REQUIRED = tuple(field.name for field in msgspec.structs.fields(Payment) if field.required)


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a field comes from: a column, several joined by a blank, the same for all, or the row's number.

    Attributes:
        unit: of amounts `minor` or `major` units; of times a unit since `since`, or `text` in `format`.
        decimal: of amounts, what stands before the fraction; the other mark and blanks group digits.
        minus: `paid` where amounts that leave the account have a minus; those without are refused.
        since: ISO 8601 time that `unit` counts from, 1970 if absent.
        format: of times in text, as strptime takes it; ISO 8601 if absent.
        zone: IANA time zone of times in text that name none, UTC if absent.
        token: scheme of `schemas.token_recipe` that its values are tokenised under.
        region: default region of telephone numbers, such as GB.
        words: value of the column -> word of the field; other values stand for themselves.
        missing: values that mean that there is none, beside those of `NOTHING`.

    """

    column: str = ""
    columns: tuple[str, ...] = ()
    constant: str = ""
    numbered: str = ""
    unit: Unit | None = None
    decimal: Literal[".", ","] = "."
    minus: Literal["", "paid"] = ""
    since: str = ""
    format: str = ""
    zone: str = ""
    token: str = ""
    region: str = ""
    words: dict[str, str] = {}
    missing: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[str, ...]:
        """The columns it is read from."""
        return self.columns or ((self.column,) if self.column else ())


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a table is written; a name that ends in .gz, .bz2, .xz or .zst is unpacked on the way.

    Attributes:
        skip: lines before the one with the names of the columns.
        names: of the columns, where no line of the table holds them.

    """

    format: Literal["csv", "parquet", "jsonl"] = "csv"
    separator: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Meta(min_length=1, max_length=1)] = '"'
    encoding: str = "utf-8"
    skip: Annotated[int, Meta(ge=0, le=1_000)] = 0
    names: tuple[str, ...] = ()


class Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to take: those whose column holds one of these."""

    column: str
    among: tuple[str, ...]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a payment, and since when; other values are no label.

    Attributes:
        column: holds what is known: which of its values are scams (a victim paid), laundering, legitimate.
        known_after_days: so many days after the payment it was known.
        known_at: when it was known, in place of `known_after_days`.
        txn_id: column of the payment's id in a table of labels, which `stopline import --labels` names.
        table: how that table is written, if otherwise than that of payments.

    """

    column: str
    scam: tuple[str, ...] = ()
    laundering: tuple[str, ...] = ()
    legitimate: tuple[str, ...] = ()
    known_after_days: Annotated[float, Meta(ge=0, le=3660)] = 7.0
    known_at: Field | None = None
    txn_id: str = ""
    table: Table | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is used."""
        known_at = self.known_at.read if self.known_at else ()
        return tuple(dict.fromkeys((*filter(None, (self.txn_id, self.column)), *known_at)))


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file."""

    fields: dict[str, Field]
    name: str = ""
    source: str = ""
    table: Table = Table()
    keep: Keep | None = None
    label: Label | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """Every column of the table of payments that is used."""
        named = [name for field in self.fields.values() for name in field.read]
        named += [self.keep.column] if self.keep else []
        named += self.label.read if self.label and not self.label.txn_id else ()
        return tuple(dict.fromkeys(named))


def since_us(text: str) -> int:
    """Return an ISO 8601 time as microseconds UTC, 0 for ""; without an offset it is UTC.

    >>> since_us("1970-01-02"), since_us("1970-01-01T01:00:00+01:00")
    (86400000000, 0)

    Raises:
        ValueError: it is something else.

    """
    at = datetime.fromisoformat(text or "1970-01-01")
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)


def load(name: str) -> Mapping:
    """Return the shipped mapping of that name, or the mapping file at that path.

    Raises:
        ConfigError: it cannot be used; says why and how to mend it.

    """
    shipped = MAPS / f"{name}.yaml"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(sorted(each.stem for each in MAPS.glob("*.yaml")))
        raise ConfigError(f"there is no mapping {name!r}; name a file, or one of {names}")
    try:
        mapping = strict_yaml.read(path, as_text=True).convert(Mapping)
    except ConfigError as error:
        raise ConfigError(f"mapping cannot be used: {error}; see fixtures/maps") from error
    for fault in _faults(mapping):
        raise ConfigError(f"mapping {path}: {fault}")
    return mapping


def _clock_faults(name: str, field: Field) -> list[str]:
    faults = []
    if field.unit not in (*TIME_UNITS, "text"):
        faults.append(f"field {name} takes unit: one of {', '.join(TIME_UNITS)} or text")
    try:
        since_us(field.since)
    except ValueError:
        faults.append(f"field {name}: since {field.since!r} is no ISO 8601 time")
    try:
        ZoneInfo(field.zone or "UTC")
    except (ValueError, OSError, ZoneInfoNotFoundError):
        faults.append(f"field {name}: there is no time zone {field.zone!r}; use a name such as Europe/Berlin")
    return faults


def _faults(mapping: Mapping) -> list[str]:
    known = Payment.__struct_fields__
    faults = [
        f"there is no field {name!r} of a payment; use {', '.join(known)}"
        for name in mapping.fields
        if name not in known
    ]
    faults += [f"field {name} is required; map it" for name in REQUIRED if name not in mapping.fields]
    tables = [mapping.table, *([mapping.label.table] if mapping.label and mapping.label.table else [])]
    for encoding in (table.encoding for table in tables):
        try:
            codecs.lookup(encoding)
        except LookupError:
            faults.append(f"there is no encoding {encoding!r}; use utf-8, cp1252 or the like")
    if mapping.label:
        faults += _label_faults(mapping.label)
    for name, field in mapping.fields.items():
        ways = [field.column, field.columns, field.constant, field.numbered]
        if sum(map(bool, ways)) != 1:
            faults.append(f"field {name} takes one of column, columns, constant, numbered")
        if (name in TOKENS) != bool(field.token):
            faults.append(
                f"field {name} takes token: one of {', '.join(SCHEMES)}" if name in TOKENS
                else f"field {name} is no token; leave `token` out"
            )  # fmt: skip
        if field.token and field.token not in SCHEMES:
            faults.append(f"field {name}: there is no scheme {field.token!r}; use {', '.join(SCHEMES)}")
        if name in AMOUNTS and field.unit not in ("minor", "major"):
            faults.append(f"field {name} takes unit: minor (cents) or major (euros)")
        faults += _clock_faults(name, field) if name in TIMES else []
    return faults


def _label_faults(label: Label) -> list[str]:
    faults = [] if label.known_at is None else _clock_faults("label known_at", label.known_at)
    if label.table and not label.txn_id:
        faults.append("label has a table of its own; name its column of payments' ids: label: {txn_id: …}")
    if not (label.scam or label.laundering):
        faults.append(f'label says of no value of {label.column!r} that it is a scam: label: {{scam: ["1"]}}')
    return faults
