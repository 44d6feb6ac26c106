"""Every route of the OpenAPI, fuzzed as each role: nobody gets in where the matrix shuts, nothing breaks."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from console.web.app import create_app
from console.web.sessions import COOKIE
from console.web.visit import Site
from desk.roles import ROUTES, Person, Role
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from tests.desk import kit, story
from tests.desk.site import desk_on

pytestmark = pytest.mark.slow

#: Routes that need nobody to be signed in.
OPEN = {"enter", "oidc_enter", "oidc_back", "alive", "ready", "metrics"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        kit.create_topics(kafka)
        story.tell(kafka, small=5)
        with desk_on(kafka, tmp_path_factory.mktemp("desk")) as (_, made):
            yield made
        process.close_connections()


@pytest.mark.parametrize("role", ["", *Role])
def test_no_role_gets_a_2xx_that_the_matrix_does_not_give(
    site: Site, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.sessions, "within_limits", lambda *_, **__: True)
    app = create_app(site, ["127.0.0.1"])
    names = {
        (method, path): operation["summary"].lower().replace(" ", "_")
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    headers = {"host": "127.0.0.1"}
    if role:
        cookie = site.sessions.cookie(Person(f"{role}-1", Role(role)))
        session = site.sessions.session(cookie)
        assert session is not None
        headers |= {"cookie": f"{COOKIE}={cookie}", "x-csrf": site.sessions.csrf(session)}
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    tried: dict[str, int] = {}
    unexpected: list[tuple[str, int]] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        name = names[operation.method.lower(), operation.path]
        if name == "live":
            continue

        @settings(
            max_examples=8, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            answer = case.call(headers=headers, base_url="http://127.0.0.1")
            tried[name] = tried.get(name, 0) + 1  # noqa: B023
            open_ = name in OPEN  # noqa: B023
            let_in = open_ or (bool(role) and Role(role) in ROUTES[name])  # noqa: B023
            if answer.status_code >= 500 and answer.status_code != 503:
                unexpected.append((name, answer.status_code))  # noqa: B023
            if answer.status_code < 400 and not let_in:
                unexpected.append((name, answer.status_code))  # noqa: B023

        one()
    assert unexpected == []
    assert len(tried) > 25 and min(tried.values()) >= 1
