"""Country files: loading, faults by line, versions by date, and no country in the code."""

import re
from pathlib import Path

import pytest

import measures
from measures.law import notices
from measures.law.calendar import Calendar, Term, from_iso
from measures.law.country_file import FOLDER, REASON_CODES, jurisdiction, load
from measures.law.rule_base import Rule
from measures.law.rules import FreezeRule, HoldRule, StopRule
from pipelines import policy
from schemas.errors import ConfigError
from schemas.order import Target, VictimTransfer
from schemas.reply import ReplyCode
from tests.measures.kit import ACCOUNT, HOUR, T0, Bench, make_order
from tests.tokens import token_of

COUNTRIES = sorted(path.stem.upper() for path in FOLDER.glob("*.yaml"))


def changed(tmp_path: Path, *replacements: tuple[str, str], name: str = "xx") -> Path:
    text = (FOLDER / "cn.yaml").read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    return path


def line_of(path: Path, needle: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if needle in line)


def test_twelve_countries_and_two_generic_laws_are_shipped_each_with_a_policy() -> None:
    assert COUNTRIES == [
        "AU", "BR", "CN", "EU", "HK", "IN", "KR", "MY", "PH", "SG", "TH", "UK", "US", "VN"
    ]  # fmt: skip
    assert sorted(policy.load(file).law.id for file in policy.shipped().values()) == COUNTRIES


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_rule_says_its_date_basis_and_marked_sources(country: str) -> None:
    law = jurisdiction(country)
    rules = [rule for versions in law.versions().values() for rule in versions]
    assert len(rules) >= 8
    for rule in rules:
        assert isinstance(rule, Rule)
        assert rule.basis and rule.since
        assert all(re.match(r"[VMECDU]( S\d|:)", source) for source in rule.sources)


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_notice_is_complete_in_every_language(country: str) -> None:
    law = jurisdiction(country)
    for language in law.languages:
        for code in REASON_CODES:
            notice = notices.notice(law, code, "basis", language)
            assert notice.language == language
            assert all([notice.reason, notice.remedy_channel, notice.documents_needed, notice.legal_basis])
    assert notices.notice(law, "LISTED", "basis", "tlh").language == law.languages[0]


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("term: PT48H", "term: two days", "stop[0].term", "is not a term"),
        ("max_times: 2", "max_time: 2", "stop[0].max_time", "Extra inputs"),
        ("2000000 CNY", "2000000 USD", "freeze[1].bulk.amount", "is not an amount"),
        ("timezone: Asia/Shanghai", "timezone: Asia/Peking", "timezone", "is not an IANA time zone"),
        ("  - since: 2022-12-01", "  - since: 2016-03-18", "stop[1].since", "order of their date of force"),
        ("      zh-Hans: 银发〔2019〕85号\n", "", "listing[1].basis", "needs a text in"),
        ('"V S26: ordinary', '"S26: ordinary', "hold.ordinary[0].sources[0]", "is not a source"),
        ("currency: CNY\n", "currency: CNY\ncurrency: CNY\n", "currency", "stands twice"),
        ("actors: [POLICE]\n    starts", "actors: [POLITE]\n    starts", "stop[0].actors[0]", "POLICE"),
    ],
)
def test_a_fault_names_file_line_place_and_rule(
    tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    path = changed(tmp_path, (old, new))
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith("xx.yaml:")
    assert f": {place}: " in message
    assert says in message
    line = int(message.split(":")[1])
    last = place.rsplit(".", maxsplit=1)[-1].split("[", maxsplit=1)[0]
    shown = path.read_text().splitlines()[line - 1]
    assert last in shown or "26" in shown or "POLITE" in shown


def test_a_missing_field_is_reported_at_its_rule(tmp_path: Path) -> None:
    path = changed(tmp_path, ("    term: PT48H\n", ""))
    with pytest.raises(
        ConfigError, match=rf"xx.yaml:{line_of(path, '- since: 2016-03-18')}: stop\[0\].term: Field required"
    ):
        load(path)


def test_a_file_that_is_not_yaml_or_not_a_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xx.yaml"
    for text in ("a: [", "- 1"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"xx\.yaml[^\n]*$"):
            load(path)
    with pytest.raises(ConfigError, match="use one of AU, BR, CN"):
        jurisdiction("ZZ")


@pytest.mark.parametrize(
    ("at", "stop", "bulk", "listing"),
    [
        ("2016-03-17T12:00:00+08:00", False, False, False),
        ("2016-03-18T00:00:00+08:00", True, False, False),
        ("2019-04-01T00:00:00+08:00", True, False, True),
        ("2024-09-09T23:59:59+08:00", True, False, True),
        ("2024-09-10T00:00:00+08:00", True, True, True),
    ],
)
def test_the_law_of_a_day_begins_at_local_midnight(at: str, stop: bool, bulk: bool, listing: bool) -> None:
    regime = jurisdiction("CN").on(from_iso(at))
    freeze = regime.rule(FreezeRule)
    assert freeze is not None
    found = (regime.rule(StopRule) is not None, freeze.bulk is not None, regime.listing is not None)
    assert found == (stop, bulk, listing)


def test_thai_holds_shrank_from_the_account_to_the_amount() -> None:
    law = jurisdiction("TH")
    scopes = [
        law.on(from_iso(f"{day}T12:00:00+07:00")).named(HoldRule)["payee_hold"].scope
        for day in ("2025-04-12", "2025-04-13")
    ]
    assert scopes == ["ALL_OUTFLOW", "AMOUNT"]


def test_no_module_names_a_country() -> None:
    """The engine is data-driven: no country id and no branch on one in any module."""
    folder = Path(measures.__file__).parent
    ids = "|".join(COUNTRIES)
    naming = re.compile(rf"""["']({ids})["']|\bif .*(jurisdiction|country|law\.id)\s*(==|!=|in)\s*["']""")
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(folder.glob("*.py"))
        for line in path.read_text().splitlines()
        if naming.search(line) and not line.strip().startswith(">>>")
    ]
    assert found == []


