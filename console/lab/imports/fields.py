"""Columns of text into fields of payments, a block at a time; what cannot be read is marked, not raised."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from console.lab.imports.mapping import AMOUNTS, NOTHING, TIME_UNITS, TIMES, TOKENS, Field, since_us
from schemas.currencies import digits_of
from schemas.payment import AGE_BANDS, CHANNELS, PAYEE_CHECKS, PURPOSES, STATUSES
from schemas.token_recipe import tokens

#: Words that each field of words takes.
WORDS = {
    "status": STATUSES,
    "channel": CHANNELS,
    "payee_check": PAYEE_CHECKS,
    "age_band": AGE_BANDS,
    "purpose_code": PURPOSES,
}
FLAGS = ("remote_control", "screen_share", "call_in_progress")
_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n"})
_TEXT_MAX = {"txn_id": 36, "debtor_agent": 14, "creditor_agent": 14, "clearing_serial": 35}
_INTEGER_MAX = 2.0**53

#: Amounts below 0 as accounts and their exports write them: (12.50), 12.50-.
_MINUS_AROUND = r"^(?:\((.+)\)|(.+)-)$"


class Values(NamedTuple):
    """A field of n rows.

    Attributes:
        values: numbers, words or tokens, of pandas; where there is none, what the contract says for absent.
        present: rows that had a value, bool[n].
        wrong: rows whose value cannot be read, bool[n].

    """

    values: "pd.Series[Any]"
    present: NDArray[np.bool_]
    wrong: NDArray[np.bool_]


class Cells(NamedTuple):
    """A field of n rows as it stands in the table, and what reading it takes."""

    name: str
    field: Field
    text: "pd.Series[Any]"
    present: NDArray[np.bool_]
    secret: bytes
    currency: Any


def read(
    name: str, field: Field, rows: pd.DataFrame, numbers: NDArray[np.int64], *, secret: bytes, currency: Any
) -> "tuple[Values, pd.Series[Any]]":
    """Return field `name` of a block of rows, all text, with their numbers in the table; and that text."""
    text, present = text_of(field, rows, numbers)
    return _READERS.get(name, _plain)(Cells(name, field, text, present, secret, currency)), text


def instants(field: Field, rows: pd.DataFrame) -> Values:
    """Return a column of times of a block of rows, microseconds UTC."""
    text, present = text_of(field, rows, np.empty(0, np.int64))
    return _time(Cells("known_at", field, text, present, b"", None))


def text_of(
    field: Field, rows: pd.DataFrame, numbers: NDArray[np.int64]
) -> "tuple[pd.Series[Any], NDArray[np.bool_]]":
    """Return how a field stands in a block of rows, and where it has a value."""
    if field.numbered:
        text = pd.Series([f"{field.numbered}{number}" for number in numbers], rows.index, dtype=object)
    elif field.constant:
        text = pd.Series(field.constant, rows.index, dtype=object)
    else:
        text = rows[field.read[0]].astype(object).fillna("").astype(str).str.strip()
        for other in field.read[1:]:
            text = text.str.cat(rows[other].astype(object).fillna("").astype(str).str.strip(), sep=" ")
    nothing = text.isin(field.missing) | (text.str.casefold().isin(NOTHING) & ~text.isin(list(field.words)))
    present = (text != "").to_numpy(bool) & ~nothing.to_numpy(bool)
    if field.words:
        text = text.map(field.words).fillna(text).astype(object)
    return text, present


def wanted(name: str, field: Field) -> str:
    """Say what a field has to hold, for somebody whose rows were refused."""
    if name in AMOUNTS:
        paid = ", with a minus: one without is money that comes (`minus: paid`)" if field.minus else ""
        return f"an amount above 0, its fraction after {field.decimal!r}{paid}"
    if name in TIMES:
        text = f"a time as {field.format or 'ISO 8601'}"
        return text if field.unit == "text" else f"a number of {field.unit}"
    if name in TOKENS:
        return f"of scheme {field.token}" + (", with its check digits" if field.token == "IBAN" else "")
    if name == "currency":
        return "a code of ISO 4217 in use; others are mapped with `words`"
    return f"1 to {_TEXT_MAX.get(name, 35)} printable ASCII characters"


def _amount(cells: Cells) -> Values:
    number = pd.to_numeric(_ungrouped(cells).where(cells.present), errors="coerce").to_numpy(float)
    if cells.field.minus:
        number = -number
    if cells.field.unit == "major":
        digits = cells.currency.map({code: digits_of(code) for code in cells.currency.unique()}).to_numpy(
            float
        )
        number = np.round(number * 10.0**digits)
    least = 1.0 if cells.name == "amount_minor" else 0.0
    with np.errstate(invalid="ignore"):
        fits = (number >= least) & (number <= _INTEGER_MAX) & (number == np.round(number))
    wrong = cells.present & ~fits
    if cells.field.unit == "major":
        wrong &= ~np.isnan(digits)  # of no currency: that is said of the currency
    if cells.name == "balance_after_minor":  # an overdrawn account: the contract knows none
        with np.errstate(invalid="ignore"):
            wrong &= ~(number < 0)
    values = pd.Series(np.where(fits, number, -1).astype(np.int64), cells.text.index)
    return Values(values, cells.present & fits, wrong)


def _ungrouped(cells: Cells) -> "pd.Series[Any]":
    """Return amounts without marks that group digits, with a point before the fraction."""
    group = "," if cells.field.decimal == "." else "."
    bare = cells.text.astype(str).str.replace(r"[\s'\u2019]", "", regex=True)
    bare = bare.str.replace(_MINUS_AROUND, r"-\1\2", regex=True)
    grouped = bare.str.fullmatch(rf"[+-]?\d{{1,3}}(\{group}\d{{3}})+(\{cells.field.decimal}\d*)?")
    bare = bare.where(~grouped, bare.str.replace(group, "", regex=False))
    return (
        bare
        if group == ","
        else bare.where(~bare.str.contains(".", regex=False), "no amount").str.replace(",", ".")
    )


def _time(cells: Cells) -> Values:
    kept = cells.text.where(cells.present)
    if cells.field.unit == "text":
        at = pd.to_datetime(
            kept, format=cells.field.format or "ISO8601", errors="coerce", utc=not cells.field.zone
        )
        if cells.field.zone:
            if at.dtype == object:  # some name an offset, some do not
                at = pd.to_datetime(kept, format="ISO8601", errors="coerce", utc=True)
            elif at.dt.tz is None:
                at = at.dt.tz_localize(
                    cells.field.zone, ambiguous=np.zeros(len(at), bool), nonexistent="shift_forward"
                )
            at = at.dt.tz_convert("UTC")
        known = at.notna().to_numpy(bool)
        us = at.dt.as_unit("us").astype("int64").to_numpy() if len(at) else np.empty(0, np.int64)
    else:
        number = pd.to_numeric(kept, errors="coerce").to_numpy(float)
        counted = number * TIME_UNITS[cells.field.unit or "microseconds"] + since_us(cells.field.since)
        with np.errstate(invalid="ignore"):
            known = (counted >= 0) & (counted <= _INTEGER_MAX)
        us = np.where(known, counted, -1).astype(np.int64)
    return Values(
        pd.Series(np.where(known, us, -1), cells.text.index), cells.present & known, cells.present & ~known
    )


def _token(cells: Cells) -> Values:
    made = tokens(cells.secret, cells.field.token, cells.text[cells.present].unique(), cells.field.region)
    values = cells.text.map(made)
    known = values.notna().to_numpy(bool) & cells.present
    return Values(values, known, cells.present & ~known)


def _word(cells: Cells) -> Values:
    known = cells.text.isin(WORDS[cells.name]).to_numpy(bool)
    absent = WORDS[cells.name][0]
    return Values(
        cells.text.where(known, absent),
        cells.present & known & (cells.text != absent).to_numpy(bool),
        cells.present & ~known,
    )


def _flag(cells: Cells) -> Values:
    low = cells.text.str.lower()
    yes = low.isin(_TRUE).to_numpy(bool) & cells.present
    return Values(
        pd.Series(yes, cells.text.index),
        cells.present,
        cells.present & ~yes & ~low.isin(_FALSE).to_numpy(bool),
    )


def _hours(cells: Cells) -> Values:
    number = pd.to_numeric(cells.text.where(cells.present), errors="coerce").to_numpy(float)
    with np.errstate(invalid="ignore"):
        known = (number >= 0) & (number < 2**31)
    return Values(
        pd.Series(np.where(known, number, -1).astype(np.int64), cells.text.index),
        known,
        cells.present & ~known,
    )


def _currency(cells: Cells) -> Values:
    known = np.array([digits_of(code) is not None for code in cells.text], bool)
    return Values(cells.text, cells.present & known, cells.present & ~known)


def _plain(cells: Cells) -> Values:
    fits = cells.text.str.fullmatch(rf"[!-~]{{1,{_TEXT_MAX[cells.name]}}}").to_numpy(bool)
    return Values(cells.text.where(fits, ""), cells.present & fits, cells.present & ~fits)


_READERS: Mapping[str, Callable[[Cells], Values]] = {
    **dict.fromkeys(AMOUNTS, _amount),
    **dict.fromkeys(TIMES, _time),
    **dict.fromkeys(TOKENS, _token),
    **dict.fromkeys(WORDS, _word),
    **dict.fromkeys(FLAGS, _flag),
    "new_device_age_h": _hours,
    "currency": _currency,
}
