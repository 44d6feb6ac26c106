"""From a record type to its published contracts: one source of truth for JSON Schema and Arrow schema."""

import types
import typing
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
from msgspec import Meta, Struct

#: What a token looks like: 128 bits in lower-case base32 without padding (domain.md 4.11).
TOKEN_PATTERN = "^[a-z2-7]{25}[aeimquy4]$"

# Patterns stand in the JSON Schema; the hot path checks the alphabet as it packs tokens (tokens.py).
Token = Annotated[str, Meta(min_length=26, max_length=26, extra_json_schema={"pattern": TOKEN_PATTERN})]
Micros = Annotated[int, Meta(ge=0, le=2**53)]
MicrosOrUnknown = Annotated[int, Meta(ge=-1, le=2**53, description="microseconds UTC; -1 is unknown")]
MinorUnits = Annotated[int, Meta(ge=0, le=2**53)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, extra_json_schema={"pattern": "^[A-Z]{3}$"})]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the event records: unknown fields are ignored, so a newer writer does not break a reader."""


def json_schema(name: str, *records: type[Struct]) -> dict[str, Any]:
    """Return the JSON Schema of messages that are one of `records`, stored as `schemas/json/{name}.json`."""
    references, components = msgspec.json.schema_components(records, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **(references[0] if len(references) == 1 else {"oneOf": list(references)}),
        "$defs": components,
    }


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
    if origin is tuple:
        return pa.list_(_type(arguments[0]))
    if origin is Literal:
        return pa.string()
    if issubclass(of, Struct):
        return pa.struct([_field(field) for field in msgspec.structs.fields(of)])
    return {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), bytes: pa.binary()}.get(of, pa.string())
