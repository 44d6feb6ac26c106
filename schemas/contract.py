"""From a record type to its published contracts: one source of truth for JSON Schema and Arrow schema."""

import re
import types
import typing
from inspect import cleandoc
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
from msgspec import Meta, Struct

from schemas.words import in_words

#: What a token looks like: 128 bits in lower-case base32 without padding (domain.md 4.11).
TOKEN_PATTERN = r"^[a-z2-7]{25}[aeimquy4]\Z"
_TOKEN = re.compile(TOKEN_PATTERN)
#: ISO 20022 TxId has 35 characters, a UETR (a UUID) 36.
TXN_ID_PATTERN = r"^[!-~]{1,36}\Z"

#: Characters that turn the direction of what stands beside them; shown to people, they let words lie.
_TURNING = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

#: Text of one line: no control character, no line end, no blank at either end.
_CONTROL = rf"\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}"
LINE_PATTERN = rf"^(?:[^{_CONTROL} \xa0](?:[^{_CONTROL}]*[^{_CONTROL} \xa0])?)?\Z"

# Patterns match the whole text (`\Z`: `$` would let a line end pass); JSON Schema, whose `$` does, gets `$`.
Token = Annotated[str, Meta(min_length=26, max_length=26, pattern=TOKEN_PATTERN)]
TokenOrNone = Annotated[str, Meta(max_length=26, pattern=r"^([a-z2-7]{25}[aeimquy4])?\Z")]
TransactionId = Annotated[str, Meta(min_length=1, max_length=36, pattern=TXN_ID_PATTERN)]
TransactionIdOrNone = Annotated[str, Meta(max_length=36, pattern=r"^[!-~]{0,36}\Z")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._/-]{1,64}\Z")]
IdOrNone = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._/-]{0,64}\Z")]
PersonId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
InstitutionIdOrNone = Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z0-9._-]{0,35}\Z")]
Word = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._-]{0,64}\Z")]
CaseName = Annotated[str, Meta(max_length=64, pattern=LINE_PATTERN)]
Line = Annotated[str, Meta(max_length=200, pattern=LINE_PATTERN)]
#: What an institution, an authority or a reporter is called, or a code of theirs.
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=LINE_PATTERN)]
#: Text of several lines: of control characters only tabulators and line ends.
TEXT_PATTERN = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_TURNING}]*\Z"
Text = Annotated[str, Meta(max_length=1000, pattern=TEXT_PATTERN)]
#: A text with what the engine says before it.
LongText = Annotated[str, Meta(max_length=2000, pattern=TEXT_PATTERN)]
Country = Annotated[str, Meta(min_length=2, max_length=2, pattern=r"^[A-Z]{2}\Z")]
CountryOrNone = Annotated[str, Meta(max_length=2, pattern=r"^([A-Z]{2})?\Z")]
Currency = Annotated[str, Meta(min_length=3, max_length=3, pattern=r"^[A-Z]{3}\Z")]
CurrencyOrNone = Annotated[str, Meta(max_length=3, pattern=r"^([A-Z]{3})?\Z")]

#: What reading a message or a line of JSON raises that is none, or breaks its contract.
UNREADABLE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)

