"""Lists of what other jobs keep: what a person owes something first, then by clock, weight and age."""

from collections.abc import Collection
from typing import NamedTuple

from desk.sight import EVERYTHING, Sight
from desk.sql import Row, among
from desk.store import Store, unpacked

#: Rows of a page.
PAGE = 50

#: Filters of a list: name -> condition.
FILTERS = {"": "live = 1", "waits": "waits = 1", "all": "1 = 1", "ended": "live = 0"}


class Line(NamedTuple):
    """One aggregate in a list; times in microseconds UTC, `value` as it stands on its topic."""

    topic: str
    id: str
    kind: str
    name: str
    state: str
    live: bool
    waits: bool
    due_us: int | None
    due_kind: str
    at_us: int
    value: bytes


def listed(
    store: Store, topic: str, *, only: str = "", find: str = "", limit: int = PAGE, skip: int = 0,
    sight: Sight = EVERYTHING,
) -> list[Line]:  # fmt: skip
    """Return aggregates of a topic; `find` is a token or value that they name, or their id."""
    rows = store.rows(
        f"SELECT * FROM aggregates WHERE topic = ?1 AND {FILTERS[only]} AND {sight.aggregates()} "
        "AND (?2 = '' OR id = ?2 OR id IN "
        "(SELECT id FROM names WHERE topic = ?1 AND name = ?2)) "
        "ORDER BY waits DESC, due_us IS NULL, due_us, weight DESC, at_us DESC, id LIMIT ?3 OFFSET ?4",
        topic, find, limit, skip,
    )  # fmt: skip
    return [_line(row) for row in rows]


def counted(store: Store, topic: str, sight: Sight = EVERYTHING) -> tuple[int, int]:
    """Return how many are live, and of how many a person owes something."""
    row = store.row(
        "SELECT coalesce(sum(live), 0) AS live, coalesce(sum(waits), 0) AS waits FROM aggregates "
        f"WHERE topic = ? AND {sight.aggregates()}", topic,
    )  # fmt: skip
    return (row["live"], row["waits"]) if row else (0, 0)


def naming(store: Store, names: Collection[str], most: int = 40, sight: Sight = EVERYTHING) -> list[Line]:
    """Return aggregates that name one of these tokens or values, the newest first."""
    wanted = [each for each in dict.fromkeys(names) if each]
    rows = store.rows(
        "SELECT * FROM aggregates WHERE seq IN (SELECT a.seq FROM names AS n JOIN aggregates AS a "
        f"ON a.topic = n.topic AND a.id = n.id WHERE {among('n.name', wanted)}) "
        f"AND {sight.aggregates()} ORDER BY at_us DESC LIMIT ?", *wanted, most,
    )  # fmt: skip
    return [_line(row) for row in rows]


def record_of(store: Store, topic: str, name: str) -> bytes | None:
    """Return an aggregate as it stands on its topic; None if it is not there."""
    row = store.row("SELECT record FROM aggregates WHERE topic = ? AND id = ?", topic, name)
    return unpacked(row["record"]) if row else None


def _line(row: Row) -> Line:
    live, waits = bool(row["live"]), bool(row["waits"])
    return Line(
        row["topic"], row["id"], row["kind"], row["name"], row["state"], live, waits, row["due_us"],
        row["due_kind"], row["at_us"], unpacked(row["record"]),
    )  # fmt: skip
