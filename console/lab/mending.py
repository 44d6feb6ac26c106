"""How a mistake in a payment is mended, in the words of its contract."""

import re
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

import msgspec

from pipelines import policy
from schemas.currencies import digits_of
from schemas.dead_letter import HINTS, DeadLetter
from schemas.forms import mend_of_form
from schemas.instants import unit_of
from schemas.iso20022.document import is_xml
from schemas.payment import Payment

Fields = dict[str, Any]

CONTRACT = {each.name: each for each in msgspec.structs.fields(Payment)}
_REQUIRED_ONES = [name for name, each in CONTRACT.items() if each.required]
_PLACE = re.compile(r"at `(?:\$\.([a-z0-9_]+)|/Document/([^`]+))`")
_NUMBER = re.compile(r"\[\d+\]")
_REQUIRED = re.compile(r"missing required field `([a-z0-9_]+)`")

#: So many fields of a payment make an object one.
_INNER_LEAST = 3

#: How a field is written right, where its words do not say it.
_MENDS = {
    "accepted_at_us": "microseconds since 1970 in UTC, a whole number",
    "amount_minor": "a whole number of the currency's smallest unit, 1 or more: 12.50 GBP is 1250",
    "currency": "three capital letters of ISO 4217, such as GBP",
    "txn_id": "1 to 36 printable ASCII characters without blanks",
    "new_device_age_h": "whole hours, -1 if unknown",
    "balance_after_minor": "a whole number of the currency's smallest unit, -1 if unknown or overdrawn",
    **dict.fromkeys(("debtor", "debtor_account", "creditor_account"), "a token: stopline tokens make"),
    **dict.fromkeys(("debtor_agent", "creditor_agent"), "a BIC or national code of at most 14 letters"),
    **dict.fromkeys(("remote_control", "screen_share", "call_in_progress"), "true or false"),
    **dict.fromkeys(
        ("payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us"),
        "microseconds since 1970 in UTC, a whole number, -1 if unknown",
    ),
}


def field_of(letter: DeadLetter) -> str:
    """Return the field a refusal names, or the path of an element, whichever it is of several; "" if none."""
    if named := _REQUIRED.search(letter.message):
        return named[1]
    place = _PLACE.search(letter.message)
    return (place[1] or _NUMBER.sub("", place[2])) if place else ""


def mend_of(letter: DeadLetter, name: str, fields: Fields) -> str:
    """Return the next step for a refused payment: `name` is the field, or the currency without a rate."""
    if letter.error_code == "UNKNOWN_CURRENCY":
        return _rate_of(name)
    if is_xml(letter.value):
        return f"make `{name.rpartition('/')[2]}` as ISO 20022 says" if name else letter.hint
    if letter.error_code in {"NOT_JSON", "INVALID"} and not fields:
        return mend_of_form(letter.value) or HINTS["NOT_JSON"]
    if _REQUIRED.search(letter.message):
        return _mend_of_missing(name, fields)
    if letter.error_code != "INVALID" or not name:
        ahead = " Local time taken for UTC is ahead by its zone." if letter.error_code == "FUTURE" else ""
        return letter.hint + ahead
    given = fields.get(name)
    unit = unit_of(given) if name == "accepted_at_us" and isinstance(given, int) else ""
    return f"write `{name}` as {written(name)}" + (f"; this looks like {unit}" if unit else "")


def _mend_of_missing(name: str, fields: Fields) -> str:
    inner = {
        each: len(value.keys() & CONTRACT.keys()) for each, value in fields.items() if isinstance(value, dict)
    }
    if inner and max(inner.values()) >= _INNER_LEAST:
        outer = max(inner, key=inner.__getitem__)
        return f"the payment seems to stand inside `{outer}`; send what is in it as the whole value"
    if meant := [each for each in fields if each not in CONTRACT and near(each) == name]:
        return f"`{meant[0]}` is probably meant; call it `{name}`"
    others = [f"`{each}`" for each in _REQUIRED_ONES if each != name and each not in fields]
    return f"send `{name}`: {written(name)}" + (f"; {', '.join(others)} lack too" if others else "")


def _rate_of(currency: str) -> str:
    if digits_of(currency) is None:
        return f"write `currency` as {written('currency')}"
    known = [country for country, file in policy.shipped().items()
             if currency.encode() in policy.load(file).currencies]  # fmt: skip
    given = f"act by --country {' or '.join(known)}, whose policy has a rate, or " if known else ""
    return f"{given}add `{currency}` to `currencies` in your own policy and give it with --policy_file"


def written(name: str) -> str:
    """Return how a field of a payment is written right."""
    of = CONTRACT[name].type if name in CONTRACT else None
    if get_origin(of) is Literal:
        return f"one of {', '.join(word for word in get_args(of) if word)}"
    return _MENDS.get(name, "docs/schemas.md says")


def near(name: str) -> str:
    """Return the field whose name looks like another one, camel case included; "" if none."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    return next(iter(get_close_matches(snake, CONTRACT, 1, 0.65)), "")
