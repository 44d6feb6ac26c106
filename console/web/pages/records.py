"""Reports, registry, listings, blocking, institutions and rings: a list, one of them, and what to decide."""

from collections.abc import Callable
from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Form, HTTPException, Path, Query
from fastapi.responses import Response

from console.web.pages.cases import Choice, Given, Key, ProposalId, Reason, ReasonCode
from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, Plan, RefusedError
from desk.campaigns import campaign_of
from desk.desk import Form as Filled
from desk.planes import PLANE_OF, PLANES, Plane
from desk.records import FILTERS, PAGE, Line, counted, listed, naming, record_of
from desk.roles import may
from desk.sql import among
from schemas.action import KINDS, ActionKind
from schemas.block import ACTIONS as BLOCK_ACTIONS
from schemas.block import KINDS as BLOCK_KINDS
from schemas.subject import SUBJECT_KINDS

router = APIRouter()

RecordId = Annotated[str, Query(max_length=128)]
RecordKind = Annotated[str, Path(max_length=16, pattern=r"^[A-Z_]{4,13}$")]
Words = Annotated[str, Query(max_length=2048)]


def _list(visit: Visit, plane: Plane, *, only: str, find: str, page: int, said: str) -> Response:
    if only not in FILTERS:
        raise HTTPException(422)
    found = listed(
        visit.desk.store, plane.topic, only=only, find=find.strip(), limit=PAGE + 1, skip=(page - 1) * PAGE,
        sight=visit.sight,
    )  # fmt: skip
    asks = plane.quota and find.strip() != ""
    again_us = visit.desk.quotas.asked(visit.person.id, visit.now_us, known=bool(found)) if asks else 0
    return _page(
        visit, plane, [] if again_us else found, only=only, find=find, page=page, said=said, again_us=again_us
    )


def _page(
    visit: Visit, plane: Plane, found: list[Line], *, only: str = "", find: str = "", page: int = 1,
    said: str = "", again_us: int = 0,
) -> Response:  # fmt: skip
    live, waits = counted(visit.desk.store, plane.topic, visit.sight)
    lines = [(each, _decoded(plane, each.value)) for each in found[:PAGE]]
    return visit.page(
        "records.html", 429 if again_us else 200, again_us=again_us, plane=plane, lines=lines,
        more=len(found) > PAGE, page_no=page, only=only, find=find,
        filters=list(FILTERS), live=live, waits=waits, now=visit.now_us, new=_allowed(visit, plane.new),
        said=said if said in KINDS else "", key=token_urlsafe(12), kinds_reasons=REASONS,
        waiting=visit.desk.waiting((*plane.acts, *plane.new), sight=visit.sight),
    )  # fmt: skip


def _one(visit: Visit, plane: Plane, name: str) -> Response:
    if plane.quota:
        there = record_of(visit.desk.store, plane.topic, name) is not None
        if again_us := visit.desk.quotas.asked(visit.person.id, visit.now_us, known=there):
            return _page(visit, plane, [], again_us=again_us)
    record = _record(visit, plane, name)
    acts = _allowed(visit, plane.offered(record))
    others, cases = _others(visit, plane, name)
    return visit.page(
        f"record_{plane.name}.html", case=name, plane=plane, record=record, name=name, acts=acts,
        now=visit.now_us, others=others, cases=cases, key=token_urlsafe(12), kinds_reasons=REASONS,
        waiting=visit.desk.waiting((*plane.acts, *plane.new), name, visit.sight),
        law=getattr(record, "jurisdiction", ""),
        campaign=campaign_of(visit.desk.store, record, visit.sight),
    )  # fmt: skip


def _others(visit: Visit, plane: Plane, name: str) -> tuple[list[tuple[str, Line]], list[tuple[str, str]]]:
    """Return what else names something that this names, with its plane, and the cases of its accounts."""
    store = visit.desk.store
    rows = store.rows("SELECT name FROM names WHERE topic = ? AND id = ? LIMIT 200", plane.topic, name)
    names = [row["name"] for row in rows]
    found = [(PLANE_OF[each.topic], each) for each in naming(store, names, sight=visit.sight)]
    own = (plane.topic, name)
    others = [(of, each) for of, each in found if (each.topic, each.id) != own and may(visit.person, of)]
    cases = store.rows(
        f"SELECT account, case_id FROM cases WHERE {among('account', names)} AND {visit.sight.kept()}",
        *names,
    )
    return others, [(row["account"], row["case_id"]) for row in cases]


def _form(
    visit: Visit, plane: Plane, given: Filled, error: RefusedError | None = None, status: int = 200
) -> Response:
    if not visit.may_act(given.kind):
        raise HTTPException(403)
    record = _record(visit, plane, given.subject) if given.subject else None
    if given.kind not in (plane.new if record is None else plane.offered(record)):
        raise RefusedError("WRONG_STATE", "")
    if given.kind == "OBJECTION" and record is not None and record.objection and not given.terms:
        given = given._replace(terms={"objection": record.objection.objection_id})
    listing = visit.desk.laws.of(visit.desk.country).on(visit.now_us).listing
    return visit.page(
        "record_form.html", status, case=given.subject, plane=plane, record=record, given=given, error=error,
        kind=given.kind, reasons=REASONS[given.kind], steps=_STEPS.get(visit.person.role, ()),
        block_kinds=BLOCK_KINDS, block_actions=BLOCK_ACTIONS, subject_kinds=SUBJECT_KINDS,
        grounds=sorted(listing.grounds) if listing else [], **_planned(visit, given),
    )  # fmt: skip


