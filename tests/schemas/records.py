"""Strategies that draw records as their annotations describe them."""

import base64
import enum
import types
import typing
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import strategies as st
from msgspec import Meta, Struct

from schemas.contract import TOKEN_PATTERN, TXN_ID_PATTERN
from schemas.payment import Payment

INT64 = 2**63


def token_of(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


tokens = st.binary(min_size=16, max_size=16).map(token_of)

#: Patterns of our contracts -> texts that follow them.
FOLLOWING = {
    TOKEN_PATTERN: tokens,
    r"^[A-Z]{3}\Z": st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
    TXN_ID_PATTERN: st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=36),
}

PLAIN: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    bytes: st.binary(),
    types.NoneType: st.none(),
}


def _tuple(*each: Any) -> st.SearchStrategy[Any]:
    """Return tuples: `(x, ...)` of any length, others of their own."""
    return st.lists(each[0], max_size=2).map(tuple) if each[-1] is ... else st.tuples(*each)


#: Origins of annotations with arguments -> how values are put together from values of the arguments.
COMPOSED: dict[Any, Any] = {
    typing.Union: st.one_of,
    types.UnionType: st.one_of,
    tuple: _tuple,
    dict: lambda key, value: st.dictionaries(key, value, max_size=2),
}


def record(of: type[Struct]) -> st.SearchStrategy[Any]:
    """Records of one kind, optional fields now and then left at their default."""
    fields = msgspec.structs.fields(of)
    required = {field.name: values(field.type) for field in fields if field.required}
    optional = {field.name: values(field.type) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda drawn: of(**drawn))


def values(of: Any, meta: Meta | None = None) -> st.SearchStrategy[Any]:
    """Values of one annotation."""
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is Annotated:
        return values(arguments[0], next(each for each in arguments[1:] if isinstance(each, Meta)))
    if origin is Literal or isinstance(of, enum.EnumType):
        return st.sampled_from(arguments or list(of))
    if origin in COMPOSED:
        drawn = COMPOSED[origin](*(each if each is ... else values(each) for each in arguments))
        return drawn.filter(lambda each: len(each) >= meta.min_length) if meta and meta.min_length else drawn
    if of is int:
        least = -INT64 if meta is None or meta.ge is None else int(meta.ge)
        return st.integers(least, INT64 - 1 if meta is None or meta.le is None else int(meta.le))
    if of in (str, float):
        return _texts(meta or Meta()) if of is str else _floats(meta or Meta())
    return PLAIN[of] if of in PLAIN else record(of)


def _floats(meta: Meta) -> st.SearchStrategy[float]:
    return st.floats(meta.ge, meta.le, allow_nan=False, allow_infinity=False)


def _texts(meta: Meta) -> st.SearchStrategy[str]:
    if meta.pattern is None:
        return st.text(min_size=meta.min_length or 0, max_size=meta.max_length)
    if meta.pattern in FOLLOWING:
        return FOLLOWING[meta.pattern]
    least, most = meta.min_length or 0, meta.max_length or 2**16
    return st.from_regex(meta.pattern).filter(lambda text: least <= len(text) <= most)


payments = record(Payment)
