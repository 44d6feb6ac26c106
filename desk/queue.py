"""The queue: open cases in the order in which a person should look at them.

    priority = value at risk in the next hour × probability × clock

- Value times probability is summed up over the payments of a case: `expected`. A score owes a part to the
  value already; `desk.terms.chance` takes that out.
- What is held is at risk at its clock's zero. Money held for `h` more hours counts 1/h of it for the next
  hour; what no measure is known to hold, or whose zero is less than an hour away or past, counts whole.
- `clock` is 1 when an alert comes in, 2 when its service time is used up, at most 3.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from desk.clock import DeskClock
from desk.open_cases import Cases, open_cases
from desk.sight import EVERYTHING, Sight
from desk.sql import Row as StoredRow
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


#: Filters of the queue: name -> which of open cases, of what the service clock says is left of each.
FILTERS: Mapping[str, Callable[[Cases, NDArray[np.int64]], NDArray[np.bool_]]] = {
    "": lambda cases, left: np.ones(len(left), np.bool_),
    "late": lambda cases, left: left < 0,
    "second": lambda cases, left: cases["pending"] > 0,
    "appeals": lambda cases, left: cases["appeals"] > 0,
    "escalated": lambda cases, left: cases["escalated"] > 0,
    "unheld": lambda cases, left: cases["live"] == 0,
}


def _order(
    cases: Cases, since: NDArray[np.int64], now: int, count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the places of the `count` most urgent cases, in order, and the priority of every case."""
    hours = (cases["law_due_us"] - now) / HOUR_US
    over = np.where((cases["live"] > 0) & (hours > 1), hours, 1.0)
    waited = (now - since) / cases["service_us"]
    priority = cases["expected"] / over * (1.0 + np.clip(waited, 0.0, 2.0))
    first = np.arange(len(since))
    if count < len(since):
        first = np.flatnonzero(priority >= -np.partition(-priority, count - 1)[count - 1])
    order = np.lexsort((cases["case_id"][first], since[first], -priority[first]))
    return first[order][:count], priority


def rows(
    store: Store, clock: DeskClock, *, limit: int = PAGE, skip: int = 0, only: str = "",
    sight: Sight = EVERYTHING,
) -> list[Row]:  # fmt: skip
    """Return open cases that are seen, the most urgent first; `only` is one of `FILTERS`."""
    now = clock.now(store)
    cases = open_cases(store).seen(sight)
    if only:
        kept = FILTERS[only](cases, cases[clock.column] + cases["service_us"] - now)
        cases = {name: column[kept] for name, column in cases.items()}
    since = cases[clock.column]
    order, priorities = _order(cases, since, now, skip + limit)
    chosen = [(cases["case_id"][at].decode(), float(priorities[at])) for at in order[skip:].tolist()]
    return [
        _row(each, priority, now, clock.column)
        for name, priority in chosen
        if (each := store.row("SELECT * FROM cases WHERE case_id = ?", name)) is not None
    ]


def _row(case: StoredRow, priority: float, now: int, column: str) -> Row:
    due, since = case["law_due_us"], case[column]
    return Row(
        case["case_id"], case["account"], case["jurisdiction"], case["leg"], OUTCOMES[case["outcome"]],
        case["rule"], case["open_alerts"], case["victims"], case["amount_minor"], case["currency"],
        case["expected"] / case["value"] if case["value"] else 0.0, priority, since,
        None if due is None else due - now, case["law_kind"], since + case["service_us"] - now, case["live"],
        case["held_minor"], case["appeals"], case["pending"], case["escalated"], case["changed"],
    )  # fmt: skip


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
    kept = open_cases(store)
    cases = kept.seen(sight)
    left = cases[clock.column] + cases["service_us"] - clock.now(store)
    counts = [int(FILTERS[name](cases, left).sum()) for name in ("late", "second", "appeals", "escalated")]
    sums = [
        (name, int(cases["amount_minor"][cases["currency"] == number].sum()))
        for name, number in sorted(kept.texts.items())
        if name and (cases["currency"] == number).any()
    ]
    late, pending, appeals, escalated = counts
    return Totals(len(left), late, pending, appeals, escalated, tuple(sums))
