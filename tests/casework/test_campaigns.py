"""Reports of one campaign are found together, whatever a sender varies; the text of a message is not kept."""

import msgspec
import pytest
from msgspec.structs import replace
from sklearn.metrics import adjusted_rand_score

from measures.authority.signing import KeyRing
from measures.cases import campaigns
from measures.casework import read_report
from schemas.report import Entity, Report
from tests.casework.worded import templates, variants

SITE = Entity(kind="DOMAIN", value="evil.example", role="INFRA")
AT = 1_790_000_000_000_000


def said(name: str, text: str = "", at_us: int = AT, **facts: str) -> Report:
    site = replace(SITE, facts=facts)
    report = Report(
        report_id=name, origin="BANK", reporter="bank-1", jurisdiction="KR", at_us=at_us, entities=(site,),
        message=text,
    )  # fmt: skip
    return campaigns.without_text(report)


def rand_index(count: int, each: int, seed: int) -> float:
    """Return the adjusted Rand index of `count` templates with so many variants `each`."""
    sent = [
        (number, text)
        for number, template in enumerate(templates(count, seed))
        for text in variants(template, each, number)
    ]
    groups = campaigns.groups(said(f"r{n}", text) for n, (_, text) in enumerate(sent))
    found = {report.report_id: place for place, group in enumerate(groups) for report in group}
    return float(adjusted_rand_score([each for each, _ in sent], [found[f"r{n}"] for n in range(len(sent))]))


def test_variants_of_a_template_are_one_campaign_and_other_templates_others() -> None:
    assert rand_index(60, 8, seed=5) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_500_templates_with_20_variants_each_the_rand_index_is_095(seed: int) -> None:
    assert rand_index(500, 20, seed) >= 0.95


def test_templates_sent_by_a_reporter_are_those_the_job_makes_itself() -> None:
    first = campaigns.template_of("Your parcel waits, pay the customs fee")
    assert first[:24] == "BG8BrwcMBRIGtAycCBMQSg3e"


def test_of_a_message_the_job_keeps_the_template_only() -> None:
    text = "Dear Ann, your parcel 123 waits, pay the customs fee at evil.example"
    (send,) = read_report(msgspec.json.encode(replace(said("r1"), message=text)), KeyRing([]), AT + 1)
    assert send.command.report.message == ""
    assert send.command.report.template == campaigns.template_of(text)
    assert b"parcel" not in msgspec.json.encode(send.command)


def test_a_kit_or_certificate_ties_reports_and_a_registrar_does_not() -> None:
    reports = [
        said("r1", kit="k1", registrar="one"), said("r2", kit="k1"), said("r3", registrar="one"),
        said("r4", certificate="c1"), said("r5", certificate="c1", kit="k1"),
    ]  # fmt: skip
    (group,) = [[each.report_id for each in group] for group in campaigns.groups(reports)]
    assert group == ["r1", "r2", "r4", "r5"]
    assert campaigns.shared(reports)["registrar"] == ["one"]


def test_the_oldest_report_names_the_campaign_whatever_the_order() -> None:
    reports = [said(f"r{n}", kit="k1", at_us=AT - n) for n in range(3)]
    one, other = (campaigns.groups(each)[0] for each in (reports, reports[::-1]))
    assert campaigns.campaign_id(one) == campaigns.campaign_id(other)
    assert one[0].report_id == "r2"


@pytest.mark.parametrize(
    "text", ["", "OK", "1234", "好的", "\u200b" * 50, "a" * 2000, "a-" * 1000, "a." * 1000]
)
def test_a_text_of_too_few_letters_has_no_template_and_no_text_takes_long(text: str) -> None:
    assert campaigns.template_of(text) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "您的快递包裹12345未能送达，请点击https://a.example/x领取",
            "您的快递包裹9未能送达,请点击 b.example 领取!",
        ),
        ("Pay the fee of £2.99 at hxxps://a[.]example/1 today", "PAY the fee of 17 EUR at c.example today"),
        ("Ｙｏｕｒ parcel waits, pay the customs fee", "your par\u200bcel waits - pay the cústoms fee"),
    ],
)
def test_links_figures_marks_and_odd_letters_change_nothing(one: str, other: str) -> None:
    assert campaigns.together(said("r1", one), said("r2", other))
