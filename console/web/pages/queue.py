"""The queue: what to do next."""

from secrets import token_urlsafe
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query
from fastapi.responses import Response

from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, RefusedError
from desk.desk import Form as Filled
from desk.queue import FILTERS, PAGE, Row, rows, totals

router = APIRouter()

Only = Annotated[str, Query(max_length=16)]
Page = Annotated[int, Query(ge=1, le=10_000)]


def _values(visit: Visit, only: str, page: int) -> dict[str, Any]:
    if only not in FILTERS:
        raise HTTPException(422)
    store, clock = visit.desk.store, visit.desk.clock
    found = rows(store, clock, limit=PAGE + 1, skip=(page - 1) * PAGE, only=only, sight=visit.sight)
    return {
        "rows": found[:PAGE], "more": len(found) > PAGE, "page": page, "only": only, "filters": list(FILTERS),
        "totals": totals(store, clock, visit.sight), "now": visit.now_us,
        "place": f"{store.epoch}-{visit.desk.follower.changed}", "ready": visit.desk.follower.caught_up,
        "engine_told": visit.desk.engine_told,
        "wrong": visit.desk.follower.wrong or visit.desk.carrier.wrong or visit.desk.carrier.left_out,
    }  # fmt: skip


@router.get("/queue", name="queue")
def queue(visit: Seen, only: Only = "", page: Page = 1) -> Response:
    """Show open cases, the most urgent first."""
    return visit.page("queue.html", **_values(visit, only, page))


@router.get("/queue/rows", name="queue_rows")
def queue_rows(visit: Seen, only: Only = "", page: Page = 1) -> Response:
    """Show the same as a part of the page."""
    return visit.page("_queue.html", **_values(visit, only, page))


@router.get("/bulk", name="bulk")
def bulk(visit: Seen, only: Only = "", kind: Annotated[str, Query(max_length=16)] = "CONFIRM") -> Response:
    """Show what one decision about many cases would be about: how many, how much, and which not."""
    return visit.page("bulk.html", **_chosen(visit, only, kind))


@router.post("/bulk", name="bulk_act")
def bulk_act(
    visit: Acted,
    *,
    kind: Annotated[str, Form(max_length=16)],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    reason_code: Annotated[str, Form(max_length=64)],
    count: Annotated[int, Form(ge=1, le=10_000)],
    case: Annotated[list[str], Form(max_length=1_000)],
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Decide the cases that were shown, each by an action of its own."""
    if kind not in _BULK:
        raise HTTPException(422)
    if len(case) != count or len(set(case)) != count:
        raise RefusedError("COUNT_CHANGED", f"{len(case)} of {count}")
    if count > visit.desk.bulk_max():
        raise RefusedError("LIMIT_REACHED", f"{visit.desk.bulk_max()}")
    for name in case:
        form = Filled(kind, name, f"{key}.{name}", "", reason_code, reason)  # type: ignore[arg-type]
        visit.desk.decide(visit.person, form)
    return back("/queue")


#: What many cases can be decided by at once: nothing that takes or frees money by a measure.
_BULK = ("CONFIRM", "DISMISS", "ESCALATE")


def _chosen(visit: Visit, only: str, kind: str) -> dict[str, Any]:
    if only not in FILTERS or kind not in _BULK:
        raise HTTPException(422)
    most = visit.desk.bulk_max()
    found = rows(visit.desk.store, visit.desk.clock, limit=most + 1, only=only, sight=visit.sight)
    chosen: list[tuple[Row, str]] = []
    left: list[tuple[Row, str]] = []
    for row in found[:most]:
        try:
            form = Filled(kind, row.case_id, "", "", REASONS[kind][0])  # type: ignore[arg-type,index]
            plan = visit.desk.plan(form, visit.person)
            why = "FOUR_EYES" if plan.second else ""
        except RefusedError as error:
            why = error.code
        (left if why else chosen).append((row, why))
    return {
        "kind": kind, "kinds": _BULK, "only": only, "filters": list(FILTERS), "chosen": chosen, "left": left,
        "most": most, "key": token_urlsafe(12), "over": len(found) > most, "reasons": REASONS[kind],  # type: ignore[index]
        "sum": sum(row.amount_minor for row, _ in chosen),
        "currency": chosen[0][0].currency if chosen else "",
    }  # fmt: skip
