"""A case: everything known, what may be decided, and what that would do."""

from collections.abc import Mapping, Sequence
from secrets import token_urlsafe
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Request
from fastapi.responses import PlainTextResponse, Response

from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, Plan, RefusedError
from desk.case_file import CaseFile, case_file
from desk.cases import CLOSING
from desk.desk import Form as Filled
from desk.planes import PLANE_OF
from desk.roles import may
from schemas.action import KINDS, Action, ActionKind
from schemas.currencies import decimal, digits_of

router = APIRouter()

CaseId = Annotated[str, Path(max_length=64, pattern=r"^case_[a-z2-7]{26}$")]
CaseActionKind = Annotated[str, Path(max_length=16, pattern=r"^[A-Z_]{4,12}$")]

#: Actions that stand on the page of a case, in this order.
SHOWN = ("CONFIRM", "DISMISS", "HOLD", "RELEASE", "ESCALATE", "ORDER", "APPEAL", "RESTRICT")

#: Fields of forms that become terms of the action.
_FIELDS = (
    "rule", "amount", "currency", "txn_id", "received_us", "case_family", "step", "outcome", "reduced",
    "measure", "authority", "officer", "institution", "case_no", "legal_doc_no", "payer", "paid_at", "papers",
    "kind", "value", "action", "decision", "account", "caller", "number", "site", "fraud_class", "days",
    "tier", "token", "ground", "verdict", "asked", "result", "objection", "track", "reference",
)  # fmt: skip


def _file(visit: Visit, case_id: str) -> CaseFile:
    found = case_file(visit.desk.store, case_id, visit.now_us, visit.person.id, visit.sight)
    if found is None:
        raise RefusedError("NO_SUCH_CASE", case_id)
    return found


@router.get("/cases/{case_id}", name="case")
def case(visit: Seen, case_id: CaseId) -> Response:
    """Show a case."""
    return _page(visit, "case.html", case_id)


@router.get("/cases/{case_id}/body", name="case_body")
def body(visit: Seen, case_id: CaseId) -> Response:
    """Show the same as a part of the page, when something has changed."""
    return _page(visit, "_case.html", case_id)


def _page(visit: Visit, template: str, case_id: str) -> Response:
    found = _file(visit, case_id)
    kinds = [kind for kind in order_of(found) if visit.may_act(kind) and offered(kind, found)]
    store = visit.desk.store
    return visit.page(
        template, case=case_id, law=found.row["jurisdiction"], file=found, case_row=found.row, kinds=kinds,
        now=visit.now_us, place=f"{store.epoch}-{visit.desk.follower.changed}", key=token_urlsafe(12),
        service_us=found.row["service_us"], column=visit.desk.clock.column, reasons=REASONS,
        engine_told=visit.desk.engine_told,
        named=[(of, each) for each in found.named if may(visit.person, of := PLANE_OF[each.topic])],
    )  # fmt: skip


def order_of(file: CaseFile) -> tuple[str, ...]:
    """Return the actions, first what the case asks for: to hold what nothing holds, else to decide."""
    first = "HOLD" if file.row["open_alerts"] and not file.row["live"] else SHOWN[0]
    if file.row["appeals"]:
        first = "APPEAL"
    return (first, *(kind for kind in SHOWN if kind != first))


def offered(kind: str, file: CaseFile) -> bool:
    """Tell whether an action makes sense on a case as it is."""
    if kind in CLOSING:
        return bool(file.row["open_alerts"] or file.row["escalated"])
    if kind == "HOLD":
        return bool(file.row["open_alerts"])
    if kind == "RELEASE":
        return any(measure.live and measure.kind == "HOLD" for measure in file.measures)
    if kind == "APPEAL":
        return any(appeal.state not in ("CLOSED", "DECIDED") for appeal in file.appeals)
    return True


@router.post("/cases/{case_id}/unmask", name="unmask")
def unmask(
    visit: Acted, case_id: CaseId, reason: Annotated[str, Form(min_length=3, max_length=200)]
) -> Response:
    """Show the personal data of a case to this session for a quarter of an hour, for a reason."""
    _file(visit, case_id)
    visit.noted("unmask", case=case_id, reason=reason)
    visit.site.sessions.unmask(visit.session, case_id)
    return back(f"/cases/{case_id}")