MICROS_MAX = 2**53
Micros = Annotated[int, Meta(ge=0, le=MICROS_MAX)]
MicrosOrUnknown = Annotated[int, Meta(ge=-1, le=2**53, description="microseconds UTC; -1 is unknown")]
ClaimedMicros = Annotated[int, Meta(ge=0, le=2**62, description="what a message claims; checked before use")]
MinorUnits = Annotated[int, Meta(ge=0, le=2**53)]
#: A balance, which may be overdrawn, or a sum of amounts: room for 512 of the largest.
BALANCE_MAX = 2**62
Balance = Annotated[int, Meta(ge=-BALANCE_MAX, le=BALANCE_MAX)]
Total = Annotated[int, Meta(ge=0, le=2**62)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
#: An HMAC-SHA-256, hexadecimal.
SEAL_CHARS = 64
SealOrNone = Annotated[str, Meta(max_length=SEAL_CHARS, pattern=r"^([0-9a-f]{64})?\Z")]
#: Events of one account: one a second for thirty years. A journal that states more is not ours.
VERSION_MAX = 10**9
Version = Annotated[int, Meta(ge=0, le=VERSION_MAX)]


#: A pattern that matches nothing: that a string is too long or too short is said as it is.
_NEVER = "(?!)"

#: What msgspec says of formats, in the words of the field, with the next step where there is one.
_FORMATS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(f"Expected `str` (?:matching regex '{pattern}|of length {length})", re.DOTALL), said, mend)
    for pattern, length, said, mend in (
        (r"\^\(?\[a-z2-7\]\{25\}[^']*'", "[<>]= 26", "Expected a token of 26 base32 letters",
         "; make it with: stopline tokens make"),
        (r"\^\(?\[A-Z\]\{3\}[^']*'", "[<>]= 3(?= - at `[^`]*currency`)",
         "Currencies are upper case ISO 4217", ""),
        (r"\^\[!-~\][^']*'", _NEVER, "Expected 1 to 36 printable characters of ASCII without blanks", ""),
        (r"\^\[A-Za-z0-9[^']*'", _NEVER, "Expected letters, digits, dots, hyphens and underscores alone", ""),
        (r"\^(?:\(\?:)?\[\^\\+x00[^']*'", _NEVER, "Expected text without control characters", ""),
        (r"\^\(?\[A-Z\]\{2\}[^']*'", "[<>]= 2(?= - at `[^`]*(?:jurisdiction|country)`)",
         "Countries are two upper case letters of ISO 3166", ""),
        (r"(?!)", ">= 1(?= - at)", "A text is missing", ""),
    )
)  # fmt: skip


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the event records: unknown fields are ignored, so a newer writer does not break a reader."""


def is_token(text: str) -> bool:
    """Tell whether a text looks like a token.

    >>> is_token("abcdefghijklmnopqrstuvwxya"), is_token("evil.example")
    (True, False)
    """
    return _TOKEN.match(text) is not None


def explained(error: Exception, of: Any = None) -> str:
    """Say what breaks a contract in the words of the field; where a token lacks, with how one is made.

    `of` is the type that was read: a word that is none of its place's is answered with those that are.

    >>> explained(ValueError("Expected `str` of length >= 26 - at `$.account_token`"))
    'Expected a token of 26 base32 letters - at `$.account_token`; make it with: stopline tokens make'
    >>> explained(ValueError("Expected `str` of length <= 3 - at `$.currency`"))
    'Currencies are upper case ISO 4217 - at `$.currency`'
    """
    said = in_words(str(error), of)
    for pattern, means, mend in _FORMATS:
        said, found = pattern.subn(means, said)
        if found:
            return said + mend
    return said


def json_schema(name: str, *records: type[Struct]) -> dict[str, Any]:
    """Return the JSON Schema of messages that are one of `records`, stored as `schemas/json/{name}.json`."""
    references, components = msgspec.json.schema_components(records, ref_template="#/$defs/{name}")
    components = _published(components)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **(references[0] if len(references) == 1 else {"oneOf": list(references)}),
        "$defs": components,
    }


def _published(schema: Any) -> Any:
    """Write the end of a pattern as JSON Schema does, `$`, and descriptions alike under every Python."""
    if isinstance(schema, dict):
        published = {word: _published(value) for word, value in schema.items()}
        if isinstance(schema.get("pattern"), str):
            published["pattern"] = schema["pattern"].replace(r"\Z", "$")
        if isinstance(schema.get("description"), str):
            published["description"] = cleandoc(schema["description"])
        return published
    return [_published(each) for each in schema] if isinstance(schema, list) else schema


def arrow_schema(record: type[Struct]) -> pa.Schema:
    """Return the Arrow schema of `record`; optional fields are nullable, nested records are structs."""
    return pa.schema([_field(field) for field in msgspec.structs.fields(record)])


def _field(field: msgspec.structs.FieldInfo) -> pa.Field:
    return pa.field(field.encode_name, _type(field.type), nullable=not field.required)


def _type(of: Any) -> pa.DataType:
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _type(next(each for each in arguments if each is not type(None)))
    if origin in (tuple, frozenset, dict):
        inner = [_type(each) for each in arguments if each is not ...]
        return pa.map_(*inner) if origin is dict else pa.list_(inner[0])
    if origin is Literal:
        return pa.string()
    if issubclass(of, Struct):
        return pa.struct([_field(field) for field in msgspec.structs.fields(of)])
    return {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), bytes: pa.binary()}.get(of, pa.string())
