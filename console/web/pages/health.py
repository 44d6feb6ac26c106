"""Health: whether the desk gets on, for people, for a load balancer and for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response

from console.exposition import exposition
from console.web.visit import Seen, Site, site_of
from desk.measuring import figures
from schemas.topics import ALARMS

router = APIRouter()

Sited = Annotated[Site, Depends(site_of)]


@router.get("/health", name="health")
def health(visit: Seen) -> Response:
    """Show where the desk stands on every topic, what it could not read, and what went wrong."""
    store = visit.desk.store
    positions = store.rows(
        "SELECT topic, count(*) AS partitions, sum(next_offset) AS messages FROM positions "
        "GROUP BY 1 ORDER BY 1"
    )
    bad = store.rows("SELECT * FROM unreadable ORDER BY seq DESC LIMIT 50")
    alarms = store.rows("SELECT * FROM facts WHERE topic = ? ORDER BY at_us DESC LIMIT 20", ALARMS)
    follower, carrier = visit.desk.follower, visit.desk.carrier
    return visit.page(
        "health.html", positions=positions, bad=bad, alarms=alarms, figures=figures(visit.desk),
        wrong=[each for each in (follower.wrong, carrier.wrong, carrier.left_out) if each],
    )  # fmt: skip


@router.get("/live/alive", name="alive")
def alive() -> Response:
    """Say that the process answers."""
    return PlainTextResponse("alive")


@router.get("/live/ready", name="ready")
def ready(site: Sited) -> Response:
    """Say whether the desk has read all that its topics held, and gets on; 503 if not."""
    follower = site.desk.follower
    good = follower.caught_up and not follower.wrong
    return PlainTextResponse("ready" if good else "reading", 200 if good else 503)


@router.get("/metrics", name="metrics")
def metrics(site: Sited) -> Response:
    """Tell Prometheus the figures; names and counts, never a token."""
    text, kind = exposition(figures(site.desk))
    return Response(text, media_type=kind)
