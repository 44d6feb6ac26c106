"""One request: who asks, in which language, whether they may, and how a page is made for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from console.lab.trying import Trials
from console.web.render import Say, masked, times
from console.web.said import Sentences
from console.web.sessions import COOKIE, Session, Sessions
from console.web.words import Words, chosen
from desk.desk import Desk
from desk.roles import ACTS, Person, may
from desk.sight import Sight
from measures.law.jurisdiction import Jurisdiction
from schemas.contract import is_token

#: What a form that is not this session's is refused with.
CSRF = "csrf"

THEMES = ("auto", "light", "dark")

#: Routes whose pages show no case: looking at them is not written down.
_QUIET = frozenset({"home", "leave", "language", "live", "queue_rows"})


@dataclass(eq=False)
class Site:
    """What every page of one desk shares."""

    desk: Desk
    sessions: Sessions
    words: Mapping[str, Words]
    sentences: Mapping[str, Sentences]
    templates: Environment
    policy_stamp: str = ""
    door: object = None
    trials: Trials | None = None


@dataclass
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    site: Site
    session: Session
    route: str

    @property
    def person(self) -> Person:
        """Who asks."""
        return self.session.person

    @property
    def desk(self) -> Desk:
        """The desk."""
        return self.site.desk

    @property
    def sight(self) -> Sight:
        """What this person sees."""
        return self.desk.sight(self.person)

    @property
    def now_us(self) -> int:
        """What time it is at the desk."""
        return self.desk.clock.now(self.desk.store)

    def may_act(self, kind: str) -> bool:
        """Tell whether this person may decide an action."""
        return self.person.role in ACTS.get(kind, frozenset())  # type: ignore[call-overload]

    def noted(self, what: str, **about: str) -> None:
        """Write into the audit chain that this person saw or did something."""
        self.desk.audit.write(self.person.id, self.person.role, what, about)

    def page(
        self, template: str, status: int = 200, *, case: str = "", law: str = "", **values: Any
    ) -> HTMLResponse:
        """Render a page; tokens are masked unless this session has unmasked `case`."""
        sees = bool(case) and self.site.sessions.sees(self.session, case)
        token = (lambda token: token or "–") if sees else masked
        return page(
            self.site, self.request, template, status, law=law, sees=sees,
            may_act=self.may_act, token=token, shown=lambda value: token(value) if is_token(value) else value,
            **values,
        )  # fmt: skip


def page(
    site: Site, request: Request, template: str, status: int = 200, *, law: str = "", **values: Any
) -> HTMLResponse:
    """Render a page in the language and colours of the browser, for who is signed in there, if anybody."""
    session = site.sessions.session(request.cookies.get(COOKIE, ""))
    language = language_of(site, request)
    say = Say(site.words[language], language, site.sentences.get(language))
    theme = request.cookies.get("theme", "auto")
    found: dict[str, Any] = {
        "t": say, "language": language, "languages": list(site.words),
        "theme": theme if theme in THEMES else "auto", "path": request.url.path,
        "person": session and session.person, "csrf": site.sessions.csrf(session) if session else "",
        "may_go": lambda route: session is not None and may(session.person, route),
        "site": site, "hx": request.headers.get("hx-request") == "true",
        "query": str(request.url.query), **times(law_of(site, law)),
    }  # fmt: skip
    text = site.templates.get_template(template).render(found | values)
    return HTMLResponse(text, status)


def law_of(site: Site, country: str) -> Jurisdiction:
    """Return the law of a case's country, else of the desk's."""
    return site.desk.laws.of(country or site.desk.country)


def language_of(site: Site, request: Request) -> str:
    """Return the language to speak."""
    return chosen(site.words, request.cookies.get("language", ""), request.headers.get("accept-language", ""))


def site_of(request: Request) -> Site:
    """Return what all pages share."""
    found: Site = request.app.state.site
    return found


def gate(request: Request, site: Annotated[Site, Depends(site_of)]) -> Visit:
    """Let in who is signed in, within the limits, and whose role the route is for; note what they see."""
    session = site.sessions.session(request.cookies.get(COOKIE, ""))
    route = request.scope["route"].name
    if session is None:
        raise HTTPException(401)
    acts = request.method not in ("GET", "HEAD")
    if not site.sessions.within_limits(session.id, acts=acts):
        raise HTTPException(429)
    if not may(session.person, route):
        site.desk.audit.write(session.person.id, session.person.role, f"refused.{route}")
        raise HTTPException(403)
    visit = Visit(request, site, session, route)
    if not acts and route not in _QUIET:
        about = request.path_params | {
            key: request.query_params[key] for key in ("id",) if key in request.query_params
        }
        visit.noted(f"view.{route}", **{key: str(value)[:64] for key, value in about.items() if value})
    return visit


def own_form(
    request: Request,
    visit: Annotated[Visit, Depends(gate)],
    csrf: Annotated[str, Form(max_length=64)] = "",
    x_csrf: Annotated[str, Header(max_length=64)] = "",
) -> Visit:
    """Refuse what another site sends in this person's name."""
    origin = request.headers.get("origin")
    foreign = origin not in (None, f"{request.url.scheme}://{request.headers.get('host', '')}")
    if foreign or not visit.site.sessions.is_own(visit.session, csrf or x_csrf):
        raise HTTPException(403, CSRF)
    return visit


Seen = Annotated[Visit, Depends(gate)]
Acted = Annotated[Visit, Depends(own_form)]


def back(where: str) -> RedirectResponse:
    """Go on after something was done."""
    return RedirectResponse(where, 303)
