"""Lists in order of change, from a place on: what other desks, files and webhooks are fed with."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from desk.planes import PLANES
from desk.sight import EVERYTHING, Sight
from desk.store import Store, unpacked
from schemas.contract import is_token
from schemas.errors import ConfigError

#: List -> table, the column that counts its changes, a condition, and which lines of it somebody sees.
LISTS: Mapping[str, tuple[str, str, str, Callable[[Sight], str]]] = {
    "cases": ("cases", "changed", "1 = 1", Sight.kept),
    "alerts": ("alerts", "seq", "1 = 1", Sight.kept),
    "measures": ("measures", "seq", "1 = 1", Sight.accounts),
    "actions": ("actions", "seq", "1 = 1", Sight.actions),
    **{
        name: ("facts", "seq", f"topic = '{name}'", Sight.facts)
        for name in ("warnings", "traces", "refunds", "feedback", "contacts")
    },
    **{
        each.name: ("aggregates", "seq", f"topic = '{each.topic}'", Sight.aggregates)
        for each in PLANES.values()
    },
}


#: A place: which build of the store, and the number of a change.
_PLACE = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")

_encode = msgspec.json.Encoder().encode


def lines(
    store: Store, name: str, after: str, limit: int, *, masked: bool = False, sight: Sight = EVERYTHING
) -> tuple[bytes, str]:
    """Return JSON Lines of what is seen and changed after a place, and the place of the last one.

    A thing that changed again comes again; a place of another build of the store is before everything.

    Raises:
        ConfigError: there is no such list, or the place is none.

    """
    if name not in LISTS:
        raise ConfigError(f"there is no list {name!r}; use one of {', '.join(LISTS)}")
    epoch, number = _place(after)
    table, column, condition, seen_by = LISTS[name]
    seen = number if epoch == store.epoch else 0
    rows = store.rows(
        f"SELECT *, {column} AS place FROM {table} WHERE {condition} AND {column} > ? AND {seen_by(sight)} "
        f"ORDER BY {column} LIMIT ?",
        seen,
        limit,
    )
    made = [_encode(_hidden(_shown(row), masked)) + b"\n" for row in rows]
    return b"".join(made), f"{store.epoch}-{rows[-1]['place'] if rows else seen}"


def is_of_another(store: Store, after: str) -> bool:
    """Tell whether a place is one of another build of the store, so that everything comes again.

    Raises:
        ConfigError: the place is none.

    """
    return _place(after)[0] not in ("", store.epoch)


def _place(after: str) -> tuple[str, int]:
    if not after:
        return "", 0
    if (found := _PLACE.fullmatch(after)) is None:
        raise ConfigError(
            f"{after[:40]!r} is no place in a list; give the one that came with the last lines, or none to "
            "begin at the beginning"
        )
    return found[1], int(found[2])


def _shown(row: Any) -> dict[str, Any]:
    if "record" in tuple(row.keys()):
        found: dict[str, Any] = msgspec.json.decode(unpacked(row["record"]))
        return {name: value for name, value in found.items() if name not in ("effects", "notices")}
    return {name: row[name] for name in tuple(row.keys()) if name not in ("place", "changed", "seq")}


def _hidden(record: Any, masked: bool) -> Any:
    """Shorten every token in a record, however deep it stands, for who must not see whom it names."""
    if not masked:
        return record
    if isinstance(record, dict):
        return {name: _hidden(value, masked) for name, value in record.items()}
    if isinstance(record, list):
        return [_hidden(value, masked) for value in record]
    return f"{record[:4]}····" if isinstance(record, str) and is_token(record) else record
