"""Live updates: which cases have changed, as server-sent events that go on where a connection was cut."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from console.web.visit import Seen, Visit
from desk.desk import Desk
from desk.sight import EVERYTHING, Sight
from schemas.strict_text import is_number

router = APIRouter()

#: How often a connection looks for changes; cases of one event.
LOOK_S, AT_ONCE = 0.25, 200


@router.get("/live", name="live")
async def live(
    request: Request,
    visit: Seen,
    after: Annotated[str, Query(max_length=40)] = "",
    last_event_id: Annotated[str, Header(max_length=40)] = "",
) -> Response:
    """Send the cases that change, from the place `after` on, or the last one that this browser has seen."""
    return EventSourceResponse(_changes(visit, last_event_id or after), ping=15)


async def _changes(visit: Visit, after: str) -> AsyncIterator[dict[str, str]]:
    desk = visit.desk
    seen = place_of(desk, after)
    while True:
        if desk.follower.changed > seen or place_of(desk, f"{desk.store.epoch}-{seen}") < seen:
            rows = await run_in_threadpool(changed, desk, seen, visit.sight)
            if rows:
                seen = rows[-1][1]
                data = json.dumps({"cases": [case_id for case_id, _ in rows]})
                yield {"event": "cases", "id": f"{desk.store.epoch}-{seen}", "data": data}
                continue
            seen = min(seen, desk.follower.changed)
        await asyncio.sleep(LOOK_S)


def changed(desk: Desk, seen: int, sight: Sight = EVERYTHING) -> list[tuple[str, int]]:
    """Return cases that are seen and changed after a place, with the places of their newest change."""
    rows = desk.store.rows(
        f"SELECT case_id, changed FROM cases WHERE changed > ? AND {sight.kept()} ORDER BY changed LIMIT ?",
        seen,
        AT_ONCE,
    )
    return [(row["case_id"], row["changed"]) for row in rows]


def place_of(desk: Desk, text: str) -> int:
    """Read a place; one of another build of the store is before everything.

    A store that was built anew counts its changes from the beginning.
    """
    epoch, _, number = text.partition("-")
    if epoch != desk.store.epoch or not is_number(number):
        return 0
    return min(int(number), desk.follower.changed)
