"""Signing in with a provider behind a proxy: the role is that of the group, and nothing forged gets in."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from fastapi.testclient import TestClient

from console.web.app import create_app
from console.web.oidc import Door, read_provider
from console.web.sessions import COOKIE
from console.web.visit import Site
from desk.roles import Person, Role
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from schemas.errors import ConfigError
from tests.desk import kit
from tests.desk.provider import CLIENT, SECRET, Provider, provided
from tests.desk.site import desk_on

DESK = "https://desk.bank.example"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        kit.create_topics(kafka)
        with desk_on(kafka, tmp_path_factory.mktemp("desk")) as (_, site):
            yield site
        process.close_connections()


def written(folder: Path, issuer: str, **changed: str) -> Path:
    (folder / "secret").write_text(SECRET + "\n")
    lines = {
        "issuer": issuer, "client_id": CLIENT, "client_secret_file": "secret", "desk": DESK,
        "roles": "{fraud-leads: lead, fraud: analyst, audit: auditor}",
    } | changed  # fmt: skip
    (folder / "oidc.yaml").write_text("".join(f"{name}: {text}\n" for name, text in lines.items()))
    return folder / "oidc.yaml"


@pytest.fixture
def door(plain: Site, tmp_path: Path) -> Iterator[tuple[Provider, Site]]:
    with provided() as provider:
        provider.claims = {"preferred_username": "lin", "groups": ["staff", "fraud", "fraud-leads"]}
        yield provider, replace(plain, door=Door(*read_provider(written(tmp_path, provider.issuer))))


def browser(site: Site) -> TestClient:
    """Return a browser as the proxy passes its requests on: over TLS, under the desk's own name."""
    site.sessions._limiter.storage.reset()
    return TestClient(
        create_app(site, ["desk.bank.example"]), base_url=DESK, follow_redirects=False,
        raise_server_exceptions=False,
    )  # fmt: skip


def signed_in(provider: Provider, client: TestClient) -> Any:
    sent = client.get("/oidc/enter")
    assert sent.status_code == 302 and sent.headers["location"].startswith(provider.issuer + "/authorize?")
    back = provider.signed_in(sent.headers["location"])
    assert back.startswith(DESK + "/oidc/back?")
    return client.get(f"{urlsplit(back).path}?{urlsplit(back).query}")


def test_a_person_is_let_in_with_the_first_role_of_their_groups_over_tls_only(
    door: tuple[Provider, Site],
) -> None:
    provider, site = door
    client = browser(site)
    shut = client.get("/queue", headers={"accept-language": "en"})
    assert shut.status_code == 401 and "/oidc/enter" in shut.text

    answer = signed_in(provider, client)

    assert answer.status_code == 303
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
    assert "Secure" in cookie and "HttpOnly" in cookie
    session = site.sessions.session(client.cookies[COOKIE])
    assert session is not None and session.person == Person("lin", Role.LEAD)
    assert client.get("/queue").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"}, {"aud": "another-client"}, {"iss": "https://elsewhere.example"},
        {"exp": int(time.time()) - 3_600},
    ],
    ids=["nonce", "audience", "issuer", "expired"],
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    door: tuple[Provider, Site], wrong: dict[str, Any]
) -> None:
    provider, site = door
    provider.wrong, client = wrong, browser(site)

    answer = signed_in(provider, client)

    assert answer.status_code == 401 and COOKIE not in client.cookies
    assert provider.tokens == 1


def test_a_forged_signature_a_foreign_state_and_a_code_used_twice_let_nobody_in(
    door: tuple[Provider, Site],
) -> None:
    provider, site = door
    provider.forged, client = True, browser(site)
    assert signed_in(provider, client).status_code == 401
    provider.forged = False
    sent = client.get("/oidc/enter")
    back = urlsplit(provider.signed_in(sent.headers["location"]))
    other = browser(site)  # another browser is tricked into finishing somebody else's sign-in
    assert other.get(f"{back.path}?{back.query}").status_code == 401
    assert client.get(f"{back.path}?{back.query}").status_code == 303
    assert client.get(f"{back.path}?{back.query}").status_code == 401


def test_who_is_in_no_group_with_a_role_is_shut_out_and_that_is_written_down(
    door: tuple[Provider, Site],
) -> None:
    provider, site = door
    provider.claims = {"preferred_username": "guest", "groups": ["staff"]}
    client = browser(site)

    assert signed_in(provider, client).status_code == 403
    assert "no group with a role" in site.desk.audit.path.read_text()
    assert COOKIE not in client.cookies


def test_whose_people_somebody_of_an_institution_is_says_a_claim(door: tuple[Provider, Site]) -> None:
    found = door[1].door
    assert isinstance(found, Door)
    roles = found.provider.roles | {"banks": Role.INSTITUTION}
    other = Door(msgspec.structs.replace(found.provider, roles=roles), "s")
    said = {"sub": "u-1", "preferred_username": "kim", "groups": ["banks"]}

    assert other.person(said | {"institution": "WESTGB22"}) == Person("kim", Role.INSTITUTION, "WESTGB22")
    for wrong in ("", 7, ["WESTGB22"], "a b", None):
        assert other.person(said | {"institution": wrong}) is None


def test_names_that_are_none_here_become_names_of_one_person_each(door: tuple[Provider, Site]) -> None:
    found = door[1].door
    assert isinstance(found, Door)
    base = {"groups": "fraud", "preferred_username": "Lin Wei@bank.example"}

    first, second = found.person({**base, "sub": "1"}), found.person({**base, "sub": "2"})

    assert first and second and first.id != second.id and first.id.startswith("lin-wei-bank-example-")
    assert found.person({**base, "sub": "1"}) == first


def test_without_a_provider_there_is_no_such_door_and_a_wrong_file_is_one_sentence(
    plain: Site, tmp_path: Path
) -> None:
    assert browser(plain).get("/oidc/enter").status_code == 404
    with pytest.raises(ConfigError, match="roles"):
        read_provider(written(tmp_path, "https://a.example", roles="{fraud: boss}"))
    with pytest.raises(ConfigError, match="secret"):
        (tmp_path / "none").write_text("")
        read_provider(written(tmp_path, "https://a.example", client_secret_file="none"))


def test_a_provider_that_is_away_is_said_and_lets_nobody_in(plain: Site, tmp_path: Path) -> None:
    file = written(tmp_path, "http://127.0.0.1:1")
    site = replace(plain, door=Door(*read_provider(file)))

    assert browser(site).get("/oidc/enter").status_code == 503
