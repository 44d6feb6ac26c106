"""Every route of the OpenAPI, fuzzed as each role: nobody gets in where the matrix shuts, nothing breaks."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from console.web.app import create_app
from console.web.sessions import COOKIE
from console.web.visit import Site
from desk.cases import case_id_of
from desk.planes import PLANES
from desk.roles import ROUTES, Person, Role
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from tests.desk import bureau, kit, story
from tests.desk.site import desk_on

pytestmark = pytest.mark.slow

#: Routes that need nobody to be signed in.
OPEN = {"enter", "oidc_enter", "oidc_back", "alive", "ready", "metrics"}


MULE = case_id_of(kit.token("mule"))


def _made_real(case: Any, name: str, site: Site) -> None:
    """Ask for what there is, where the fuzzer can only guess names."""
    store = site.desk.store
    parameters = case.path_parameters or {}
    real = {"case_id": MULE, **({"kind": "ESCALATE"} if "case_id" in parameters else {})}
    letter = store.row("SELECT id FROM facts WHERE topic = 'dead_letters'")
    real["letter_id"] = letter["id"] if letter else ""
    if name == "list_facts":
        real["name"] = ("cases", "alerts", "warnings", "reports", "blocks")[len(str(case.query)) % 5]
    case.path_parameters = {key: real.get(key, value) for key, value in parameters.items()}
    plane = PLANES.get(name.partition("_")[0])
    row = plane and store.row("SELECT id FROM aggregates WHERE topic = ? LIMIT 1", plane.topic)
    if row and isinstance(case.query, dict) and "id" in case.query:
        case.query = dict(case.query) | {"id": row["id"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        kit.create_topics(kafka)
        story.tell(kafka, small=5)
        bureau.tell(kafka)
        with desk_on(kafka, tmp_path_factory.mktemp("desk")) as (_, made):
            yield made
        process.close_connections()


#: Somebody of an institution that keeps no account here and that nothing names.
STRANGER = "stranger"


@pytest.mark.parametrize("role", ["", *Role, STRANGER])
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
    store, stranger = site.desk.store, role == STRANGER
    secret = {each for row in store.rows("SELECT case_id, account FROM cases") for each in row}
    secret |= {each[:4] + "····" for each in secret if not each.startswith("case_")}
    headers = {"host": "127.0.0.1"}
    if role:
        code = "OTHERBANK" if role == STRANGER else ""
        role = Role.INSTITUTION if role == STRANGER else role
        cookie = site.sessions.cookie(Person(f"{role}-1", Role(role), code))
        session = site.sessions.session(cookie)
        assert session is not None
        headers |= {"cookie": f"{COOKIE}={cookie}", "x-csrf": site.sessions.csrf(session)}
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    tried: dict[str, int] = {}
    turns = count()
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
            if next(turns) % 2:
                _made_real(case, name, site)  # noqa: B023
            answer = case.call(headers=headers, base_url="http://127.0.0.1")
            given = str(case.path_parameters) + str(case.query) + str(case.body)
            shown = {each for each in secret if each in answer.text and each not in given}
            if stranger and answer.status_code < 400 and shown:
                unexpected.append((f"{name} shows {sorted(shown)[:3]}", answer.status_code))  # noqa: B023
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