@router.get("/cases/{case_id}/{kind}", name="form")
def form(visit: Seen, case_id: CaseId, kind: CaseActionKind, subject: str = "") -> Response:
    """Show what is to be filled in for an action, with what it would do."""
    filled = Filled(_known(kind), case_id, token_urlsafe(12), subject[:64])
    return _form(visit, filled, _file(visit, case_id))


async def filled(
    request: Request,
    *,
    reason_code: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=1_000)] = "",
    key: Annotated[str, Form(max_length=64)] = "",
    subject: Annotated[str, Form(max_length=64)] = "",
    seen_us: Annotated[int, Form(ge=0, le=2**53)] = 0,
    amount: Annotated[str, Form(max_length=32)] = "",
) -> Filled:
    """Read a form of an action."""
    given = await request.form()
    terms = {name: ",".join(map(str, given.getlist(name)))[:1_000] for name in _FIELDS if given.get(name)}
    kind, case_id = request.path_params.get("kind", "REPORT"), request.path_params.get("case_id", "")
    if kind not in KINDS:
        raise HTTPException(404)
    return Filled(kind, case_id, key, subject, reason_code, reason, terms, seen_us)


Given = Annotated[Filled, Depends(filled)]


@router.post("/cases/{case_id}/{kind}/preview", name="preview")
def preview(visit: Acted, case_id: CaseId, kind: CaseActionKind, given: Given) -> Response:
    """Show what an action would do if it were decided as filled in now."""
    _known(kind)
    return visit.page(
        "_preview.html", case=case_id, law=_file(visit, case_id).row["jurisdiction"], **_plan(visit, given)
    )


@router.post("/cases/{case_id}/{kind}", name="act")
def act(visit: Acted, case_id: CaseId, kind: CaseActionKind, given: Given) -> Response:
    """Decide."""
    if len(given.key) < 8:
        raise HTTPException(422)
    if not visit.may_act(_known(kind)):
        raise HTTPException(403)
    try:
        action = visit.desk.decide(visit.person, given)
    except RefusedError as error:
        if error.code in ("NO_SUCH_CASE", "NOT_READY"):
            raise
        return _form(visit, given, _file(visit, case_id), error, 409)
    if action.kind == "ORDER" and action.state == "DECIDED":
        return back(f"/orders/{action.action_id}")
    return back(f"/cases/{case_id}#done")


#: Fields of the second decision of two.
ProposalId = Annotated[str, Path(max_length=64, pattern=r"^action_[a-z2-7]{26}$")]
Choice = Annotated[Literal["DO", "KEEP"], Form()]
ReasonCode = Annotated[str, Form(max_length=64)]
Key = Annotated[str, Form(min_length=8, max_length=64)]
Reason = Annotated[str, Form(max_length=1_000)]


@router.post("/cases/{case_id}/second/{proposal_id}", name="second")
def second(
    visit: Acted,
    *,
    case_id: CaseId,
    proposal_id: ProposalId,
    choice: Choice,
    reason_code: ReasonCode,
    key: Key,
    reason: Reason = "",
) -> Response:
    """Take the second decision of two, without having seen the first."""
    code = reason_code if choice == "DO" else "KEEP"
    given = Filled("CONFIRM", case_id, key, "", code, reason)
    visit.desk.second(visit.person, proposal_id, agrees=choice == "DO", form=given)
    return back(f"/cases/{case_id}#done")


DraftId = Annotated[str, Path(max_length=64, pattern=r"^action_[a-z2-7]{26}$")]


@router.get("/orders/{action_id}", name="draft")
def draft(visit: Seen, action_id: DraftId) -> Response:
    """Say that an order or listing is drafted, and how it comes into force."""
    action, paper = _drafted(visit, action_id)
    return visit.page("drafted.html", action=action, case=action.case_id, paper=paper)


