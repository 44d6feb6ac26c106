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
    return visit.page("audit.html", lines=list(reversed(newest)), wrong=wrong, count=desk.audit.count)
