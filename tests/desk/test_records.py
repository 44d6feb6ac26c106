"""Reports, registry, listings, blocking, institutions, rings: shown, found, decided by their own rules."""

import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from console.lab.brokers import topic_values
from console.web.visit import Site
from desk.desk import Desk
from desk.planes import PLANES
from desk.projections.aggregates import KEPT
from desk.quotas import Quotas
from desk.roles import SEES
from measures.casework import AGGREGATES
from measures.registry import quota
from measures.registry.suspicion import key_of
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.action import Action
from schemas.casework import CaseworkMessage, JudgeSubject, LiftBlock, ListSubject
from schemas.report import Finding, Report, Revocation
from tests.casework.kit import Bureau
from tests.desk import bureau, kit, story
from tests.desk.site import Seat, desk_on

Told = tuple[Desk, Site, KafkaSettings, Bureau]

EN = {"accept-language": "en"}


@pytest.fixture(scope="module")
def told(shared_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    story.tell(shared_kafka, small=3)
    at_work = bureau.tell(shared_kafka)
    with desk_on(shared_kafka, tmp_path_factory.mktemp("desk")) as (desk, site):
        yield desk, site, shared_kafka, at_work


def said(kafka: KafkaSettings, topic: str, record: Any) -> list[Any]:
    return [msgspec.json.decode(value, type=record) for value in topic_values(kafka, topic)]


def last_sent(kafka: KafkaSettings, topic: str, record: Any, count: int, of: type | None = None) -> Any:
    """Return the newest message of a type once there are so many in all."""
    deadline = time.monotonic() + 10
    while len(found := said(kafka, topic, record)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == count
    return [each for each in found if of is None or isinstance(each, of)][-1]


def test_planes_are_those_that_roles_are_told_for_and_topics_those_that_are_kept() -> None:
    assert set(PLANES) == set(SEES)
    assert {each.topic for each in PLANES.values()} == set(KEPT)
    not_shown = {of.topic for of in AGGREGATES.values()} - set(KEPT)
    assert not_shown == {topics.REPORTERS, topics.LIST_VERSIONS, topics.INDICATORS}


def test_every_aggregate_is_on_its_list_once_and_what_waits_for_a_person_stands_first(told: Told) -> None:
    desk, site, _, at_work = told
    seat = Seat(site, "lead")
    for plane in PLANES.values():
        html = seat.get(f"/{plane.name}?only=all", **EN).text
        rows = re.findall(rf'href="/{plane.name}/record\?id=([\w.-]+)"', html)
        kinds = [of.kind for of in AGGREGATES.values() if of.topic == plane.topic]
        expected = {each.key for kind in kinds for each in at_work.all(kind)} or {bureau.RING}
        assert set(rows) == expected and len(rows) == len(expected), plane.name
        waits = [
            row["waits"]
            for row in desk.store.rows(
                "SELECT waits FROM aggregates WHERE topic = ? ORDER BY waits DESC, due_us IS NULL, due_us",
                plane.topic,
            )
        ]
        assert waits == sorted(waits, reverse=True)


def test_one_of_each_says_what_it_is_and_shows_no_token_before_a_reason_is_given(told: Told) -> None:
    _, site, _, at_work = told
    seat = Seat(site, "liaison")
    mule = kit.token("mule")
    wanted = {
        "reports": ("report-1", ("evil.example", "nobody answered in time")),
        "registry": (key_of("ACCOUNT", mule), ("holds for review", "then the hold falls to a delay")),
        "listings": (key_of("PERSON", kit.token("person-1")), ("under appeal", "bank-2")),
        "blocks": (at_work.all("block")[0].entry_id, ("Objection", "to be acknowledged by")),
        "institutions": ("bank-1", ("3 · 3.3", "told")),
        "rings": (bureau.RING, ("Pass on", "24,000.00 CNY", "2 victims")),
    }  # fmt: skip
    for plane, (name, texts) in wanted.items():
        answer = seat.get(f"/{plane}/record?id={name}", **EN)
        assert answer.status_code == 200, (plane, answer.text[-800:])
        for text in texts:
            assert text in answer.text, (plane, text)
        assert mule not in answer.text
    assert (
        seat.post("/registry/unmask", id=key_of("ACCOUNT", mule), reason="call the bank").status_code == 303
    )
    assert mule in seat.get(f"/registry/record?id={key_of('ACCOUNT', mule)}").text
    assert mule not in seat.get("/reports/record?id=report-1").text


def test_what_names_the_same_account_is_one_click_away_from_case_and_record(told: Told) -> None:
    _, site, _, _ = told
    seat = Seat(site, "lead")
    suspicion = key_of("ACCOUNT", kit.token("mule"))
    case = seat.get("/registry/record?id=" + suspicion, **EN).text
    links = set(re.findall(r'href="/(\w+)/record', case)) | set(re.findall(r'href="/(cases)/', case))
    assert {"reports", "rings", "cases"} <= links
    (case_id,) = set(re.findall(r'href="/cases/(case_\w+)"', case))
    assert suspicion in seat.get(f"/cases/{case_id}", **EN).text
    assert suspicion in seat.get(f"/registry?only=all&find={kit.token('mule')}").text
    assert "Nothing matches" in seat.get(f"/registry?only=all&find={kit.token('nobody')}", **EN).text


def test_a_report_shows_the_others_of_its_campaign_and_no_word_of_the_message(told: Told) -> None:
    _, site, _, _ = told
    page = Seat(site, "lead").get("/reports/record?id=report-1", **EN).text
    assert "2 reports are of one campaign" in page
    assert page.index("2 reports are") < page.index("/reports/record?id=report-2")
    assert "customs" not in page
    alone = Seat(site, "lead").get("/reports/record?id=report-3", **EN).text
    assert "of one campaign" not in alone


def test_a_person_clears_a_subject_and_sees_before_what_it_does(told: Told) -> None:
    _, site, kafka, _ = told
    seat, name = Seat(site, "analyst"), key_of("ACCOUNT", kit.token("bad-0"))
    form = {
        "subject": name,
        "outcome": "REJECTED",
        "reason_code": "INNOCENT_RECIPIENT",
        "reason": "a payroll",
    }
    before = len(said(kafka, topics.CASEWORK, CaseworkMessage))
    seat.client.cookies.set("language", "en")
    shown = seat.post("/registry/act/JUDGE/preview", **form).text
    assert re.search(r"Suspicion</b> delays → <b>cleared", shown)

    assert seat.post("/registry/act/JUDGE", **form).status_code == 303

    message = last_sent(kafka, topics.CASEWORK, CaseworkMessage, before + 1, JudgeSubject)
    assert (message.subject_id, message.upheld, message.by) == (name, False, ("analyst-1",))
    (action,) = [each for each in said(kafka, topics.ACTIONS, Action) if each.kind == "JUDGE"]
    assert (action.subject, action.reason) == (name, "a payroll")
    assert Seat(site, "institution").post("/registry/act/JUDGE", **form).status_code == 403


def test_an_entry_is_lifted_by_two_people_and_the_second_sees_not_what_the_first_said(told: Told) -> None:
    _, site, kafka, at_work = told
    first, second = Seat(site, "lead"), Seat(site, "lead", 2)
    entry = next(each for each in at_work.all("block") if "evil" in each.value).entry_id
    before = len(said(kafka, topics.CASEWORK, CaseworkMessage))
    form = {"subject": entry, "reason_code": "WRONG_ENTRY", "reason": "the first one's words"}
    assert first.post("/blocks/act/UNBLOCK", **form).status_code == 303
    (proposal,) = [each for each in said(kafka, topics.ACTIONS, Action) if each.kind == "UNBLOCK"]
    assert (proposal.state, proposal.effects) == ("PROPOSED", ())

    html = second.get(f"/blocks/record?id={entry}", **EN).text
    assert "A second decision is needed" in html and "first one" not in html
    path, decision = f"/blocks/second/{proposal.action_id}", {"choice": "DO", "reason_code": "WRONG_ENTRY"}
    assert first.post(path, **decision).status_code == 409
    assert Seat(site, "analyst").post(path, **decision).status_code == 403
    assert second.post(path.replace("blocks", "reports"), **decision).status_code == 409
    assert second.post(path, **decision).status_code == 303

    message = last_sent(kafka, topics.CASEWORK, CaseworkMessage, before + 1, LiftBlock)
    assert message.by == ("lead-1", "lead-2")
    assert second.post(path, **decision).status_code == 409


def test_a_report_found_wrong_is_closed_and_the_preview_names_what_is_undone(told: Told) -> None:
    _, site, kafka, _ = told
    seat = Seat(site, "lead")
    seat.client.cookies.set("language", "en")
    form = {"subject": "report-1", "verdict": "REJECTED", "reason_code": "FALSE_POSITIVE"}
    before = len(said(kafka, topics.CASEWORK, CaseworkMessage))

    shown = seat.post("/reports/act/FINDING/preview", **form).text
    assert "it was wrong" in shown and "Blocking entry" in shown and "Suspicion" in shown

    assert seat.post("/reports/act/FINDING", **form).status_code == 303
    message = last_sent(kafka, topics.CASEWORK, CaseworkMessage, before + 1, Finding)
    assert message.verdict == "REJECTED"


def test_what_the_rules_refuse_or_cannot_read_is_never_sent(told: Told) -> None:
    _, site, kafka, _ = told
    seat = Seat(site, "liaison")
    before = len(topic_values(kafka, topics.CASEWORK)), len(topic_values(kafka, topics.ACTIONS))
    block = {"action": "BLOCK", "reason_code": "SCAM_SITE"}
    suspect = {"kind": "ACCOUNT", "reason_code": "KNOWN_MULE"}
    step = {"subject": "bank-1", "track": "ACCOUNTS", "reason_code": "STEP_TAKEN"}
    look = {"subject": "report-1", "asked": "nobody", "result": "ACTED", "reason_code": "LOOKED_INTO"}
    wrong = [
        ("/blocks/act/BLOCK", block | {"kind": "NUMBER", "value": "no number"}),
        ("/blocks/act/BLOCK", block | {"kind": "NO_KIND", "value": "x"}),
        ("/reports/act/LOOK", look),
        ("/registry/act/SUSPECT", suspect | {"token": "x", "tier": "1"}),
        ("/registry/act/SUSPECT", suspect | {"token": kit.token("a"), "tier": "one"}),
        ("/institutions/act/RECTIFY", step | {"step": "VERIFIED"}),
    ]
    for path, form in wrong:
        answer = seat.post(path, **form)
        assert answer.status_code == 409, (path, form, answer.status_code)
    assert seat.post("/institutions/act/RECTIFY", **step, step="PLAN").status_code == 403  # the bank's own
    time.sleep(0.3)
    assert (len(topic_values(kafka, topics.CASEWORK)), len(topic_values(kafka, topics.ACTIONS))) == before


def test_a_listing_is_a_file_for_the_authority_to_sign_and_nothing_is_sent(told: Told) -> None:
    _, site, kafka, _ = told
    before = len(topic_values(kafka, topics.CASEWORK))
    seat = Seat(site, "liaison")
    form = {"kind": "PERSON", "token": kit.token("p"), "ground": "CRIMINAL", "decision": "D-9",
            "institution": "bank-1 bank-2", "reason_code": "DECIDED_BY_AUTHORITY"}  # fmt: skip

    answer = seat.post("/listings/act/LIST", **form)

    drafted = answer.headers["location"]
    assert "Nothing is in force yet" in seat.get(drafted).text
    paper = msgspec.json.decode(seat.get(f"{drafted}/file").content, type=ListSubject)
    assert (paper.token, paper.institutions) == (kit.token("p"), ("bank-1", "bank-2"))
    assert len(topic_values(kafka, topics.CASEWORK)) == before


def test_a_report_by_phone_goes_to_the_casework_job_with_what_lured(told: Told) -> None:
    _, site, kafka, _ = told
    seat = Seat(site, "analyst")
    form = {
        "account": kit.token("unheard"), "payer": kit.token("victim"), "amount": "12,000", "currency": "CNY",
        "paid_at": "2025-10-09T17:00", "number": "+86 10 1234 5678", "site": SITE_TYPED,
        "reason_code": "VICTIM_REPORTED", "institution": "bank-7",
    }  # fmt: skip
    before = len(said(kafka, topics.REPORTS, Report | Revocation))
    assert seat.post("/intake", **{**form, "site": "no page"}).status_code == 409
    assert seat.post("/intake", **{**form, "paid_at": "2027-10-09T17:00"}).status_code == 409

    answer = seat.post("/intake", **form)

    assert answer.status_code == 303
    report = last_sent(kafka, topics.REPORTS, Report | Revocation, before + 1, Report)
    assert [(each.kind, each.role) for each in report.entities] == [
        ("ACCOUNT", "SUSPECT"), ("ACCOUNT", "VICTIM"), ("NUMBER", "INFRA"), ("URL", "INFRA"),
    ]  # fmt: skip
    assert report.entities[0].facts == {"amount_minor": "1200000", "currency": "CNY"}
    # 17:00 in China, whatever the zone of the machine
    assert report.edges[0].at_us == 1_760_000_400_000_000
    order = seat.client.get(answer.headers["location"].split("#")[0] + "/ORDER")
    lead = Seat(site, "lead").get(answer.headers["location"].split("#")[0] + "/ORDER").text
    assert order.status_code == 403
    assert f'name="payer" value="{kit.token("victim")}"' in lead and 'value="12,000"' in lead


SITE_TYPED = "https://evil2.example/a"


def test_lists_for_other_desks_hold_every_plane_masked(told: Told) -> None:
    _, site, _, _ = told
    seat = Seat(site, "liaison")
    for name, plane in PLANES.items():
        found = seat.get(f"/api/{name}?limit=5000").text
        assert found, plane
        assert not re.search(r'"[a-z2-7]{25}[aeimquy4]"', found), name


def test_who_looks_for_what_is_not_there_is_told_when_to_ask_again_and_a_guessed_name_counts_too(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, site, _, _ = told
    monkeypatch.setattr(desk, "quotas", Quotas(quota.PERSON))
    seat, other = Seat(site, "lead"), Seat(site, "analyst")
    there = kit.token("mule")
    for number in range(3):
        assert seat.get(f"/registry?only=all&find={kit.token(f'x{number}')}", **EN).status_code == 200
    for number in range(2):
        assert seat.get(f"/listings/record?id={key_of('PERSON', kit.token(f'x{number}'))}").status_code == 404

    by_value = seat.get(f"/registry?only=all&find={there}", **EN)
    by_name = seat.get(f"/registry/record?id={key_of('ACCOUNT', there)}", **EN)
    unknown = seat.get(f"/registry?only=all&find={kit.token('x9')}", **EN)
    for answer in (by_value, by_name, unknown):
        assert answer.status_code == 429
        assert "Your look-ups are used up" in answer.text
        assert 'href="/registry/record?id=' not in answer.text
    assert seat.get("/registry", **EN).status_code == 200
    assert key_of("ACCOUNT", there) in other.get(f"/registry?only=all&find={there}", **EN).text
