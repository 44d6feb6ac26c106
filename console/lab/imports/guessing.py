"""What values that cannot be read look like, and what to write into the mapping instead."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import product

from console.lab.imports.fields import WORDS
from console.lab.imports.mapping import AMOUNTS, TIMES, Field
from schemas.currencies import digits_of
from schemas.instants import unit_of

#: Serial days of Excel for 1954 to 2119.
_SERIAL = (20_000.0, 80_000.0)

_DATES = (
    "%d.%m.%Y", "%m.%d.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y", "%d-%b-%y", "%b %d, %Y", "%Y-%m-%d",
)  # fmt: skip
_HOURS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    " %H:%M:%S.%f",
    " %I:%M:%S %p",
    " %I:%M %p",
    "T%H:%M:%S",
    "%H%M%S",
    " %H.%M",
)
_FORMATS = ["".join(parts) for parts in product(_DATES, _HOURS)]

#: Signs and names of currencies in place of their codes.
_CALLED = {
    "€": "EUR",
    "£": "GBP",
    "$": "USD",
    "US$": "USD",
    "¥": "JPY",
    "RMB": "CNY",
    "EURO": "EUR",
    "EUROS": "EUR",
}

#: An offset from UTC at the end of a time.
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d{2}:?\d{2}|UTC|GMT)$")
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?\s*[eE]\+?\d+")

_COMES = "leave out what comes, by `keep` if a column tells it"

#: A shape is no longer.
_SHAPE_MAX = 30


def shape(text: str) -> str:
    """Return how a value is written without the value: digits are 9, letters a.

    >>> shape("12.50 EUR"), shape("31/01/2026")
    ('99.99 aaa', '99/99/9999')
    """
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text[:_SHAPE_MAX]))


def shown(name: str, text: str) -> str:
    """Show a value that cannot be read: a word as it is, of others only how they are written."""
    if name in WORDS:
        return "another word"
    return repr(text[:_SHAPE_MAX]) if name == "currency" else f"written like {shape(text)!r}"


def zoneless(field: Field, texts: Sequence[str]) -> bool:
    """Tell whether times stand in text that names no zone, nor does the mapping."""
    apart = field.unit == "text" and not field.zone and "%z" not in field.format
    return apart and bool(texts) and not any(_OFFSET.search(text) for text in texts)


def mend(name: str, field: Field, texts: Sequence[str]) -> str:
    """Return what to write for values of a field that cannot be read, "" if they look like nothing known."""
    if name in TIMES:
        return _of_times(field, texts)
    if name in AMOUNTS:
        return next((said for looks, said in _amounts(field) if _most(texts, looks)), "")
    if name == "currency" or name in WORDS:
        return _of_words(name, texts)
    if _most(texts, _SHORTENED.fullmatch):
        return "a spreadsheet has shortened these numbers for good; export again with the column as text"
    return "if they are other account numbers: token: ACCOUNT" if field.token == "IBAN" else ""


def _of_words(name: str, texts: Sequence[str]) -> str:
    if name in WORDS:
        kinds = ", ".join(repr(text[:20]) for text in dict.fromkeys(texts[:5]))
        return f"map with `words` {kinds} to one of {', '.join(word for word in WORDS[name] if word)}"
    codes = {text: _code(text) for text in texts}
    pairs = ", ".join(f"{text}: {code}" for text, code in codes.items() if code)
    return f"words: {{{pairs}}}" if pairs else ""


def _most(texts: Sequence[str], looks: Callable[[str], object]) -> bool:
    return sum(bool(looks(text)) for text in texts) * 2 > len(texts)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _of_times(field: Field, texts: Sequence[str]) -> str:
    numbers = [_number(text) for text in texts]
    if _most(texts, lambda text: _SERIAL[0] < _number(text) < _SERIAL[1]):
        return 'these are serial days of Excel: unit: days, since: "1899-12-30"'
    units = {unit_of(round(number)) for number in numbers if abs(number) < 1e20}
    if len(units) == 1 and (unit := units.pop()) and unit != field.unit:
        if unit == "nanoseconds":
            return "these are nanoseconds: export microseconds, or text"
        return f"these are {unit}: unit: {unit}"
    fitting = [each for each in _FORMATS if all(_reads(text, each) for text in texts)]
    if not texts or not fitting:
        return ""
    kinds = [each for each in fitting if each.replace("y", "Y") != field.format.replace("y", "Y")]
    first = kinds[0] if kinds else fitting[0]
    swapped = first.translate({ord("d"): "m", ord("m"): "d"})
    if swapped in kinds:
        return f'unit: text, format: "{first}", or "{swapped}" if the month comes first'
    twisted = " (day and month are the other way round in all rows)" if swapped == field.format else ""
    return f'unit: text, format: "{first}"{twisted}'


def _reads(text: str, form: str) -> bool:
    try:
        at = datetime.strptime(text, form)
    except ValueError:
        return False
    return 1990 <= at.year < 2100


def _amounts(field: Field) -> list[tuple[Callable[[str], object], str]]:
    other = "," if field.decimal == "." else "."
    whole = r"[+-]?\d+(?:[.,\s'’]\d{3})*"
    decimal = f'decimal: "{other}"'
    return [
        (re.compile(r"[^\d]*").fullmatch, "export amounts in digits, not in words"),
        (re.compile(r"[+-]?0*[.,]?0*-?").fullmatch, "no payment is of 0; leave such rows out of the table"),
        *([(re.compile(r"[^-]*").fullmatch, _COMES)] * bool(field.minus)),
        (re.compile(r"\(.*\)|.*-|-.*").fullmatch,
         "they are below 0: minus: paid, if those are the amounts that leave the account"),
        (re.compile(r".*[^\d\s.,'’+-].*").fullmatch, "export the amount without its currency or other signs"),
        (re.compile(rf"{whole}\{other}\d{{1,4}}").fullmatch, decimal),
        (re.compile(rf"\d{{1,3}}(?:\{field.decimal}\d{{3}})+(?:\{other}\d*)?").fullmatch, decimal),
        (re.compile(rf"{whole}\{field.decimal}\d+").fullmatch,
         "unit: major" if field.unit == "minor" else "their currency has fewer decimals"),
    ]  # fmt: skip


def _code(text: str) -> str:
    code = _CALLED.get(text.upper(), text.upper())
    return code if digits_of(code) is not None else ""
