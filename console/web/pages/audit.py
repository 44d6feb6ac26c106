"""The audit chain on a page, everything masked."""

from collections import deque

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from console.web.visit import Seen
from desk.audit import entries, faults
from desk.store import unpacked
from schemas.action import Action

router = APIRouter()

#: Lines that are shown, the newest.
SHOWN = 200

#: First word of a route -> what the page is called, where that is not its name in the navigation.
_PAGES = {
    "case": "case.title", "form": "case.title", "act": "case.acts", "preview": "preview.title",
    "second": "second.title", "unmask": "audit.tokens", "bulk": "bulk.title", "draft": "draft.title",
    "letter": "letter.title", "trial": "trial.title", "list": "audit.list", "live": "nav.queue",
    "home": "nav.queue", "language": "audit.language", "leave": "nav.leave",
}  # fmt: skip

_ACTION = msgspec.json.Decoder(Action)


@router.get("/audit", name="audit")
def audit(visit: Seen) -> Response:
    """Show the newest lines of the chain, and whether it holds."""
    desk = visit.desk
    acted = [
        _ACTION.decode(unpacked(row["record"])).audit for row in desk.store.rows("SELECT record FROM actions")
    ]
    wrong = list(faults(desk.audit.path, acted))
    newest = deque(entries(desk.audit.path), maxlen=SHOWN)
    return visit.page(
        "audit.html", said=said, lines=list(reversed(newest)), wrong=wrong, count=desk.audit.count
    )


def said(what: str) -> tuple[str, str]:
    """Return the words for what somebody did, and for what they did it to, "" if that is said by the first.

    >>> said("view.reports_record"), said("act.CONFIRM"), said("enter.link")
    (('audit.view', 'nav.reports'), ('audit.act', 'act.CONFIRM'), ('audit.enter', ''))
    """
    does, _, rest = what.partition(".")
    if does == "act":
        return "audit.act", f"act.{rest}"
    if does in ("view", "refused") and rest != "oidc":
        page = rest.partition("_")[0]
        return f"audit.{does}", _PAGES.get(page, f"nav.{page}")
    return ("audit.stop" if what == "trial.stop" else f"audit.{does}"), ""
