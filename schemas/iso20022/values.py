"""Values of ISO 20022 messages, checked before they are written and as they are read."""

import re
from datetime import date
from typing import Any, get_args

from schemas.currencies import digits_of
from schemas.errors import SchemaError

_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"\+?([0-9]{1,18})(?:\.([0-9]{0,18}))?")

#: What XML 1.0 cannot hold, and control characters nobody means.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

#: An amount of ISO 20022 has 18 digits, fraction included.
MOST_MINOR = 10**18


def text(tag: str, value: str, longest: int) -> str:
    """Return a text of an element.

    Raises SchemaError if it is empty, too long, of blanks only, has blanks around it, which readers of XML
    take away, or holds characters that XML cannot.
    """
    if not 1 <= len(value) <= longest or not value.strip():
        raise SchemaError(f"ISO 20022 {tag} must have 1 to {longest} characters, got {value[:40]!r}")
    if value != value.strip() and printable(tag, value):
        raise SchemaError(f"ISO 20022 {tag} has a blank at its start or end, {value[:40]!r}; take it away")
    return printable(tag, value)


def printable(tag: str, value: str) -> str:
    """Return a text of characters that XML can hold and a reader shows; raises SchemaError on others."""
    if found := _UNPRINTABLE.search(value):
        raise SchemaError(
            f"ISO 20022 {tag} holds U+{ord(found[0]):04X}, which no message can carry; take it out"
        )
    return value


def is_uetr(value: str) -> bool:
    """Tell whether an id is a unique end-to-end transaction reference."""
    return bool(_UETR.fullmatch(value))


def uetr(value: str) -> str:
    """Return a unique end-to-end transaction reference: a version 4 UUID in lower case (RFC 4122)."""
    if not is_uetr(value):
        raise SchemaError(f"{value[:40]!r} is no UETR; it is a version 4 UUID in lower case")
    return value


def iso_date(tag: str, value: str) -> str:
    """Return a date as ISO 8601 writes it, 2026-03-02."""
    try:
        good = bool(_DATE.fullmatch(value)) and bool(date.fromisoformat(value))
    except ValueError:
        good = False
    if not good:
        raise SchemaError(f"ISO 20022 {tag} is a date like 2026-03-02, got {value[:40]!r}")
    return value


def currency(code: str, minor_digits: int) -> str:
    """Return a currency of ISO 4217 whose amounts have `minor_digits` decimals."""
    digits = digits_of(code)
    if digits is None:
        raise SchemaError(f"{code[:10]!r} is no currency of ISO 4217")
    if digits != minor_digits:
        raise SchemaError(f"{code} has {digits} decimals (ISO 4217), not {minor_digits}")
    return code


def amount(tag: str, minor: int) -> int:
    """Return an amount of money: more than nothing, and no longer than ISO 20022 allows."""
    if not 0 < minor < MOST_MINOR:
        raise SchemaError(f"ISO 20022 {tag} is above 0 and has at most 18 digits, got {minor} minor units")
    return minor


def one_of(tag: str, value: Any, allowed: Any) -> str:
    """Return a code of a list; `allowed` is its Literal type."""
    codes = get_args(allowed)
    if value not in codes:
        raise SchemaError(f"ISO 20022 {tag} is one of {', '.join(codes)}, got {value!r}")
    return str(value)


def minor(tag: str, written: str, code: str) -> int:
    """Read a decimal amount as minor units of its currency; nothing but zeros may follow those.

    >>> minor("Amt", "1234.5", "EUR"), minor("Amt", "5000", "KRW"), minor("Amt", "5000.00", "JPY")
    (123450, 5000, 5000)
    """
    digits = digits_of(code)
    if digits is None:
        raise SchemaError(f"{code[:10]!r} is no currency of ISO 4217")
    match = _DECIMAL.fullmatch(written)
    if match is None:
        raise SchemaError(f"ISO 20022 {tag} {written[:30]!r} is no amount of {code[:10]!r}")
    part = (match[2] or "").rstrip("0")
    if len(part) > digits:
        raise SchemaError(f"ISO 20022 {tag} {written[:30]!r} has {len(part)} decimals, {code} has {digits}")
    return amount(tag, int(match[1] + part.ljust(digits, "0")))
