"""The pages: who is let in where, what they show and hide, and that nothing comes from elsewhere."""

import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape as html_unescape
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from console.web.app import ROUTERS, STATIC
from console.web.pages.audit import said
from console.web.render import TEMPLATES
from console.web.serve import links
from console.web.visit import Site
from console.web.words import read_words
from desk.acting.plan import REASONS
from desk.cases import case_id_of
from desk.desk import Desk
from desk.roles import ACTS, ROUTES, Role
from pipelines.kafka.port import KafkaSettings
from schemas.action import KINDS
from schemas.errors import ConfigError
from tests.desk import kit, story
from tests.desk.site import Seat, cases_in, desk_on

#: Routes that need nobody to be signed in.
OPEN = {"enter", "oidc_enter", "oidc_back", "alive", "ready", "metrics"}

MULE = case_id_of(kit.token("mule"))


@pytest.fixture(scope="module")
def told(
    shared_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, Site]]:
    story.tell(shared_kafka)
    with desk_on(shared_kafka, tmp_path_factory.mktemp("desk")) as found:
        yield found


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def test_every_route_is_in_the_matrix_or_open() -> None:
    names = {route.name for route in routes()}

    assert names - OPEN == set(ROUTES)
    assert set(ACTS) == set(KINDS) == set(REASONS)


@pytest.mark.parametrize("role", Role)
def test_each_role_gets_in_where_the_matrix_says_and_nowhere_else(
    told: tuple[Desk, Site], role: Role
) -> None:
    _, site = told
    letter = "dead_" + "a" * 26
    filled = {
        "case_id": MULE, "kind": "CONFIRM", "proposal_id": "action_" + "a" * 26, "letter_id": letter,
        "action_id": "action_" + "a" * 26, "name": "cases",
    }  # fmt: skip
    for route in routes():
        if route.name in OPEN | {"live", "leave", "home"}:
            continue
        path = route.path.format(**filled)
        method = next(iter(route.methods - {"HEAD"}))
        seat = Seat(site, role)
        answer = seat.get(path) if method == "GET" else seat.client.post(path, data={"csrf": seat.csrf})
        let_in = role in ROUTES[route.name]
        assert (answer.status_code == 403) <= (not let_in or route.name in ("form", "act", "preview")), (
            route.name
        )
        if not let_in:
            assert answer.status_code == 403, (role, route.name, answer.status_code)


def test_nobody_gets_in_without_a_session_and_a_token_works_once(told: tuple[Desk, Site]) -> None:
    _, site = told
    seat = Seat(site, "lead")
    token = site.sessions.token(seat.person)
    seat.client.cookies.clear()

    assert seat.get("/queue").status_code == 401
    assert seat.get("/enter?token=wrong").status_code == 401
    assert seat.get(f"/enter?token={token}").status_code == 303
    assert seat.get("/queue").status_code == 200
    seat.client.cookies.clear()
    assert seat.get(f"/enter?token={token}").status_code == 401


def test_a_link_may_name_the_language_to_speak(told: tuple[Desk, Site]) -> None:
    _, site = told
    seat = Seat(site, "lead")
    (line,) = links(site, "", [seat.person], "zh-Hans")
    seat.client.cookies.clear()
    seat.get(line.partition(": ")[2])

    assert 'lang="zh-Hans"' in seat.get("/queue").text
    (line,) = links(site, "", [seat.person], "xx")
    assert "language" not in line


