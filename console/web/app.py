"""The desk as a web application: routes, headers, and what is shown where something is refused."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as RoutingError
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from console.web import oidc
from console.web.pages import audit, cases, doors, health, intake, letters, lists, live, model, queue, records
from console.web.visit import CSRF, Site, language_of, page
from desk.acting.plan import RefusedError
from schemas.errors import StoplineError

_LOGGER = logging.getLogger(__name__)

#: All pages; the more special paths before the more general ones.
ROUTERS = tuple(
    module.router
    for module in (doors, oidc, queue, live, cases, records, intake, letters, model, health, audit, lists)
)

STATIC = Path(__file__).parent / "static"

#: The longest body that is read, octets: a mended message and its form.
BODY_MAX = 500_000

_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # no-referrer would make the Origin of own forms null
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]  # fmt: skip

ASGI = Callable[..., Awaitable[None]]


class Headers:
    """Adds the security headers to every answer, and refuses bodies that are too long before reading them."""

    def __init__(self, app: ASGI) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept = b"no-cache" if scope["path"].startswith("/static/") else b"no-store"

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS, (b"cache-control", kept)]
            await send(message)

        sizes = [value for name, value in scope["headers"] if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        if chunked or any(not size.isdigit() or len(size) > 18 or int(size) > BODY_MAX for size in sizes):
            await Response("too large", 413)(scope, receive, answer)
            return
        await self.app(scope, receive, answer)


def create_app(site: Site, hosts: list[str]) -> FastAPI:
    """Return the application of one desk; `hosts` are the names it answers to."""
    app = FastAPI(title="Stopline desk", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    if isinstance(site.door, oidc.Door):  # holds the provider's state until the person is back
        app.add_middleware(
            SessionMiddleware, secret_key=site.sessions.secret("oidc"), session_cookie="stopline_door",
            max_age=600, same_site="lax", https_only=site.door.provider.desk.startswith("https:"),
        )  # fmt: skip
    app.add_middleware(Headers)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(StoplineError, _down)
    app.add_exception_handler(HTTPException, _shut)
    app.add_exception_handler(RoutingError, _shut)
    app.add_exception_handler(RequestValidationError, _unreadable)
    return app


def _said(request: Request, status: int, title: str, detail: str) -> Response:
    site = request.app.state.site
    if request.url.path.startswith("/api/"):
        words = site.words[language_of(site, request)]
        general = (words.get(title, title), words.get(f"{title}.next", ""))
        return JSONResponse({"error": title, "detail": detail or ". ".join(filter(None, general))}, status)
    return page(site, request, "refused.html", status, title=title, detail=detail)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    status = {
        "NOT_READY": 503,
        "NO_SUCH_CASE": 404,
        "NO_SUCH_LETTER": 404,
        "NO_SUCH_RECORD": 404,
        "NOT_COMPETENT": 403,
    }
    return _said(request, status.get(error.code, 409), f"why.{error.code}", error.detail)


def _down(request: Request, error: Exception) -> Response:
    _LOGGER.error("%s %s: %s", request.method, request.url.path, error)
    return _said(request, 503, "why.DOWN", str(error))


def _shut(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoutingError)
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    if detail == CSRF:
        return _said(request, error.status_code, "status.csrf", "")
    plain = detail == HTTPStatus(error.status_code).phrase
    return _said(request, error.status_code, f"status.{error.status_code}", "" if plain else detail)


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = "; ".join(sorted({f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()}))
    return _said(request, 422, "status.422", places)
