"""In and out: one-time tokens, language and colours, signing out."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from console.web.sessions import COOKIE, SESSION_S
from console.web.visit import THEMES, Acted, Seen, Site, back, site_of
from desk.roles import Person, may

router = APIRouter()

#: Where people begin: the first page that lets them in.
FIRST = ("queue", "letters", "health")


def let_in(
    site: Site, request: Request, person: Person, how: str, *, secure: bool = False
) -> RedirectResponse:
    """Begin a session; its cookie goes over TLS only where the desk is reached so."""
    site.desk.audit.write(person.id, person.role, f"enter.{how}")
    answer = back("/")
    answer.set_cookie(
        COOKIE, site.sessions.cookie(person), max_age=SESSION_S, httponly=True, samesite="lax",
        secure=secure or request.url.scheme == "https", path="/",
    )  # fmt: skip
    return answer


@router.get("/enter", name="enter")
def enter(
    request: Request,
    site: Annotated[Site, Depends(site_of)],
    token: Annotated[str, Query(max_length=64)] = "",
    language: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """Let in who brings a one-time token; the link may name the language to speak."""
    where = request.client.host if request.client else ""
    if not site.sessions.within_limits(where, door=True):
        raise HTTPException(429)
    person = site.sessions.enter(token)
    if person is None:
        raise HTTPException(401)
    answer = let_in(site, request, person, "token")
    _speak(answer, site, language)
    return answer


@router.get("/", name="home")
def home(visit: Seen) -> Response:
    """Go to where this person begins."""
    return back(next(f"/{route}" for route in FIRST if may(visit.person, route)))


@router.post("/leave", name="leave")
def leave(visit: Acted) -> Response:
    """Sign out."""
    visit.noted("leave")
    answer = back("/")
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/show", name="language")
def show(
    visit: Seen,
    language: Annotated[str, Query(max_length=16)] = "",
    theme: Annotated[str, Query(max_length=8)] = "",
    path: Annotated[str, Query(max_length=300)] = "/",
) -> Response:
    """Speak another language, or show other colours, and stay on the page."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    answer = back(path if inside and path.isprintable() and path.isascii() else "/")
    _speak(answer, visit.site, language)
    if theme in THEMES:
        answer.set_cookie("theme", theme, max_age=31_536_000, samesite="lax", httponly=True)
    return answer


def _speak(answer: Response, site: Site, language: str) -> None:
    if language in site.words:
        answer.set_cookie("language", language, max_age=31_536_000, samesite="lax", httponly=True)
