"""The queue: open cases in the order in which a person should look at them.

    priority = value at risk in the next hour × probability × clock

- Value times probability is summed up over the payments of a case: `expected`. A score owes a part to the
  value already; `desk.terms.chance` takes that out.
- What is held is at risk at its clock's zero. Money held for `h` more hours counts 1/h of it for the next
  hour; what no measure is known to hold, or whose zero is less than an hour away or past, counts whole.
- `clock` is 1 when an alert comes in, 2 when its service time is used up, at most 3.
"""

from typing import NamedTuple

from desk.clock import DeskClock
from desk.sight import EVERYTHING, Sight
from desk.store import Store
from pipelines.policy import OUTCOMES
from schemas.units import HOUR_US

#: Rows of a page.
PAGE = 50


class Row(NamedTuple):
    """One case in the queue; times in microseconds UTC, `law_left_us` and `service_left_us` until zero.

    `law_left_us` is None where nothing happens by itself.
    """

    case_id: str
    account: str
    jurisdiction: str
    leg: str
    outcome: str
    rule: str
    open_alerts: int
    victims: int
    amount_minor: int
    currency: str
    probability: float
    priority: float
    since_us: int
    law_left_us: int | None
    law_kind: str
    service_left_us: int
    live: int
    held_minor: int
    appeals: int
    pending: int
    escalated: int
    changed: int


def rows(
    store: Store, clock: DeskClock, *, limit: int = PAGE, skip: int = 0, only: str = "",
    sight: Sight = EVERYTHING,
) -> list[Row]:  # fmt: skip
    """Return open cases that are seen, the most urgent first; `only` is one of `FILTERS`."""
    now = clock.now(store)
    found = store.rows(
        f"""
        SELECT c.*, r.priority, c.{clock.column} AS since_us FROM (
          SELECT rowid AS place, expected
            / CASE WHEN live AND law_due_us > ?1 + {HOUR_US} THEN (law_due_us - ?1) / {HOUR_US}.0 ELSE 1.0 END
            * (1.0 + min(max((?1 - {clock.column}) * 1.0 / service_us, 0.0), 2.0)) AS priority
          FROM cases INDEXED BY cases_open WHERE open AND {sight.kept()}
            {FILTERS[only].format(column=clock.column)}
          ORDER BY priority DESC, {clock.column}, case_id LIMIT ?2 OFFSET ?3) AS r
        JOIN cases AS c ON c.rowid = r.place ORDER BY priority DESC, since_us, c.case_id
        """,
        now, limit, skip,
    )  # fmt: skip
    return [
        Row(
            each["case_id"], each["account"], each["jurisdiction"], each["leg"], OUTCOMES[each["outcome"]],
            each["rule"],
            each["open_alerts"], each["victims"], each["amount_minor"], each["currency"],
            each["expected"] / each["value"] if each["value"] else 0.0, each["priority"], each["since_us"],
            None if each["law_due_us"] is None else each["law_due_us"] - now, each["law_kind"],
            each["since_us"] + each["service_us"] - now, each["live"], each["held_minor"], each["appeals"],
            each["pending"], each["escalated"], each["changed"],
        )
        for each in found
    ]  # fmt: skip


class Totals(NamedTuple):
    """The queue in a line: open cases, their sums in minor units by currency, what waits for somebody."""

    cases: int
    late: int
    pending: int
    appeals: int
    escalated: int
    sums: tuple[tuple[str, int], ...]


def totals(store: Store, clock: DeskClock, sight: Sight = EVERYTHING) -> Totals:
    """Count what is seen of the queue."""
    now = clock.now(store)
    found = store.rows(
        f"SELECT currency, count(*) AS n, sum({clock.column} + service_us < ?) AS late, "
        "sum(pending > 0) AS pending, sum(appeals > 0) AS appeals, sum(escalated > 0) AS escalated, "
        "sum(amount_minor) AS amount_minor FROM cases INDEXED BY cases_open "
        f"WHERE open AND {sight.kept()} GROUP BY 1", now,
    )  # fmt: skip
    counts = [sum(each[name] for each in found) for name in ("n", "late", "pending", "appeals", "escalated")]
    sums = [(each["currency"], each["amount_minor"]) for each in found if each["currency"]]
    cases, late, pending, appeals, escalated = counts
    return Totals(cases, late, pending, appeals, escalated, tuple(sums))


#: Filters of the queue: name -> condition; `?1` is now.
FILTERS = {
    "": "",
    "late": "AND {column} + service_us < ?1",
    "second": "AND pending > 0",
    "appeals": "AND appeals > 0",
    "escalated": "AND escalated > 0",
    "unheld": "AND live = 0",
}