def test_an_invented_country_runs_by_its_file_alone(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("id: CN", "id: XX"),
        ("timezone: Asia/Shanghai", "timezone: Pacific/Chatham"),
        ("en: Law against Telecom and Online Fraud, art. 20", "en: Invented act"),
    )
    text = path.read_text().replace("CNY", "XXD").replace("term: PT48H", "term: P1BD@EOD")
    path.write_text(text.replace("officers: 2", "officers: 1").replace("max_times: 2", "max_times: 3"))
    bench = Bench(load(path))
    bench.move("victim-txn", 5_000_000)
    sent = VictimTransfer(account_token="v", amount_minor=5_000_000, currency="XXD", transferred_at_us=T0)
    target = Target(account_token=ACCOUNT, institution_id="bank-1", name_token=token_of("name-1"))

    def stop(order_no: str):
        return make_order(
            order_no,
            jurisdiction="XX",
            victim_transfer=sent,
            target=target,
            officers=make_order("x").officers[:1],
        )

    replies = [bench.order(stop(f"S{n}")) for n in range(4)]
    assert [reply.code for reply in replies] == [ReplyCode.OK] * 3 + [ReplyCode.NOT_EXECUTED]
    # 10:00 in Shanghai is 15:45 of that Monday in Chatham; the next business day ends on Tuesday.
    assert replies[0].expires_at_us == from_iso("2026-03-04T00:00:00+13:45")
    notice = bench.measure("S0").notice
    assert notice is not None and notice.legal_basis.startswith("Invented act")


SHANGHAI = jurisdiction("CN").calendar
LONDON = jurisdiction("UK").calendar


@pytest.mark.parametrize(
    ("calendar", "start", "term", "end"),
    [
        (SHANGHAI, "2026-01-31T10:00:00+08:00", "P1M", "2026-02-28T10:00:00+08:00"),
        (SHANGHAI, "2027-08-31T10:00:00+08:00", "P6M", "2028-02-29T10:00:00+08:00"),
        (SHANGHAI, "2028-02-29T10:00:00+08:00", "P1Y", "2029-02-28T10:00:00+08:00"),
        (SHANGHAI, "2026-09-30T10:00:00+08:00", "P3BD", "2026-10-10T10:00:00+08:00"),
        (SHANGHAI, "2026-02-13T10:00:00+08:00", "P1BD", "2026-02-14T10:00:00+08:00"),
        (SHANGHAI, "2026-03-02T22:00:00+08:00", "P1D@SOD", "2026-03-03T00:00:00+08:00"),
        (SHANGHAI, "2026-03-02T16:30:00+00:00", "P1M", "2026-04-02T16:30:00+00:00"),
        (LONDON, "2026-03-28T12:00:00+00:00", "P1D", "2026-03-29T12:00:00+01:00"),
        (LONDON, "2026-03-28T12:00:00+00:00", "PT24H", "2026-03-29T13:00:00+01:00"),
        (LONDON, "2026-12-24T12:00:00+00:00", "P1BD", "2026-12-29T12:00:00+00:00"),
    ],
)
def test_terms_are_calendar_arithmetic_in_the_local_zone(
    calendar: Calendar, start: str, term: str, end: str
) -> None:
    assert calendar.add(from_iso(start), Term.parse(term)) == from_iso(end)


def test_ten_days_before_an_end_of_month_expiry() -> None:
    expiry = from_iso("2026-08-31T10:00:00+08:00")
    assert SHANGHAI.subtract(expiry, Term.parse("P10D")) == from_iso("2026-08-21T10:00:00+08:00")


@pytest.mark.parametrize("text", ["", "P", "PT", "48H", "P1W", "P1DT", "P1BD2D", "P-1D", "P1D@NOON"])
def test_a_text_that_is_no_term_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a term"):
        Term.parse(text)


def test_a_timer_of_two_days_is_not_two_calendar_days_across_a_clock_change() -> None:
    start = from_iso("2026-10-24T12:00:00+01:00")
    assert LONDON.add(start, Term.parse("PT48H")) - start == 48 * HOUR
    assert LONDON.add(start, Term.parse("P2D")) - start == 49 * HOUR