def _planned(visit: Visit, given: Filled) -> dict[str, Any]:
    """Say what it would do; a form nobody has filled in yet says nothing."""
    if not given.terms and given.kind in _TYPED:
        return {"plan": Plan(), "refused": None, "empty": True}
    code = given.reason_code or REASONS[given.kind][0]
    try:
        plan = visit.desk.plan(given._replace(reason_code=code), visit.person)
    except RefusedError as error:
        return {"plan": Plan(), "refused": error, "empty": False}
    return {"plan": plan, "refused": None, "empty": False}


#: Forms with fields that are typed, or that must be chosen.
_TYPED = ("BLOCK", "SUSPECT", "PROPOSE", "LIST", "JUDGE", "LISTED_APPEAL", "FINDING", "LOOK", "RECTIFY")

#: Steps of a rectification: the institution's own, and those of who supervises.
_STEPS = {"institution": ("PLAN", "EVIDENCE"), "lead": ("VERIFIED", "REFUSED"),
          "liaison": ("VERIFIED", "REFUSED")}  # fmt: skip


def _act(visit: Visit, plane: Plane, given: Filled) -> Response:
    if len(given.key) < 8:
        raise HTTPException(422)
    if not visit.may_act(given.kind):
        raise HTTPException(403)
    if given.kind == "RECTIFY" and given.terms.get("step") not in _STEPS.get(visit.person.role, ()):
        raise RefusedError("NOT_COMPETENT", f"{visit.person.role}: {given.terms.get('step', '')}")
    try:
        action = visit.desk.decide(visit.person, given)
    except RefusedError as error:
        if error.code == "NOT_READY":
            raise
        return _form(visit, plane, given, error, 409)
    if action.kind == "LIST":
        return back(f"/orders/{action.action_id}")
    return back(f"/{plane.name}?said={action.kind}")


def _record(visit: Visit, plane: Plane, name: str) -> Any:
    seen = visit.sight.sees_record(visit.desk.store, plane.topic, name)
    value = record_of(visit.desk.store, plane.topic, name)
    if value is None or not seen:
        raise HTTPException(404)
    return _decoded(plane, value)


def _decoded(plane: Plane, value: bytes) -> Any:
    return msgspec.json.decode(value, type=plane.record)


def _allowed(visit: Visit, kinds: tuple[ActionKind, ...]) -> list[ActionKind]:
    return [kind for kind in kinds if visit.may_act(kind)]


def _routes(plane: Plane) -> None:
    """Add the routes of one plane; each has a name of its own, so that roles can be told for it."""
    name = plane.name
    kinds = frozenset((*plane.acts, *plane.new))

    def list_(visit: Seen, only: Annotated[str, Query(max_length=8)] = "", find: Words = "",
               page: Annotated[int, Query(ge=1, le=10_000)] = 1,
              said: Annotated[str, Query(max_length=16)] = "") -> Response:  # fmt: skip
        return _list(visit, plane, only=only, find=find, page=page, said=said)

    def one(visit: Seen, id: RecordId) -> Response:
        return _one(visit, plane, id)

    def unmask(visit: Acted, id: Annotated[str, Form(max_length=128)],
               reason: Annotated[str, Form(min_length=3, max_length=200)]) -> Response:  # fmt: skip
        _record(visit, plane, id)
        visit.noted("unmask", id=id[:64], reason=reason)
        visit.site.sessions.unmask(visit.session, id)
        return back(f"/{name}/record?id={quote(id)}")

    def form(visit: Seen, kind: RecordKind, id: RecordId = "") -> Response:
        return _form(visit, plane, Filled(_known(kind, kinds), "", token_urlsafe(12), id))

    def preview(visit: Acted, kind: RecordKind, given: Given) -> Response:
        if not visit.may_act(_known(kind, kinds)):
            raise HTTPException(403)
        return visit.page("_preview.html", case=given.subject, **_planned(visit, given))

    def act(visit: Acted, kind: RecordKind, given: Given) -> Response:
        return _act(visit, plane, given._replace(kind=_known(kind, kinds)))

    def second(
        visit: Acted, *, proposal_id: ProposalId, choice: Choice, reason_code: ReasonCode, key: Key,
        reason: Reason = "",
    ) -> Response:  # fmt: skip
        first = visit.desk.action(proposal_id)
        if first is None or first.kind not in kinds:
            raise RefusedError("WRONG_STATE", "there is nothing to decide")
        given = Filled(first.kind, "", key, "", reason_code if choice == "DO" else "KEEP", reason)
        visit.desk.second(visit.person, proposal_id, agrees=choice == "DO", form=given)
        return back(f"/{name}?said={first.kind}" if choice == "DO" else f"/{name}")

    added: tuple[tuple[str, str, str, Callable[..., Response]], ...] = (
        ("GET", f"/{name}", name, list_),
        ("GET", f"/{name}/record", f"{name}_record", one),
        ("POST", f"/{name}/unmask", f"{name}_unmask", unmask),
        ("GET", f"/{name}/act/{{kind}}", f"{name}_form", form),
        ("POST", f"/{name}/act/{{kind}}/preview", f"{name}_preview", preview),
        ("POST", f"/{name}/act/{{kind}}", f"{name}_act", act),
        ("POST", f"/{name}/second/{{proposal_id}}", f"{name}_second", second),
    )
    for method, path, named, endpoint in added:
        router.add_api_route(path, endpoint, methods=[method], name=named)


def _known(kind: str, kinds: frozenset[str]) -> ActionKind:
    if kind not in kinds:
        raise HTTPException(404)
    return kind  # type: ignore[return-value]


for _each in PLANES.values():
    _routes(_each)
