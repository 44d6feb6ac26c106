"""Quick hit: whom a report is asked of, with its clock, and what comes of it."""

import msgspec
import pytest
from joserfc.jwk import OKPKey

from measures.aggregate import Office
from measures.authority.signing import AuthorityKey, KeyRing, sign_payload
from measures.blocking.admission import Guard
from measures.cases.reporter import REJECTED_MIN
from measures.casework import TYPE
from schemas.order import Actor
from schemas.report import INFORMATION, Answer, Edge, Entity, Finding, Report, Revocation
from tests.casework.kit import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    Bureau,
    account,
    number,
    report,
    site,
)
from tests.tokens import token_of

POLICE = OKPKey.generate_key("Ed25519")


def police(bureau: Bureau, said: Report | Revocation) -> None:
    """Send as police-1 signs it."""
    bureau.report(sign_payload(msgspec.json.encode(said), POLICE, "key-1", TYPE))


def desk(actor: Actor = Actor.POLICE) -> Bureau:
    public = OKPKey.import_key(POLICE.as_dict(private=False))
    key = AuthorityKey("police-1", "key-1", actor, "KR", public, 0, 2**62)
    return Bureau(Office(guard=Guard(domains=frozenset({"bank.example"}))), KeyRing([key]))


def of_police(number: object, *entities: Entity, **fields: object) -> Report:
    return report(number, *entities, **({"origin": "POLICE", "reporter": "police-1"} | fields))


def asked(bureau: Bureau, report_id: str) -> list[tuple[str, str]]:
    return [(each.kind, each.recipient) for each in bureau.case(report_id).actions]


def test_the_jobs_own_parts_act_at_once_and_the_first_action_is_timed() -> None:
    bureau = desk()

    bureau.report(report(1, site(), account()))

    case = bureau.case("report-1")
    assert [(each.recipient, each.result) for each in case.actions[:2]] == [
        ("blocklist", "ACTED"), ("registry", "ACTED"),
    ]  # fmt: skip
    assert case.first_action_us == T0
    assert case.actions[0].act_due_us == T0 + 2 * SECOND


def test_one_private_reporter_blocks_nothing_however_much_is_reported() -> None:
    bureau = desk()

    for each in range(200):
        bureau.report(
            report(each, site(f"shop{each % 7}.example"), number(), account(f"victim-{each % 5}"), priority=4)
        )
        bureau.wait(MINUTE)

    assert {each.action for each in bureau.all("block")} == {"LABEL"}
    assert {each.tier for each in bureau.all("suspicion")} == {1}
    assert not {"STOP", "SUSPEND_LINE", "TAKE_DOWN"} & {
        each.kind for case in bureau.all("report") for each in case.actions
    }


def test_one_reporter_whose_systems_spell_it_differently_is_one() -> None:
    bureau = desk()

    for each, reporter in enumerate(("Bank-2", "bank-2", "BANK_2", "bank 2", "bank\u20102", "\uff22ank-2")):
        bureau.report(report(each, site(), account(), reporter=reporter, origin="BANK", priority=4))

    assert {each.action for each in bureau.all("block")} == {"LABEL"}
    assert [(each.tier, len(each.sources)) for each in bureau.all("suspicion")] == [(2, 1)]
    assert [each.counters(T0, 90).distinct_reporters for each in bureau.all("suspicion")] == [1]


def test_a_record_follows_its_reporter_under_each_of_its_spellings() -> None:
    bureau = desk()
    for each in range(4):
        bureau.report(report(each, site(f"s{each}.example"), reporter="Bank-2", origin="BANK"))
        bureau.say(Finding(report_id=f"report-{each}", verdict="REJECTED", by="lin", reason="wrong"))

    bureau.report(report(9, site(), reporter="BANK_2", origin="BANK"))

    assert asked(bureau, "report-9") == [("LOOK", "desk")]


