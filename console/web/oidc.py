"""Signing in with the institution's own provider (OpenID Connect, authorization code with PKCE), by Authlib.

The provider says who somebody is and which groups they are in; which role a group is stands in a file here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from httpx2 import HTTPError
from joserfc.errors import JoseError
from msgspec import Meta

from console.web.pages.doors import let_in
from console.web.visit import Site, site_of
from desk.roles import Person, Role
from schemas import strict_yaml
from schemas.errors import ConfigError, SinkError
from schemas.ids import derived_token
from schemas.strict_text import read_bytes

router = APIRouter()

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,35}\Z")

Address = Annotated[str, Meta(pattern=r"^https?://[^\s]+[^/\s]\Z", max_length=500)]


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the desk knows its provider.

    Attributes:
        issuer: address of the provider; its metadata stand below it.
        client_id: the desk's name there.
        client_secret_file: file of the desk's secret there.
        desk: the address under which people reach the desk, as the proxy in front of it has it.
        roles: group -> role; who is in several has the role that stands first.
        groups_claim: claim of the groups.
        institution_claim: claim of the code of whose people somebody with the role `institution` is; without
            it nobody has that role.
        name_claim: claim that names the person in decisions and in the audit chain.
        scope: what is asked for.

    """

    issuer: Address
    client_id: Annotated[str, Meta(min_length=1, max_length=200)]
    client_secret_file: Annotated[str, Meta(min_length=1)]
    desk: Address
    roles: Annotated[dict[str, Role], Meta(min_length=1)]
    groups_claim: str = "groups"
    institution_claim: str = "institution"
    name_claim: str = "preferred_username"
    scope: str = "openid profile"


def read_provider(path: Path) -> tuple[Provider, str]:
    """Return what a file says of the provider, and the desk's secret there.

    Raises:
        ConfigError: a file cannot be read, or something in it is wrong.

    """
    provider = strict_yaml.parse(read_bytes(path), str(path)).convert(Provider)
    secret = read_bytes(path.parent / provider.client_secret_file).decode("utf-8", "replace").strip()
    if not secret:
        raise ConfigError(f"{path.parent / provider.client_secret_file} is empty; it is the desk's secret")
    return provider, secret


class Door:
    """The way in by the provider."""

    def __init__(self, provider: Provider, secret: str) -> None:
        self.provider = provider
        client = OAuth()
        self.client: Any = client.register(
            "desk",
            server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
            client_id=provider.client_id,
            client_secret=secret,
            client_kwargs={"scope": provider.scope, "code_challenge_method": "S256"},
        )

    def person(self, claims: Mapping[str, Any]) -> Person | None:
        """Return who somebody is by the claims of a verified token; None if no group has a role here."""
        given = claims.get(self.provider.groups_claim, ())
        groups = {given} if isinstance(given, str) else {each for each in given if isinstance(each, str)}
        role = next((role for group, role in self.provider.roles.items() if group in groups), None)
        code = claims.get(self.provider.institution_claim) if role is Role.INSTITUTION else ""
        if role is None or not isinstance(code, str) or (role is Role.INSTITUTION and not _CODE.match(code)):
            return None
        return Person(self._name(claims), role, code)

    def _name(self, claims: Mapping[str, Any]) -> str:
        """Name a person as the provider does; where that is no name here, by the subject.

        Two people never have one name: it would take the second decision of two for the first one's.
        """
        said, subject = str(claims.get(self.provider.name_claim, "")), str(claims["sub"])
        if _ID.match(said):
            return said
        kept = re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")[:30]
        return f"{kept or 'person'}-{derived_token('person', self.provider.issuer, subject)}"


def door_of(site: Annotated[Site, Depends(site_of)]) -> Door:
    """Return the way in by a provider; 404 where there is none."""
    if not isinstance(site.door, Door):
        raise HTTPException(404)
    return site.door


AtDoor = Annotated[Door, Depends(door_of)]
Sited = Annotated[Site, Depends(site_of)]


@router.get("/oidc/enter", name="oidc_enter")
async def enter(request: Request, door: AtDoor, site: Sited) -> Response:
    """Send a person to the provider."""
    _limited(request, site)
    try:
        found: Response = await door.client.authorize_redirect(request, f"{door.provider.desk}/oidc/back")
    except (HTTPError, AuthlibBaseError, ValueError, KeyError, RuntimeError) as error:
        raise SinkError(f"{door.provider.issuer} does not answer as a provider does: {error}") from error
    return found


@router.get("/oidc/back", name="oidc_back")
async def back(request: Request, door: AtDoor, site: Sited) -> Response:
    """Let in whom the provider names, with the role of their group."""
    _limited(request, site)
    try:
        token = await door.client.authorize_access_token(
            request, claims_options={"iss": {"essential": True, "value": door.provider.issuer}}
        )
        claims = token["userinfo"]
        person = door.person(claims)
    except (AuthlibBaseError, JoseError, KeyError, ValueError, TypeError) as error:
        site.desk.audit.write("nobody", "none", "refused.oidc", {"why": type(error).__name__})
        raise HTTPException(401) from error
    except HTTPError as error:
        raise SinkError(f"{door.provider.issuer} does not answer: {error}; try again") from error
    if person is None:
        site.desk.audit.write("nobody", "none", "refused.oidc", {"why": "no group with a role"})
        raise HTTPException(403)
    request.session.clear()
    return let_in(site, request, person, "oidc", secure=door.provider.desk.startswith("https:"))


def _limited(request: Request, site: Site) -> None:
    where = request.client.host if request.client else ""
    if not site.sessions.within_limits(where, door=True):
        raise HTTPException(429)
