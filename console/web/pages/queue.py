"""The queue: what to do next."""

from secrets import token_urlsafe
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Query
from fastapi.responses import Response

from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, RefusedError
from desk.acting.together import BULK, TOGETHER, Planned, Together, needs_two, sums_of, waiting_together
from desk.desk import Form as Filled
from desk.queue import FILTERS, PAGE, Row, rows, totals
from schemas.ids import derived_id

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
    if kind not in BULK:
        raise HTTPException(422)
    if len(case) != count or len(set(case)) != count:
        raise RefusedError("COUNT_CHANGED", f"{len(case)} of {count}")
    if count > visit.desk.bulk_max():
        raise RefusedError("LIMIT_REACHED", f"at most {visit.desk.bulk_max()} cases at once")
    terms = {TOGETHER: derived_id("together", visit.person.id, key)} if count > 1 else {}
    forms = [
        Filled(kind, name, f"{key}.{name}", "", reason_code, reason, terms)  # type: ignore[arg-type]
        for name in case
    ]
    made = visit.desk.decide_together(visit.person, forms)
    proposed = any(each.state == "PROPOSED" for each in made)
    return back(f"/bulk?kind={kind}" if proposed else "/queue")


@router.post("/bulk/second", name="bulk_second")
def bulk_second(
    visit: Acted,
    *,
    together: Annotated[str, Form(max_length=64, pattern=r"^together_[a-z2-7]{26}$")],
    choice: Annotated[Literal["DO", "KEEP"], Form()],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    reason_code: Annotated[str, Form(max_length=64)],
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Take the second decision of two about many cases, without having seen the first."""
    found = next((each for each in _waiting(visit) if each.name == together), None)
    if found is None:
        raise RefusedError("WRONG_STATE", "there is nothing to decide")
    code = reason_code if choice == "DO" else "KEEP"
    for each in found.actions:
        form = Filled(each.kind, each.case_id, f"{key}.{each.case_id}", "", code, reason)
        visit.desk.second(visit.person, each.action_id, agrees=choice == "DO", form=form)
    return back("/queue")


def _waiting(visit: Visit) -> list[Together]:
    return waiting_together(visit.desk.waiting(tuple(BULK), sight=visit.sight))


def _chosen(visit: Visit, only: str, kind: str) -> dict[str, Any]:
    if only not in FILTERS or kind not in BULK:
        raise HTTPException(422)
    most = visit.desk.bulk_max()
    found = rows(visit.desk.store, visit.desk.clock, limit=most + 1, only=only, sight=visit.sight)
    chosen: list[tuple[Row, str]] = []
    left: list[tuple[Row, str]] = []
    planned: list[Planned] = []
    for row in found[:most]:
        form = Filled(kind, row.case_id, "", "", REASONS[kind][0])  # type: ignore[arg-type,index]
        try:
            each = visit.desk.planned(visit.person, form)
            why = "FOUR_EYES" if each.plan.second else "WAITS_FOR_SECOND" if row.pending else ""
        except RefusedError as error:
            why = error.code
        (left if why else chosen).append((row, why))
        planned += [] if why else [each]
    return {
        "kind": kind, "kinds": tuple(BULK), "only": only, "filters": list(FILTERS), "chosen": chosen,
        "left": left, "most": most, "key": token_urlsafe(12), "over": len(found) > most,
        "reasons": REASONS[kind],  # type: ignore[index]
        "sums": sums_of(each.plan for each in planned), "two": needs_two(planned, visit.desk.laws),
        "waiting": [(each, REASONS[each.kind]) for each in _waiting(visit)],
    }  # fmt: skip