def test_two_reporters_block_and_then_operator_host_and_bank_are_asked_by_their_clocks() -> None:
    bureau = desk()
    for reporter in ("bank-2", "bank-3"):
        bureau.report(
            report(reporter, site(), number(), account(), reporter=reporter, origin="BANK", priority=3)
        )

    later = {each.kind: each for each in bureau.case("report-bank-3").actions[3:]}

    assert {kind: each.act_due_us - T0 for kind, each in later.items()} == {
        "TAKE_DOWN": DAY, "SUSPEND_LINE": 10 * MINUTE, "STOP": MINUTE,
    }  # fmt: skip
    assert later["STOP"].recipient == "bank:bank-1"
    assert later["STOP"].kind not in {kind for kind, _ in asked(bureau, "report-bank-2")}


def test_one_signed_report_of_an_authority_blocks_and_a_claim_to_be_one_does_not() -> None:
    bureau = desk()

    bureau.report(of_police(1, site("a.example")))
    police(bureau, of_police(2, site("b.example")))

    assert {each.value: each.action for each in bureau.all("block")} == {
        "a.example": "LABEL", "b.example": "BLOCK",
    }  # fmt: skip
    assert [bureau.case(f"report-{each}").authority for each in (1, 2)] == [False, True]


def test_a_bank_that_signs_its_report_stays_a_private_reporter() -> None:
    bureau = desk(Actor.BANK)

    police(bureau, of_police(1, site("a.example"), account(), origin="BANK", priority=4))

    assert [each.action for each in bureau.all("block")] == ["LABEL"]
    assert [each.tier for each in bureau.all("suspicion")] == [2]
    assert not bureau.case("report-1").authority


def test_nobody_reports_with_the_key_of_another() -> None:
    bureau = desk()

    police(bureau, of_police(1, reporter="police-2"))
    police(bureau, of_police(2, jurisdiction="CN"))

    assert bureau.refused == ["signed with the key of another reporter or country"] * 2
    assert not bureau.all("report")


def test_a_protected_site_waits_for_a_person_even_if_an_authority_reports_it() -> None:
    bureau = desk()

    police(bureau, of_police(1, site("login.bank.example")))

    assert [each.state for each in bureau.all("block")] == ["IN_REVIEW"]
    assert ("LOOK", "desk") in asked(bureau, "report-1")


def test_who_does_not_answer_is_escalated_to_the_second_of_the_clock_and_once() -> None:
    bureau = desk()
    police(bureau, of_police(1, number(institution="operator-1"), account(), priority=4))
    sent = {each.kind: each for each in bureau.case("report-1").actions}

    bureau.wait(30 * SECOND)
    bureau.say(
        Answer(
            report_id="report-1", action_id=sent["SUSPEND_LINE"].action_id, recipient="operator:operator-1"
        )
    )
    bureau.wait(HOUR)
    case = bureau.case("report-1")
    late = {each.kind: each.escalated_us for each in case.actions if each.escalated_us}
    bureau.wait(HOUR)

    assert late == {"STOP": T0 + MINUTE, "SUSPEND_LINE": T0 + 10 * MINUTE}
    assert [each.reason for each in case.actions if each.recipient == "desk"] == [
        "bank:bank-1 has not answered: STOP", "operator:operator-1 has not acted: SUSPEND_LINE",
    ]  # fmt: skip
    assert bureau.case("report-1") == case


def test_only_who_was_asked_answers_a_refusal_names_its_reason_and_the_first_result_counts() -> None:
    bureau = desk()
    police(bureau, of_police(1, account(), priority=4))
    stop = next(each for each in bureau.case("report-1").actions if each.kind == "STOP")
    answer = Answer(report_id="report-1", action_id=stop.action_id, recipient="bank:bank-1", result="REFUSED")

    bureau.say(msgspec.structs.replace(answer, recipient="bank:bank-9"))
    bureau.say(answer)
    bureau.say(msgspec.structs.replace(answer, reason="account closed"))
    bureau.say(msgspec.structs.replace(answer, result="ACTED"))
    found = next(each for each in bureau.case("report-1").actions if each.kind == "STOP")

    assert bureau.refused == [
        "nothing like that was asked of this recipient", "who refuses names a reason",
    ]  # fmt: skip
    assert (found.result, found.reason) == ("REFUSED", "account closed")
    assert bureau.case("report-1").state == "ACTED"
    assert [(told.state, told.asked, told.acted, told.refused) for told in bureau.told] == [
        ("ACTED", 2, 1, 1)
    ]


