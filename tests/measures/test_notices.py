"""A notice says what is held, how much, until when, by whose order, and how to object to who can lift it."""

import pytest

from measures.law import notices
from measures.law.calendar import from_iso
from measures.law.country_file import FOLDER, jurisdiction
from measures.law.jurisdiction import Jurisdiction
from measures.law.notices import local_time
from measures.law.rules import HoldRule, RestrictRule
from schemas.commands import FileAppeal, PlaceHold, Restrict, StateFacts
from schemas.measure import AccountFacts, Notice
from schemas.order import Action, Actor
from schemas.reply import Why
from tests.measures.kit import ACCOUNT, DAY, PAID, T0, Bench, defrauded, make_order

COUNTRIES = sorted(path.stem.upper() for path in FOLDER.glob("*.yaml"))


def notice_of(bench: Bench, order_no: str) -> Notice:
    notice = bench.measure(order_no).notice
    assert notice is not None
    return notice


def test_the_notice_of_a_stop_names_effect_end_authority_and_number() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    notice = notice_of(bench, "S1")
    assert notice.reason == (
        "Money reported as stolen in a scam may have been paid into this account. "
        "Outgoing payments from this account are stopped; money can still come in. "
        "Until 2026-03-04 10:00. Ordered by police-1, reference S1."
    )
    assert notice.remedy_channel == (
        "It was ordered by police-1, reference S1: object there. "
        "We can give you these details but cannot lift it."
    )
    assert notice.legal_basis == "Law against Telecom and Online Fraud, art. 20; Yinfa [2016] 86, section 2"


def test_a_notice_is_in_the_holders_language_legal_basis_included() -> None:
    bench = defrauded()
    facts = bench.account.facts
    assert facts is not None
    bench.do(StateFacts(at_us=T0, facts=AccountFacts(
        name_token=facts.name_token, institution_id=facts.institution_id, currency="CNY",
        balance_minor=PAID, language="zh-Hans",
    )))  # fmt: skip
    bench.order(make_order("S1"))
    notice = notice_of(bench, "S1")
    assert "只能收款，不能付款" in notice.reason and "文书号S1" in notice.reason
    assert notice.legal_basis.startswith("《反电信网络诈骗法》第二十条")
    assert (notice.language, notice.machine_made) == ("zh-Hans", False)


def test_a_notice_follows_its_measure_to_another_sum_and_another_end() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    assert "50,000.00 CNY on this account is frozen" in notice_of(bench, "F1").reason
    bench.order(make_order("R1", "FREEZE", "REDUCE", original_order_no="F1", amount_minor=3_000_000))
    assert "30,000.00 CNY on this account is frozen" in notice_of(bench, "F1").reason
    before = notice_of(bench, "F1").reason
    terms = make_order("x", "FREEZE").freeze
    assert terms is not None
    renewed = make_order("E1", "FREEZE", Action.EXTEND, original_order_no="F1", freeze=type(terms)(
        legal_doc_no="d", legal_review_ref="r"
    ))  # fmt: skip
    assert bench.order(renewed).code == "OK"
    assert "Until 2026-09-02 10:00." in before and "Until 2027-03-02 10:00." in notice_of(bench, "F1").reason


def test_a_notice_of_what_has_no_effect_yet_does_not_say_it_has() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    other = make_order("F2", "FREEZE", authority_id="police-2", sender_id="police-2", case_family="family-2")
    assert bench.order(other).state == "WAITING"
    waiting = notice_of(bench, "F2").reason
    assert "nothing is held under it yet" in waiting and "frozen" not in waiting
    assert "No end has been set." in waiting
    bench = Bench(balance=1)
    bench.do(Restrict(at_us=T0, decision_id="d-1", rule="INVOLVED", reason_code="IDENTITY_CHECK"))
    (limit,) = bench.account.measures.values()
    assert limit.notice is not None and "will be suspended unless" in limit.notice.reason
    bench.tick(T0 + 4 * DAY)
    (limit,) = bench.account.measures.values()
    assert limit.notice is not None
    assert "These services are suspended: everything except at a branch." in limit.notice.reason


def test_what_the_institution_decides_it_says_itself_and_whether_a_law_set_the_term() -> None:
    bench = Bench(balance=500_000)
    command = PlaceHold(
        at_us=T0, decision_id="d", rule="payer_delay", reason_code="SCAM_SUSPECTED", amount_minor=123_456,
        txn_id="p1",
    )  # fmt: skip
    bench.do(command)
    (hold,) = bench.account.measures.values()
    assert hold.notice is not None
    assert "The payment of 1,234.56 CNY is on hold; the money has not left." in hold.notice.reason
    assert "Decided by this institution." in hold.notice.reason
    assert hold.notice.own_term and hold.notice.legal_basis.endswith("our own term, no law sets it)")
    assert "object to us" in hold.notice.remedy_channel


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_rule_that_is_our_own_term_says_so_and_no_other_does(country: str) -> None:
    law = jurisdiction(country)
    for versions in law.versions().values():
        for rule in versions:
            if not isinstance(rule, HoldRule | RestrictRule):
                continue
            for language in law.languages:
                said = notices.notice(law, "SCAM_SUSPECTED", rule, language)
                assert said.own_term is rule.own_term
                assert (law.words[language].own_term in said.legal_basis) is rule.own_term


@pytest.mark.parametrize("country", COUNTRIES)
def test_languages_that_nobody_read_yet_are_marked(country: str) -> None:
    law = jurisdiction(country)
    marked = {
        language: notices.notice(law, "LISTED", "x", language).machine_made for language in law.languages
    }
    assert marked == {language: language not in ("en", "zh-Hans") for language in law.languages}


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_tier_but_a_court_lifts_what_a_court_ordered(country: str) -> None:
    law = jurisdiction(country)
    named = {"BANK", "OMBUDSMAN", "AFCA", "FMOS", "FIDREC", "OUVIDORIA", "COMMISSIONER_OF_POLICE", "POLICE"}
    for rule in law.appeal:
        for tier in rule.tiers:
            if tier.name in named:
                assert not any(tier.may(kind, Actor.COURT) for kind in tier.may_lift if kind == "FREEZE")


def test_an_appeal_nobody_but_the_court_could_grant_is_told_so() -> None:
    bench = Bench("UK", balance=PAID)
    order = make_order("F1", "FREEZE", jurisdiction="UK", victim_transfer=None)
    assert bench.order(order, actor=Actor.COURT).code == "OK"
    refusal = bench.do(
        FileAppeal(at_us=bench.now, filing_no="a", measure_id=bench.measure("F1").measure_id, reasons="mine")
    ).refusal
    assert refusal is not None and refusal.why is Why.NOT_COMPETENT
    assert "police-1, F1" in refusal.detail


def test_the_end_of_a_day_is_written_as_that_day() -> None:
    law: Jurisdiction = jurisdiction("UK")
    assert local_time(law, from_iso("2026-03-07T00:00:00+00:00")) == "2026-03-06 24:00"
    assert local_time(law, from_iso("2026-07-01T11:30:00+00:00")) == "2026-07-01 12:30"
    assert ACCOUNT
