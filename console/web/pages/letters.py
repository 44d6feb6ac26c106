"""Refused messages: read, mend, send again."""

from secrets import token_urlsafe
from typing import Annotated

import msgspec
from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import Response

from console.web.visit import Acted, Seen, Visit, back
from desk.acting.plan import REASONS, RefusedError
from desk.desk import Form as Filled
from desk.store import unpacked
from schemas.dead_letter import HINTS, DeadLetter
from schemas.topics import DEAD_LETTERS

router = APIRouter()

PAGE = 100

_LETTER = msgspec.json.Decoder(DeadLetter)

LetterId = Annotated[str, Path(max_length=64, pattern=r"^dead_[a-z2-7]{26}$")]


@router.get("/letters", name="letters")
def letters(
    visit: Seen,
    code: Annotated[str, Query(max_length=32)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Show how many messages were refused for what, and the newest of them; no values."""
    store = visit.desk.store
    counts = store.rows(
        "SELECT family AS topic, kind AS code, count(*) AS n FROM facts WHERE topic = ? GROUP BY 1, 2 "
        "ORDER BY n DESC", DEAD_LETTERS,
    )  # fmt: skip
    rows = store.rows(
        "SELECT record FROM facts WHERE topic = ?1 AND (kind = ?2 OR ?2 = '') ORDER BY at_us DESC LIMIT ?3 "
        "OFFSET ?4", DEAD_LETTERS, code, PAGE + 1, (page - 1) * PAGE,
    )  # fmt: skip
    found = [_LETTER.decode(unpacked(row["record"])) for row in rows]
    sent = {
        row["subject"]: row["by"]
        for row in store.rows("SELECT subject, by FROM actions WHERE kind = 'SEND_AGAIN' ORDER BY at_us")
    }
    return visit.page(
        "letters.html", counts=counts, letters=found[:PAGE], more=len(found) > PAGE, page=page, code=code,
        sent=sent, hints=HINTS,
    )  # fmt: skip


@router.get("/letters/{letter_id}", name="letter")
def letter(visit: Seen, letter_id: LetterId) -> Response:
    """Show a refused message with its value, which may hold personal data: that is written down."""
    return _form(visit, Filled("SEND_AGAIN", "", token_urlsafe(12), letter_id))


@router.post("/letters/{letter_id}", name="letter_act")
def send(
    visit: Acted,
    *,
    letter_id: LetterId,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    reason_code: Annotated[str, Form(max_length=64)],
    reason: Annotated[str, Form(max_length=1_000)] = "",
    value: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """Send a refused message again, as mended."""
    form = Filled("SEND_AGAIN", "", key, letter_id, reason_code, reason, {"value": value})
    try:
        visit.desk.decide(visit.person, form)
    except RefusedError as error:
        if error.code in ("NO_SUCH_LETTER", "NOT_READY"):
            raise
        return _form(visit, form, error, 409)
    return back("/letters")


def _form(visit: Visit, form: Filled, error: RefusedError | None = None, status: int = 200) -> Response:
    found = visit.desk.letter(form.subject)
    if found is None:
        raise RefusedError("NO_SUCH_LETTER", form.subject)
    return visit.page(
        "letter.html", status, letter=found, given=form, error=error, reasons=REASONS["SEND_AGAIN"],
        value=form.terms.get("value") or found.value.decode("utf-8", "backslashreplace"),
        cut=len(found.value) < found.value_bytes,
    )  # fmt: skip
