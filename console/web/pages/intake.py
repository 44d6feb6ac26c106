"""A report by phone: who paid, to which account, how much, when; it opens a case and drafts a stop."""

from secrets import token_urlsafe
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from console.web.pages.cases import Given
from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, RefusedError
from desk.desk import Form as Filled
from schemas.scams import FRAUD_CLASSES

router = APIRouter()

#: A token, as the address of the form carries it.
TOKEN = "[a-z2-7]{26}"


@router.get("/intake", name="intake")
def intake(
    visit: Seen,
    said: Annotated[str, Query(max_length=16)] = "",
    account: Annotated[str, Query(pattern=f"^({TOKEN})?$")] = "",
) -> Response:
    """Show the form for a report by phone, about an account that is known already.

    `said` was taken in, and is not theirs to look at.
    """
    known = {"account": account} if account else {}
    return _form(visit, Filled("REPORT", "", token_urlsafe(12), terms=known), said=said == "REPORT")


@router.post("/intake", name="intake_act")
def take_in(visit: Acted, given: Given, key: Annotated[str, Form(min_length=8, max_length=64)]) -> Response:
    """Take a report in."""
    try:
        action = visit.desk.decide(visit.person, given)
    except RefusedError as error:
        if error.code == "NOT_READY":
            raise
        return _form(visit, given, error, 409)
    seen = visit.sight.sees_case(visit.desk.store, action.case_id)
    return back(f"/cases/{action.case_id}#done" if seen else "/intake?said=REPORT")


def _form(
    visit: Visit, given: Filled, error: RefusedError | None = None, status: int = 200, *, said: bool = False
) -> Response:
    law = visit.desk.laws.of(visit.desk.country)
    return visit.page(
        "intake.html", status, given=given, error=error, reasons=REASONS["REPORT"], currency=law.currency,
        channels=law.report_channels, classes=FRAUD_CLASSES, said=said,
    )  # fmt: skip
