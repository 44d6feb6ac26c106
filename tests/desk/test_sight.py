"""People of an institution see what concerns the accounts it keeps, and nothing else, on whatever route."""

import re
from collections.abc import Iterator

import msgspec
import pytest

from console.web.pages.live import changed
from console.web.serve import people
from console.web.visit import Site
from desk.cases import case_id_of
from desk.desk import Desk
from desk.listing import LISTS
from desk.roles import Person, Role
from desk.sight import EVERYTHING, sight_of
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.errors import ConfigError
from tests.desk import bureau, kit, story
from tests.desk.site import Seat, cases_in, desk_on

WEST, EAST = "WESTGB22", "EASTCNSHXXX"

OURS, THEIRS = case_id_of(kit.token("ours")), case_id_of(kit.token("theirs"))


@pytest.fixture(scope="module")
def told(
    shared_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, Site]]:
    """Two banks: the case `ours` is of a payee at one, paid from the other, `theirs` the other way round."""
    alerts = [
        kit.alert(1, "ours", debtor_agent=EAST, creditor_agent=WEST + "XXX"),
        kit.alert(2, "theirs", debtor_agent=WEST, creditor_agent=EAST),
        kit.alert(3, "nobody"),
        kit.alert(4, "out", leg="DEBIT", debtor_agent=WEST, creditor_agent=EAST),
    ]
    kit.send(shared_kafka, topics.ALERTS, alerts)
    warnings = [
        msgspec.structs.replace(
            story.warning(), warning_id=each.alert_id, txn_id=each.txn_id, party_token=each.party_token
        )
        for each in alerts[:2]
    ]  # fmt: skip
    kit.send(shared_kafka, topics.WARNINGS, warnings)
    story.tell(shared_kafka, small=3)
    bureau.tell(shared_kafka)
    with desk_on(shared_kafka, tmp_path_factory.mktemp("desk")) as found:
        yield found


def seat(site: Site, code: str, number: int = 1) -> Seat:
    return Seat(site, "institution", number, code)


def test_the_queue_and_every_list_hold_ones_own_cases_only(told: tuple[Desk, Site]) -> None:
    desk, site = told
    ours = {OURS, case_id_of(kit.token("out"))}

    assert set(cases_in(seat(site, WEST).get("/queue").text)) == ours
    assert cases_in(seat(site, "OTHERBANK").get("/queue").text) == []
    assert len(cases_in(Seat(site, "lead").get("/queue").text)) > 4
    sight = sight_of(desk.store, Person("x", Role.INSTITUTION, WEST), "desk")
    assert {name for name, _ in changed(desk, 0, sight)} == ours
    for name in LISTS:
        whole = Seat(site, "lead").get(f"/api/{name}").text.splitlines()
        mine = seat(site, WEST).get(f"/api/{name}").text.splitlines()
        assert set(mine) <= set(whole)
        assert seat(site, "OTHERBANK").get(f"/api/{name}").text == "", name
    alerts = [msgspec.json.decode(line) for line in seat(site, WEST).get("/api/alerts").text.splitlines()]
    assert {each["txn_id"] for each in alerts} == {"tx-ours-1", "tx-out-4"}


def test_what_a_payer_is_told_is_seen_by_the_payers_bank_alone(told: tuple[Desk, Site]) -> None:
    _, site = told

    for code, txn in ((WEST, "tx-theirs-2"), (EAST, "tx-ours-1")):
        lines = seat(site, code).get("/api/warnings").text.splitlines()
        assert [msgspec.json.decode(line)["txn_id"] for line in lines] == [txn]
    assert "公安机关不会" not in seat(site, WEST).get(f"/cases/{OURS}").text
    assert "公安机关不会" in Seat(site, "lead").get(f"/cases/{OURS}").text


@pytest.mark.parametrize("path", ["", "/body", "/ESCALATE", "/APPEAL"])
def test_a_case_of_another_is_not_there(told: tuple[Desk, Site], path: str) -> None:
    _, site = told

    assert seat(site, WEST).get(f"/cases/{OURS}{path}").status_code == 200
    assert seat(site, WEST).get(f"/cases/{THEIRS}{path}").status_code == 404
    assert seat(site, EAST).get(f"/cases/{OURS}{path}").status_code == 404


