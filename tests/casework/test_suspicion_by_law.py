"""Suspicions by the law of a country: golden timelines of Brazil and Viet Nam."""

import pytest

from measures.registry import quota
from schemas.casework import SuspectSubject
from schemas.report import Finding, Revocation
from schemas.subject import Role, SubjectSource, Suspicion
from tests.casework.kit import DAY, HOUR, MINUTE, Bureau, account, report, site
from tests.tokens import token_of


def suspect(bank: str, country: str, tier: int, role: Role = "RENTED") -> SuspectSubject:
    return SuspectSubject(
        kind="ACCOUNT", token=token_of("mule"), source=SubjectSource(reporter=bank), tier=tier, role=role,
        institution="bank-9", jurisdiction=country,
    )  # fmt: skip


def known(at: Bureau) -> Suspicion:
    [found] = at.all("suspicion")
    assert isinstance(found, Suspicion)
    return found


def state(at: Bureau) -> tuple[int, str, str]:
    now = known(at)
    return now.tier, now.effect(at.now), now.marker


def counted(at: Bureau) -> list[tuple[int, int, int]]:
    windows = (known(at).counters(at.now, days) for days in (90, 365, 1_826))
    return [(each.reports, each.distinct_reporters, each.confirmed) for each in windows]


def test_timeline_br_a_confirmed_mule_is_marked_and_counted_in_three_windows_until_its_end() -> None:
    at, mule = Bureau(), account("mule")
    at.say(suspect("bank-1", "BR", 2))
    assert state(at) == (2, "DELAY", "")
    for number in (1, 2):
        at.report(report(number, mule, reporter=f"bank-{number}", origin="BANK", jurisdiction="BR"))
    assert state(at)[2] == ""
    at.say(Finding(report_id="report-1", verdict="CONFIRMED", by="desk-1", reason="AGREED"))
    assert state(at)[2] == "MULE_ACCOUNT"
    answered = quota.answer(known(at), None, at.now)
    assert answered is not None
    assert (answered.marker, answered.reason_code) == ("MULE_ACCOUNT", "SCAM_REPORTED")
    recent = counted(at)
    assert recent[0] == recent[1] == recent[2]
    at.wait(100 * DAY)
    assert [each[0] for each in counted(at)] == [0, recent[1][0], recent[2][0]]
    at.wait(266 * DAY)
    assert state(at) == (0, "NONE", "")
    assert [each[2] for each in counted(at)] == [0, 0, 1]


def test_timeline_br_a_reporter_who_takes_it_back_takes_marker_and_count_with_it() -> None:
    at = Bureau()
    at.report(report(1, account("mule"), reporter="bank-1", origin="BANK", jurisdiction="BR"))
    at.say(Finding(report_id="report-1", verdict="CONFIRMED", by="desk-1", reason="AGREED"))
    assert state(at)[2] == "UNKNOWN"
    at.report(Revocation(report_id="report-1", reporter="bank-1", reason="wrong account"))
    assert state(at) == (0, "NONE", "")


def test_who_takes_a_confirmed_report_back_does_not_lift_the_block_that_a_person_confirmed() -> None:
    at = Bureau()
    at.report(report(1, site(), account("mule"), reporter="bank-1", origin="BANK", jurisdiction="BR"))
    at.say(Finding(report_id="report-1", verdict="CONFIRMED", by="desk-1", reason="a copy of a login page"))
    [before] = at.all("block")
    at.report(Revocation(report_id="report-1", reporter="bank-1", reason="it is ours"))
    assert at.all("block") == [before]
    assert state(at) == (0, "NONE", "")


def test_timeline_vn_levels_one_and_two_warn_and_three_holds_until_a_person_has_looked() -> None:
    at = Bureau()
    at.say(suspect("bank-1", "VN", 1))
    assert state(at)[:2] == (1, "WARN")
    at.say(suspect("bank-1", "VN", 2))
    assert state(at)[:2] == (2, "WARN")
    at.say(suspect("bank-2", "VN", 3))
    assert state(at)[:2] == (3, "HOLD_FOR_REVIEW")
    at.wait(29 * MINUTE)
    assert state(at)[0] == 3
    at.wait(MINUTE)
    assert state(at)[:2] == (2, "WARN")
    at.wait(366 * DAY + HOUR)
    assert state(at) == (0, "NONE", "")


@pytest.mark.parametrize("country", ["", "KR", "XX"])
def test_where_the_law_says_nothing_of_suspicions_tiers_are_as_everywhere(country: str) -> None:
    at = Bureau()
    at.say(suspect("bank-1", country, 2))
    assert state(at) == (2, "DELAY", "")
