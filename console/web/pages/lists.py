"""Lists for other desks: JSON Lines from a place on, in order of change; a pull brings what is new."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import Response

from console.web.visit import Seen
from desk.listing import LISTS, is_of_another, lines
from schemas.errors import ConfigError

router = APIRouter()

MOST = 5_000


@router.get("/api/{name}", name="list_facts")
def list_(
    visit: Seen,
    name: Annotated[str, Path(max_length=32)],
    after: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
) -> Response:
    """Give a list from the place `after` on; header `next` is the place to ask from next time.

    Header `again` says that `after` was a place of another build of the store: everything comes again.
    """
    if name not in LISTS:
        raise HTTPException(404, f"there is no list {name!r}; use one of {', '.join(LISTS)}")
    try:
        found, place = lines(visit.desk.store, name, after, limit, masked=True, sight=visit.sight)
    except ConfigError as error:
        raise HTTPException(422, str(error)) from error
    head = {"next": place} | ({"again": "all"} if is_of_another(visit.desk.store, after) else {})
    return Response(found, media_type="application/jsonl", headers=head)