@router.get("/orders/{action_id}/file", name="draft_file")
def draft_file(visit: Seen, action_id: DraftId) -> Response:
    """Give a drafted order or listing as a file for signing."""
    action, paper = _drafted(visit, action_id)
    name = {"content-disposition": f'attachment; filename="{action.kind.lower()}-{action_id[7:15]}.json"'}
    return PlainTextResponse(paper, headers=name, media_type="application/json")


def _drafted(visit: Visit, action_id: str) -> tuple[Action, str]:
    action = visit.desk.action(action_id)
    paper = visit.desk.paper(action) if action and action.kind in ("ORDER", "LIST") else ""
    if action is None or not paper:
        raise HTTPException(404)
    return action, paper


def _known(kind: str) -> ActionKind:
    if kind not in SHOWN:
        raise HTTPException(404)
    return kind  # type: ignore[return-value]


def _plan(visit: Visit, given: Filled) -> dict[str, Any]:
    if not given.reason_code:
        given = given._replace(reason_code=REASONS[given.kind][0])
    try:
        return {"plan": visit.desk.plan(given, visit.person), "refused": None}
    except RefusedError as error:
        return {"plan": Plan(), "refused": error}


def _form(
    visit: Visit, given: Filled, file: CaseFile, error: RefusedError | None = None, status: int = 200
) -> Response:
    if not visit.may_act(given.kind):
        raise HTTPException(403)
    empty = given.kind == "ORDER" and not given.terms  # an authority, which only a person can name, lacks
    rules = visit.desk.rules(file.row["jurisdiction"])
    given = with_defaults(given, file, rules)
    values: dict[str, Any] = {
        "kind": given.kind, "given": given, "reasons": REASONS[given.kind], "file": file,
        "case_row": file.row, "error": error, "alert": file.lead, "now": visit.now_us,
        "engine_told": visit.desk.engine_told, "empty": empty,
        "rules": rules, **_plan(visit, given),
    }  # fmt: skip
    return visit.page("form.html", status, case=file.row["case_id"], law=file.row["jurisdiction"], **values)


def _asked_sum(file: CaseFile) -> str:
    """Return what a hold would begin with: what can still be frozen on the account, else what is open."""
    row, here = file.row, file.way.layers[0][0].freezable_minor
    return decimal(here or row["amount_minor"], digits_of(row["currency"]) or 0)


def with_defaults(given: Filled, file: CaseFile, rules: Mapping[str, Sequence[str]]) -> Filled:
    """Fill in what a form begins with, so that its first preview says what would happen."""
    alert = file.lead
    if not given.subject and given.kind == "RELEASE":
        held = (each.measure_id for each in file.measures if each.live and each.kind == "HOLD")
        return given._replace(subject=next(held, ""))
    if not given.subject and given.kind == "APPEAL":
        open_ = (each.appeal_id for each in file.appeals if each.state not in ("CLOSED", "DECIDED"))
        return given._replace(subject=next(open_, ""))
    if not given.terms and given.kind == "RESTRICT":
        return given._replace(terms={"rule": next(iter(rules["restrict"]), "")})
    if given.kind == "ORDER" and not given.terms:
        return given._replace(terms=_as_reported(file))
    if given.terms or alert is None:
        return given
    terms = {}
    if given.kind == "HOLD":
        terms = {
            "rule": alert.measure_rule, "amount": _asked_sum(file), "currency": alert.currency,
            "txn_id": alert.txn_id, "received_us": str(alert.received_us),
        }  # fmt: skip
    return given._replace(terms=terms)


def _as_reported(file: CaseFile) -> dict[str, str]:
    """Return what an order about a case begins with: what was reported by phone, else the gravest payment."""
    reported = next((each.record for each in file.timeline if each.kind == "action.REPORT"), None)
    if reported is not None:
        kept = ("payer", "amount", "currency", "paid_at", "institution")
        return {name: reported.terms[name] for name in kept if name in reported.terms}
    alert = file.lead
    if alert is None or alert.leg != "CREDIT":
        return {}
    return {
        "payer": alert.counterparty_token, "paid_at": str(alert.at_us), "txn_id": alert.txn_id,
        "amount": decimal(alert.amount_minor, digits_of(alert.currency) or 0), "currency": alert.currency,
    }  # fmt: skip
