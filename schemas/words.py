"""Which words a place in a message may hold, by the type that reads it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from msgspec import inspect

_NOT_A_WORD = re.compile(r"^Invalid (?:enum )?value .* - at `\$(?P<path>[^`]*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)|\[[^\]]*\]")


def in_words(said: str, of: Any) -> str:
    """Return what is said of a word that is none of its place's, with those that are.

    >>> from typing import Literal
    >>> in_words("Invalid enum value 'x' - at `$[0]`", list[Literal["CARD", "ACCOUNT"]])
    'Expected one of ACCOUNT, CARD - at `$[0]`'
    """
    if of is None or not (found := _NOT_A_WORD.match(said)):
        return said
    words = _allowed(of, found["path"])
    return f"Expected one of {', '.join(words)} - at `${found['path']}`" if words else said


@lru_cache(256)
def _allowed(of: Any, path: str) -> tuple[str, ...]:
    at = list(_flat(inspect.type_info(of)))
    names = [step["name"] for step in _STEP.finditer(path)]
    for place, name in enumerate(names):
        last = place == len(names) - 1
        if last and (tags := [str(each.tag) for each in _structs(at) if each.tag_field == name]):
            return tuple(sorted(tags))
        at = [inner for each in at for inner in _within(each, name)]
    return tuple(sorted({str(word) for each in at for word in _words(each)}))


def _within(each: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    if name is None:
        inner = getattr(each, "item_type", getattr(each, "value_type", None))
        yield from _flat(inner) if inner else ()
    elif isinstance(each, inspect.StructType):
        yield from (one for field in each.fields if field.encode_name == name for one in _flat(field.type))


def _flat(each: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a type may be."""
    if isinstance(each, inspect.Metadata):
        yield from _flat(each.type)
    elif isinstance(each, inspect.UnionType):
        for one in each.types:
            yield from _flat(one)
    else:
        yield each


def _structs(at: list[inspect.Type]) -> list[inspect.StructType]:
    return [each for each in at if isinstance(each, inspect.StructType)]


def _words(each: inspect.Type) -> Iterator[Any]:
    if isinstance(each, inspect.LiteralType):
        yield from (word for word in each.values if word != "")
    elif isinstance(each, inspect.EnumType):
        yield from (member.value for member in each.cls)