def test_nothing_is_decided_or_unmasked_about_a_case_of_another(told: tuple[Desk, Site]) -> None:
    desk, site = told
    mine, form = seat(site, WEST), {"reason_code": "UNCLEAR"}
    before = len(desk.store.rows("SELECT 1 FROM actions"))

    assert mine.post(f"/cases/{THEIRS}/ESCALATE", **form).status_code == 404
    assert mine.post(f"/cases/{THEIRS}/ESCALATE/preview", **form).status_code == 404
    assert mine.post(f"/cases/{THEIRS}/unmask", reason="why not").status_code == 404
    assert len(desk.store.rows("SELECT 1 FROM actions")) == before
    assert mine.post(f"/cases/{OURS}/ESCALATE", **form).status_code == 303
    assert desk.store.rows("SELECT institution FROM actions ORDER BY seq")[-1]["institution"] == WEST


def test_records_name_the_institution_or_an_account_it_keeps(told: tuple[Desk, Site]) -> None:
    desk, site = told
    shown: dict[str, set[str]] = {}
    for code in ("bank-1", "OTHERBANK"):
        one = seat(site, code)
        for plane in ("reports", "registry", "listings", "blocks", "institutions"):
            page = one.get(f"/{plane}")
            assert page.status_code == 200, plane
            shown.setdefault(code, set()).update(re.findall(r"/record\?id=([^\"&]+)", page.text))
    assert shown["OTHERBANK"] == set()
    assert "bank-1" in shown["bank-1"]
    other = seat(site, "OTHERBANK")
    rows = desk.store.rows("SELECT topic, id FROM aggregates")
    planes = {topics.REPORT_ACTIONS: "reports", topics.SUSPICIONS: "registry", topics.LISTINGS: "listings",
              topics.BLOCKS: "blocks", topics.RECTIFICATIONS: "institutions"}  # fmt: skip
    tried = [(planes[row["topic"]], row["id"]) for row in rows if row["topic"] in planes]
    assert {plane for plane, _ in tried} == set(planes.values())
    for plane, name in tried:
        assert other.get(f"/{plane}/record?id={name}").status_code == 404, (plane, name)
        form = {"id": name, "subject": name, "reason": "let me see", "reason_code": "UNCLEAR"}
        assert other.post(f"/{plane}/unmask", **form).status_code == 404, (plane, name)
    step = {"subject": "bank-1", "track": "FUNDS", "step": "PLAN", "reason_code": "PLAN_GIVEN"}
    assert other.post("/institutions/act/RECTIFY", **step).status_code in (404, 409)


def test_a_code_is_any_branch_and_what_names_nobody_is_the_desks_own(told: tuple[Desk, Site]) -> None:
    desk, _ = told

    def seen(code: str, own: str = "desk") -> set[str]:
        sight = sight_of(desk.store, Person("x", Role.INSTITUTION, code), own)
        rows = desk.store.rows(f"SELECT account FROM cases WHERE {sight.kept()}")
        return {row["account"] for row in rows} & {kit.token("ours"), kit.token("nobody")}

    assert seen("westgb22") == seen("WESTGB22XXX") == {kit.token("ours")}
    assert seen("WESTGB22LDN") == seen("WESTGB2") == seen("x' OR 1 --") == set()
    assert seen("") == seen("desk") == {kit.token("nobody")}
    assert seen("WESTGB22", own="WESTGB22") == {kit.token("ours"), kit.token("nobody")}
    assert sight_of(desk.store, Person("x", Role.LEAD), "desk") is EVERYTHING


def test_a_seat_of_an_institution_says_whose() -> None:
    assert people(["a:institution:WESTGB22"]) == [Person("a", Role.INSTITUTION, "WESTGB22")]
    assert people(["a:institution"], "WESTGB22") == [Person("a", Role.INSTITUTION)]
    for wrong in (
        "a:institution",
        "a:lead:WESTGB22",
        "a:institution:no code",
        "²:lead",
        "a:boss",
        "A:lead",
        ":lead",
    ):
        with pytest.raises(ConfigError, match="--seat"):
            people([wrong])
