"""What institutions owe an authority of their suspected: the layout and the calendar of a country."""

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from measures.law.country_file import SHIPPED
from measures.registry import reporting
from schemas.errors import ConfigError
from schemas.subject import Happened, SubjectSource, Suspicion
from tests.rings.facts import token

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=HANOI).timestamp() * 1e6)


def known(name: str, since_us: int, until_us: int, **fields: object) -> Suspicion:
    source = SubjectSource(reporter="bank-2", at_us=since_us, authority=bool(fields.pop("authority", False)))
    given = {
        "subject_id": f"s-{name}", "kind": "ACCOUNT", "token": token(name), "tier": 1, "state": "ACTIVE",
        "institution": "bank-1", "sources": (source,), "jurisdiction": "VN", "since_us": since_us,
        "valid_to_us": until_us,
    } | fields  # fmt: skip
    return Suspicion(**given)  # type: ignore[arg-type]


def told(country: str, now_us: int, *suspicions: Suspicion) -> tuple[reporting.Period, list[dict[str, str]]]:
    law = SHIPPED.of(country)
    rule = reporting.rule_of(law, now_us)
    period = reporting.period_of(law, rule, now_us)
    text = reporting.csv(rule, reporting.rows(suspicions, rule, period, "bank-1"))
    return period, list(csv.DictReader(io.StringIO(text)))


def test_viet_nams_report_is_of_the_month_before_and_due_by_the_tenth() -> None:
    now_us = at(2026, 11, 30, 18)
    period, lines = told(
        "VN", now_us,
        known("october", at(2026, 10, 3), at(2027, 10, 3)),
        known("until october", at(2026, 2, 1), at(2026, 10, 1, 1), authority=True),
        known("november", at(2026, 11, 1), at(2027, 11, 1)),
        known("ended", at(2026, 2, 1), at(2026, 9, 30)),
        known("another's", at(2026, 10, 3), at(2027, 10, 3), institution="bank-9"),
        known("a person", at(2026, 10, 3), at(2027, 10, 3), kind="PERSON"),
    )  # fmt: skip
    assert (period.name, period.due_us) == ("2026-10", at(2026, 11, 11))
    assert {each["SoTaiKhoan"]: each["NghiNgo"] for each in lines} == {
        token("october"): "8", token("until october"): "5",
    }  # fmt: skip
    assert list(lines[0]) == [
        "Cif",
        "SoTaiKhoan",
        "TenKhachHang",
        "TrangThaiHoatDongTaiKhoan",
        "NghiNgo",
        "GhiChu",
    ]
    assert {each["GhiChu"] for each in lines} == {
        "SCAM_REPORTED 2026-10-02",
        "SCAM_REPORTED (authority) 2026-01-31",
    }
    assert {each["TenKhachHang"] for each in lines} == {""}


def test_brazils_report_has_the_counters_of_the_half_year_that_ended() -> None:
    reported = tuple(
        Happened(at_us=at(2026, month, 9), what=what, reporter=f"bank-{month}", report_id=f"r{month}")
        for month, what in ((1, "REPORTED"), (5, "REPORTED"), (6, "CONFIRMED"), (7, "REPORTED"))
    )
    mule = known(
        "mule", at(2026, 1, 9), at(2027, 6, 1), jurisdiction="BR", history=reported, marker="MULE_ACCOUNT"
    )
    period, (line,) = told("BR", at(2026, 11, 30), mule)
    assert period.name == "2026-01/2026-06"
    assert (line["FraudType"], line["Status"]) == ("MULE_ACCOUNT", "REGISTERED")
    counted = [
        line[f"{name}{window}"] for window in ("90d", "12m") for name in ("InfractionReports", "Confirmed")
    ]
    assert counted == ["1", "1", "2", "1"]


def test_a_country_whose_law_asks_for_none_is_told_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="VN and BR have one"):
        reporting.rule_of(SHIPPED.of("KR"), at(2026, 11, 30))


@pytest.mark.parametrize(
    ("month", "name"), [(1, "2025-07/2025-12"), (6, "2025-07/2025-12"), (7, "2026-01/2026-06")]
)
def test_half_years_begin_in_january_and_july(month: int, name: str) -> None:
    law = SHIPPED.of("BR")
    noon_us = at(2026, month, 2, 23)
    assert reporting.period_of(law, reporting.rule_of(law, noon_us), noon_us).name == name
