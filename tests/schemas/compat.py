"""What a change of a JSON Schema takes away from messages that were valid before."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

#: Bounds that may only be loosened, and which way is looser.
LOOSER_IF_LESS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
LOOSER_IF_MORE = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaks(before: Schema, after: Schema) -> list[str]:
    """Say where a message of `before` need not be one of `after`; empty if v1 stays readable."""
    return [text for name in before["$defs"] for text in _breaks(name, before, after)]


def _breaks(name: str, before: Schema, after: Schema) -> Iterator[str]:
    if name not in after["$defs"]:
        yield f"{name} is gone"
        return
    yield from _node(name, before["$defs"][name], after["$defs"][name])


def _node(place: str, before: Schema, after: Schema) -> Iterator[str]:
    for word in ("type", "$ref", "pattern", "format", "contentEncoding", "const"):
        if before.get(word) != after.get(word):
            yield f"{place}: {word} {before.get(word)!r} became {after.get(word)!r}"
    if "enum" in after and (lost := set(before.get("enum", [None])) - set(after["enum"])):
        yield f"{place}: no longer {sorted(map(str, lost))}"
    for word in LOOSER_IF_LESS:
        if after.get(word, -1e400) > before.get(word, -1e400):
            yield f"{place}: {word} rose"
    for word in LOOSER_IF_MORE:
        if after.get(word, 1e400) < before.get(word, 1e400):
            yield f"{place}: {word} fell"
    fields = before.get("properties", {})
    for field in fields:
        if field not in after.get("properties", {}):
            yield f"{place}.{field} is gone"
        else:
            yield from _node(f"{place}.{field}", fields[field], after["properties"][field])
    for field in set(after.get("required", [])) - set(before.get("required", [])):
        yield f"{place}.{field} became required"
    if isinstance(before.get("items"), dict):
        yield from _node(f"{place}[]", before["items"], after.get("items", {}))
