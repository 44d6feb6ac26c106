"""Lists in order of change, from a place on: what other desks, files and webhooks are fed with."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from desk.planes import PLANES
from desk.sight import EVERYTHING, Sight
from desk.store import Store, unpacked
from schemas.contract import TOKEN_PATTERN
from schemas.strict_text import is_number

#: List -> table, the column that counts its changes, a condition, and which lines of it somebody sees.
LISTS: Mapping[str, tuple[str, str, str, Callable[[Sight], str]]] = {
    "cases": ("cases", "changed", "1", Sight.kept),
    "alerts": ("alerts", "rowid", "1", Sight.kept),
    "measures": ("measures", "rowid", "1", Sight.accounts),
    "actions": ("actions", "rowid", "1", Sight.actions),
    **{
        name: ("facts", "seq", f"topic = '{name}'", Sight.facts)
        for name in ("warnings", "traces", "refunds", "feedback", "contacts")
    },
    **{
        each.name: ("aggregates", "seq", f"topic = '{each.topic}'", Sight.aggregates)
        for each in PLANES.values()
    },
}

_TOKEN = re.compile(TOKEN_PATTERN)

_encode = msgspec.json.Encoder().encode


def lines(
    store: Store, name: str, after: str, limit: int, *, masked: bool = False, sight: Sight = EVERYTHING
) -> tuple[bytes, str]:
    """Return JSON Lines of what is seen and changed after a place, and the place of the last one.

    A thing that changed again comes again; a place of another build of the store is before everything.
    """
    table, column, condition, seen_by = LISTS[name]
    epoch, _, number = after.partition("-")
    seen = int(number) if epoch == store.epoch and is_number(number) and len(number) <= 18 else 0
    rows = store.rows(
        f"SELECT *, {column} AS place FROM {table} WHERE {condition} AND {column} > ? AND {seen_by(sight)} "
        f"ORDER BY {column} LIMIT ?",
        seen,
        limit,
    )
    made = [_encode(_hidden(_shown(row), masked)) + b"\n" for row in rows]
    return b"".join(made), f"{store.epoch}-{rows[-1]['place'] if rows else seen}"


def _shown(row: Any) -> dict[str, Any]:
    if "record" in tuple(row.keys()):
        found: dict[str, Any] = msgspec.json.decode(unpacked(row["record"]))
        return {name: value for name, value in found.items() if name not in ("effects", "notices")}
    return {name: row[name] for name in tuple(row.keys()) if name not in ("place", "changed")}


def _hidden(record: Any, masked: bool) -> Any:
    """Shorten every token in a record, however deep it stands, for who must not see whom it names."""
    if not masked:
        return record
    if isinstance(record, dict):
        return {name: _hidden(value, masked) for name, value in record.items()}
    if isinstance(record, list):
        return [_hidden(value, masked) for value in record]
    return f"{record[:4]}····" if isinstance(record, str) and _TOKEN.match(record) else record