def test_a_rejected_report_is_undone_everywhere_and_counts_in_its_reporters_record() -> None:
    bureau = desk()
    police(bureau, of_police(1, site(), account(), priority=4))

    bureau.wait(MINUTE // 2)
    bureau.say(Finding(report_id="report-1", verdict="REJECTED", by="desk-1", reason="a bank's own site"))

    entry, subject, record = (bureau.all(kind)[0] for kind in ("block", "suspicion", "reporter"))
    assert (entry.state, entry.wrongful_us) == ("LIFTED", MINUTE // 2)
    assert (subject.tier, subject.effect(bureau.now)) == (0, "NONE")
    assert subject.counters(bureau.now, 90).rejected == 1
    assert (record.confirmed, record.rejected) == (0, 1)
    assert sorted(who for kind, who in asked(bureau, "report-1") if kind == "UNDO") == [
        "bank:bank-1", "platform:all",
    ]  # fmt: skip


def test_what_others_also_say_stays_when_one_report_is_taken_back() -> None:
    bureau = desk()
    for reporter in ("bank-2", "bank-3", "bank-4"):
        bureau.report(report(reporter, site(), reporter=reporter, origin="BANK"))

    bureau.report(Revocation(report_id="report-bank-4", reporter="bank-4"))
    three = [(each.state, each.action) for each in bureau.all("block")]
    bureau.report(Revocation(report_id="report-bank-3", reporter="bank-3"))

    assert three == [("ACTIVE", "BLOCK")]
    assert [(each.state, each.action) for each in bureau.all("block")] == [("ACTIVE", "LABEL")]
    assert bureau.case("report-bank-3").state == "REVOKED"


def test_only_the_reporter_takes_a_report_back_and_a_signed_one_only_signed() -> None:
    bureau = desk()
    police(bureau, of_police(1))

    bureau.report(Revocation(report_id="report-1", reporter="bank-9"))
    bureau.report(Revocation(report_id="report-1", reporter="police-1"))
    before = bureau.case("report-1").state
    police(bureau, Revocation(report_id="report-1", reporter="police-1"))

    assert bureau.refused == ["only who reported takes a report back"] * 2
    assert (before, bureau.case("report-1").state) == ("FANNED_OUT", "REVOKED")


def test_a_reporter_whose_reports_were_mostly_wrong_asks_nobody_but_a_person() -> None:
    bureau = desk()
    for each in range(REJECTED_MIN):
        bureau.report(report(each, site(f"s{each}.example")))
        bureau.say(Finding(report_id=f"report-{each}", verdict="REJECTED", by="desk-1", reason="wrong"))

    bureau.report(report("next", site("next.example")))

    assert asked(bureau, "report-next") == [("LOOK", "desk")]
    assert bureau.case("report-next").quality < 250
    assert "next.example" not in {each.value for each in bureau.all("block")}


def test_a_report_that_comes_again_changes_nothing_and_another_of_its_id_is_refused() -> None:
    bureau = desk()
    bureau.report(report(1, site(), account()))
    before = dict(bureau.states)

    bureau.report(report(1, site(), account()))
    bureau.report(report(1, site("other.example")))

    assert bureau.states == before
    assert bureau.refused == ["the report id stands for another report"]


def test_a_case_nobody_judges_closes_when_its_time_is_over_and_counts_for_nobody() -> None:
    bureau = desk()
    bureau.report(report(1, ttl_h=24))

    bureau.wait(2 * DAY)
    case = bureau.case("report-1")

    assert (case.state, case.verdict, case.closed_us) == ("CLOSED", "UNKNOWN", T0 + DAY)
    assert [(each.confirmed, each.rejected) for each in bureau.all("reporter")] == [(0, 0)]


def test_a_victim_is_warned_and_never_blocked_or_suspected() -> None:
    bureau = desk()

    police(bureau, of_police(1, number(role="VICTIM")))
    victims = account("victim", role="VICTIM"), number(token_of("phone"), role="VICTIM")
    police(bureau, of_police(1, *victims, priority=4))

    assert bureau.refused == [
        "an entity is nothing of its kind: VICTIM NUMBER is named by a token, never in clear"
    ]
    assert asked(bureau, "report-1") == [("WARN", "bank:bank-1"), ("WARN", "desk")]
    assert not bureau.all("block")
    assert not bureau.all("suspicion")


def test_what_the_registry_knows_enriches_a_report() -> None:
    bureau = desk()
    bureau.report(report(1, account()))

    bureau.report(report(2, account(), reporter="bank-2", origin="BANK"))

    assert bureau.case("report-2").actions[0].known == (
        "tier 1, 1 reports of 1 reporters, 0 confirmed, 0 rejected"
    )


def test_an_entity_that_is_nothing_of_its_kind_refuses_the_report() -> None:
    bureau = desk()

    bureau.report(report(1, site("not a domain")))

    assert len(bureau.refused) == 1
    assert bureau.refused[0].startswith("an entity is nothing of its kind")


#: The nine kinds of Korea's exchange, each as banks and police would report it (anchors.md 2.6).
KOREAN = {
    "VICTIM_ACCOUNT": (account("victim", role="VICTIM", facts={"reported": "112"}),),
    "ACCOUNT_USED": (account("mule", role="MULE", facts={"withdrawn": "ATM", "remaining": "1200000 KRW"}),),
    "ACCOUNT_SUSPECTED": (account("suspect"), account("victim", role="VICTIM")),
    "OVERSEAS_ACCOUNT": (account("abroad", facts={"country": "KH", "verified_by": "correspondent"}),),
    "INVESTIGATION": (account("mule"), Entity(kind="PERSON", value=token_of("holder"))),
    "FAKE_ID": (Entity(kind="DOCUMENT", value=token_of("passport"), facts={"type": "passport"}),),
    "POTENTIAL_VICTIM": (
        Entity(kind="PERSON", value=token_of("elder"), role="VICTIM", institution="bank-1"),
    ),
    "PHISHING_SITE": (Entity(kind="URL", value="https://fss-kr.example/login", role="INFRA"),),
    "MALICIOUS_APP": (Entity(kind="APP_HASH", value="ab" * 32, role="INFRA"), site("apk.example")),
}


@pytest.mark.parametrize("information", [each for each in INFORMATION if each != "TIP"])
def test_each_of_the_nine_korean_kinds_of_information_can_be_reported_and_is_asked_of_somebody(
    information: str,
) -> None:
    bureau = desk()
    edges = (Edge(from_entity=1, to_entity=0, kind="PAID"),) if information == "ACCOUNT_SUSPECTED" else ()

    police(bureau, of_police(1, *KOREAN[information], information=information, edges=edges))

    assert bureau.refused == []
    assert asked(bureau, "report-1")


@pytest.mark.parametrize(
    ("at_us", "says"),
    [
        (0, "at_us is before 2000"),
        (T0 // SECOND, "at_us is before 2000"),
        (T0 // 1_000, "at_us is before 2000"),
        (T0 + 30 * DAY, "at_us is later than now"),
    ],
)
def test_a_time_in_another_unit_is_refused_by_name(at_us: int, says: str) -> None:
    bureau = desk()

    bureau.report(report(1, site(), at_us=at_us))

    assert [each.startswith(says) for each in bureau.refused] == [True]
    assert bureau.states == {}