def test_what_another_site_sends_is_refused(told: tuple[Desk, Site]) -> None:
    desk, site = told
    seat, path = Seat(site, "lead"), f"/cases/{MULE}/ESCALATE"
    form = {"key": "k" * 12, "reason_code": "UNCLEAR"}
    before = desk.store.rows("SELECT * FROM actions")

    assert seat.client.post(path, data=form).status_code == 403
    assert seat.client.post(path, data={**form, "csrf": Seat(site, "lead").csrf}).status_code == 403
    own = {**form, "csrf": seat.csrf}
    assert seat.client.post(path, data=own, headers={"origin": "http://elsewhere"}).status_code == 403
    assert seat.client.get("/queue", headers={"host": "elsewhere.example"}).status_code == 400
    assert desk.store.rows("SELECT * FROM actions") == before


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/alrts", 404, "there is no list 'alrts'; use one of cases"),
        ("/api/alerts?after=nonsense", 422, "'nonsense' is no place in a list"),
        ("/api/alerts?limit=99999", 422, "limit: Input should be less than or equal to 5000"),
        ("/queue?page=99999999", 422, "page: Input should be less than or equal to 10000"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_what_would_be_right(
    told: tuple[Desk, Site], path: str, status: int, says: str
) -> None:
    answer = Seat(told[1], "lead").get(path, **{"accept-language": "en"})

    assert answer.status_code == status
    assert says in html_unescape(answer.text)


def test_a_stranger_and_an_old_form_are_told_the_next_step(told: tuple[Desk, Site]) -> None:
    seat = Seat(told[1], "lead")
    old = seat.client.post("/bulk", data={"csrf": "old"}, headers={"accept-language": "en"})
    seat.client.cookies.clear()

    assert "Open the page again" in old.text
    assert "a desk that is started again prints new ones" in seat.get("/api/cases").json()["detail"]


def test_answers_forbid_what_comes_from_elsewhere_and_are_not_kept(told: tuple[Desk, Site]) -> None:
    answer = Seat(told[1], "lead").get("/queue")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_too_many_tries_are_turned_away(told: tuple[Desk, Site]) -> None:
    seat = Seat(told[1], "lead")

    found = [seat.get(f"/enter?token=x{n}").status_code for n in range(25)]

    assert found[0] == 401 and found[-1] == 429


def test_the_queue_shows_each_open_case_once_with_both_clocks(told: tuple[Desk, Site]) -> None:
    html = Seat(told[1], "analyst").get("/queue", **{"accept-language": "en"}).text

    found = cases_in(html)
    assert len(found) == len(set(found)) == 31
    assert found[0] == MULE
    assert "end of the recommended hold: the money is free" in html
    assert re.search(r"\d+ min late", html)


def test_a_case_says_why_where_the_money_went_and_what_people_were_told(told: tuple[Desk, Site]) -> None:
    html = Seat(told[1], "analyst").get(f"/cases/{MULE}", **{"accept-language": "en"}).text

    assert "付款时正与陌生号码通话42分钟。" in html and "+3.4" in html
    assert "公安机关不会通过电话要求您转账" in html
    assert "Layer 3" in html and "9,000.00 CNY" in html
    assert "1 payer<" not in html and "2 payers" in html


def test_tokens_are_masked_until_a_reason_is_given_and_that_is_written_down(told: tuple[Desk, Site]) -> None:
    desk, site = told
    seat, other = Seat(site, "analyst"), Seat(site, "analyst", 2)
    whole = kit.token("mule")

    assert whole not in seat.get(f"/cases/{MULE}").text
    assert seat.post(f"/cases/{MULE}/unmask", reason="").status_code == 422
    assert seat.post(f"/cases/{MULE}/unmask", reason="call back").status_code == 303
    assert whole in seat.get(f"/cases/{MULE}").text
    assert whole not in other.get(f"/cases/{MULE}").text
    assert whole not in seat.get("/queue").text
    assert whole not in seat.get("/api/cases").text + seat.get("/api/alerts").text
    assert '"what": "unmask"' in desk.audit.path.read_text() and "call back" in desk.audit.path.read_text()


def test_every_page_speaks_every_language(told: tuple[Desk, Site]) -> None:
    _, site = told
    pages = {
        "lead": (
            "/queue", "/bulk", "/intake", "/model", "/health", f"/cases/{MULE}", f"/cases/{MULE}/HOLD",
            f"/cases/{MULE}/ORDER",
        ),
        "operator": ("/letters", f"/letters/{desk_letter(told[0])}"),
        "auditor": ("/audit",),
    }  # fmt: skip
    for language, foreign in (
        ("zh-Hans", r"\b(cases|Reason|Amount|Health)\b"),
        ("en", r"(理由|案件|待办)"),
    ):
        for role, paths in pages.items():
            seat = Seat(site, role)
            seat.client.cookies.set("language", language)
            for path in paths:
                answer = seat.get(path)
                assert answer.status_code == 200, (path, answer.text[:500])
                assert f'<html lang="{language}"' in answer.text
                shown = re.sub(
                    r"<(script|pre|code|textarea|blockquote)\b.*?</\1>|<[^>]*>", " ", answer.text, flags=re.S
                )
                assert not re.search(foreign, shown), (path, language, re.search(foreign, shown))


#: What is not in the language of the page: code, what others wrote, and tags.
_APART = r"<(script|pre|code|textarea|blockquote)\b.*?</\1>|<[^>]*>"


def desk_letter(desk: Desk) -> str:
    row = desk.store.row("SELECT id FROM facts WHERE topic = 'dead_letters'")
    assert row is not None
    return str(row["id"])


def test_languages_have_the_same_words_and_a_page_asks_for_none_that_is_missing(tmp_path: Path) -> None:
    words = read_words()
    asked = {
        key
        for template in TEMPLATES.glob("*.html")
        for key in re.findall(r'(?<![\w.])t(?:\.n)?\(["\']([\w.-]+)["\'][,)]', template.read_text())
    }

    assert words["en"].keys() == words["zh-Hans"].keys()
    assert sorted(asked - words["en"].keys()) == []
    assert [code for codes in REASONS.values() for code in codes if f"reason.{code}" not in words["en"]] == []

    (tmp_path / "eo.yaml").write_text('queue.title: "Vico"\n')
    assert read_words(tmp_path)["eo"]["queue.title"] == "Vico"
    (tmp_path / "eo.yaml").write_text('queue.titel: "Vico"\n')
    with pytest.raises(ConfigError, match=r"no page asks 'queue\.titel'"):
        read_words(tmp_path)


def test_vendored_files_are_the_ones_of_the_manifest_and_small() -> None:
    manifest = json.loads((STATIC / "VENDORED.json").read_text())
    own = {"desk.js", "desk.css", "icon.svg", "VENDORED.json"}

    assert {file.name for file in STATIC.iterdir()} == own | set(manifest)
    assert {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in manifest} == {
        name: each["sha256"] for name, each in manifest.items()
    }
    assert all(file.stat().st_size < 200_000 for file in STATIC.iterdir())


def test_no_template_or_file_of_ours_names_another_host() -> None:
    ours = [*TEMPLATES.glob("*.html"), STATIC / "desk.js", STATIC / "desk.css"]

    assert [
        (file.name, found)
        for file in ours
        for found in re.findall(
            r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|<style|style=|onclick=|<script>", file.read_text()
        )
    ] == []


def test_health_is_told_to_machines_without_a_session(told: tuple[Desk, Site]) -> None:
    client = Seat(told[1], "lead").client
    client.cookies.clear()

    assert client.get("/live/alive").text == "alive"
    assert client.get("/live/ready").status_code == 200
    metrics = client.get("/metrics").text
    assert "stopline_desk_open_cases 31.0" in metrics
    assert not re.search(r"[a-z2-7]{26}", metrics)


def test_a_list_pulled_piece_by_piece_is_the_whole_list(told: tuple[Desk, Site]) -> None:
    seat = Seat(told[1], "liaison")
    whole = seat.get("/api/cases?limit=5000")
    lines, place = [], ""
    while True:
        piece = seat.get(f"/api/cases?limit=7&after={place}")
        if not piece.text:
            break
        lines += piece.text.splitlines()
        place = piece.headers["next"]

    assert lines == whole.text.splitlines()
    assert len(lines) == 31


def test_a_refusal_keeps_the_way_back_and_says_what_there_is_nothing_of(told: tuple[Desk, Site]) -> None:
    seat = Seat(told[1], "lead")
    english = {"accept-language": "en"}

    for path in ("/nowhere", "/cases/case_aaaaaaaaaaaaaaaaaaaaaaaaaa"):
        answer = seat.get(path, **english)
        assert answer.status_code == 404
        assert 'href="/queue"' in answer.text and "Back to the start" in answer.text
    assert "nothing is held on this account" in seat.get(f"/cases/{MULE}/RELEASE", **english).text
    assert "no appeal of this account is open" in seat.get(f"/cases/{MULE}/APPEAL", **english).text
    seat.client.cookies.clear()
    assert 'href="/queue"' not in seat.get("/nowhere", **english).text


def test_whatever_stands_in_the_audit_chain_is_told_in_words(told: tuple[Desk, Site]) -> None:
    _, site = told
    whats = [f"{does}.{route}" for does in ("view", "refused") for route in ROUTES]
    whats += [*(f"act.{kind}" for kind in KINDS), "enter.link", "enter.oidc", "leave", "unmask", "trial"]
    whats += ["trial.stop", "refused.oidc"]

    for language, words in site.words.items():
        lacking = {key for what in whats for key in said(what) if key and key not in words}
        assert lacking == set(), language
    html = Seat(site, "auditor").get("/audit").text
    assert "Looked at: Audit" in html and "<code>view" not in html
