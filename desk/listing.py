"""Lists in order of change, from a place on: what other desks, files and webhooks are fed with."""

import re
from typing import Any

import msgspec

from desk.planes import PLANES
from desk.store import Store, unpacked
from schemas.contract import TOKEN_PATTERN

#: List -> table, the column that counts its changes, and a condition.
LISTS = {
    "cases": ("cases", "changed", "1"),
    "alerts": ("alerts", "rowid", "1"),
    "measures": ("measures", "rowid", "1"),
    "actions": ("actions", "rowid", "1"),
    "warnings": ("facts", "seq", "topic = 'warnings'"),
    "traces": ("facts", "seq", "topic = 'traces'"),
    "refunds": ("facts", "seq", "topic = 'refunds'"),
    "feedback": ("facts", "seq", "topic = 'feedback'"),
    "contacts": ("facts", "seq", "topic = 'contacts'"),
    **{each.name: ("aggregates", "seq", f"topic = '{each.topic}'") for each in PLANES.values()},
}

_TOKEN = re.compile(TOKEN_PATTERN)

_encode = msgspec.json.Encoder().encode


def lines(store: Store, name: str, after: str, limit: int, *, masked: bool = False) -> tuple[bytes, str]:
    """Return JSON Lines of what changed after a place, and the place of the last one.

    A thing that changed again comes again; a place of another build of the store is before everything.
    """
    table, column, condition = LISTS[name]
    epoch, _, number = after.partition("-")
    seen = int(number) if epoch == store.epoch and number.isdigit() else 0
    rows = store.rows(
        f"SELECT *, {column} AS place FROM {table} WHERE {condition} AND {column} > ? "
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
