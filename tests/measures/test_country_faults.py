"""Country files that cannot be meant: the cause is named by line, nothing hangs, nothing passes."""

import re
import shutil
from pathlib import Path

import pytest

from measures.authority.people import together_fault
from measures.law import notices
from measures.law.country_file import FOLDER, Laws, load, read_laws
from schemas.errors import ConfigError

#: After this line of China's file more of its calendar may stand.
ZONE = "zone: Asia/Shanghai\n"

#: What stands in Britain's file.
SPLIT, METHODS = "split_percent: [50, 50]", "methods: [DIRECT, LIBR_FIFO, PRO_RATA]"
SHARES, GRADES = "refund[0].reimbursement.split_percent", "grades: {4: critical, 3: high, 2: medium, 1: low}"


def write(tmp_path: Path, country: str, *replacements: tuple[str, str]) -> Path:
    text = (FOLDER / f"{country}.yaml").read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / f"{country}.yaml"
    path.write_text(text)
    return path


def fault(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert re.match(rf"{path.name}:\d+: ", message), message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("country", "old", "new", "place", "says"),
    [
        ("kr", 'hotline: "1332"', "hotline: 1332", "warning[0].hotline", "put it in quotes"),
        ("uk", "resend_after: PT1M", "resend_after: PT30S", "messages[0].resend_after", "is not a term"),
        ("uk", "four_eyes_from: 10000 GBP", "four_eyes_from: 10,000 GBP", "people[0]", "amount"),
        ("uk", "currency: GBP", "currency: JPY", "minor_digits", "JPY has 0 decimals"),
        ("uk", "minor_digits: 2", "minor_digits: 3", "minor_digits", "GBP has 2 decimals"),
        ("uk", "currency: GBP", "currency: GBX", "currency", "no currency of ISO 4217"),
        ("uk", "languages: [en]", "languages: [no]", "languages[0]", "there are no words in 'no'"),
        ("uk", "since: 2018-01-31", "since: 2018-02-30", "freeze[0].since", "is not a date"),
        ("uk", "since: 2018-01-31", "since: 2018", "freeze[0].since", "is not a date"),
        ("uk", "timezone: Europe/London", "timezone: localtime", "timezone", "is not an IANA time zone"),
        ("uk", "needs_case: false", "needs_case: no", "freeze[0].needs_case", "true or false"),
        ("cn", ZONE, ZONE + "weekend: [6, 7]\n", "weekend[1]", "less than or equal"),
        ("cn", ZONE, ZONE + "weekend: [-1, 5]\n", "weekend[0]", "greater than"),
        ("cn", ZONE, ZONE + "weekend: [5, 5]\n", "weekend", "stands twice"),
        (
            "cn", ZONE, ZONE + "weekend: [0, 1, 2, 3, 4, 5, 6]\n", "weekend",
            "at most 3",
        ),
        ("uk", SPLIT, "split_percent: [150, -50]", SHARES + "[0]", ""),
        ("uk", SPLIT, "split_percent: [60, 50]", SHARES, "100"),
        ("uk", SPLIT, "split_percent: []", SHARES, "100"),
        ("uk", "term: P6M", "term: P0D", "freeze[0].term", "has no length"),
        ("uk", "term: P6M", "term: P0BD", "freeze[0].term", "has no length"),
        ("uk", "term: P6M", "term: PT0S", "freeze[0].term", "is not a term"),
        ("uk", "term: P6M", "term: P99999Y", "freeze[0].term", "longer than 50 years"),
        ("uk", "term: P6M", f"term: P{'9' * 5000}D", "freeze[0].term", "longer than 50 years"),
        ("uk", "max_times: 4", "max_times: 0", "freeze[0].max_times", "greater than or equal to 1"),
        ("uk", "max_times: 4", "max_times: -1", "freeze[0].max_times", "greater than or equal to 1"),
        ("uk", METHODS, "methods: []", "refund[0].methods", "PRO_RATA"),
        ("uk", METHODS, "methods: [DIRECT]", "refund[0].methods", "PRO_RATA"),
        ("uk", "actors: [COURT]", "actors: []", "freeze[0].actors", "at least 1"),
        ("uk", "actors: [COURT]", "actors: [COURT, COURT]", "freeze[0].actors", "stands twice"),
        ("uk", "FREEZE: P7M, ", "", "messages[0].remember", "FREEZE is missing"),
        ("uk", ", QUERY: P14D", "", "messages[0].remember", "QUERY is missing"),
        ("uk", "QUERY: P14D", "QUERY: P1D", "messages[0].remember.QUERY", "would be forgotten"),
        ("uk", "id: UK", "id: CN", "id", "the file is called uk.yaml"),
        ("uk", "hop_limit: 3", "hop_limit: 0", "tracing[0].hop_limit", "greater than"),
        ("uk", GRADES, "grades: {4: critical}", "warning[0].grades", "4"),
        ("uk", "calendar: {country: GB", "calendar: {country: ZZ", "calendar", "has no calendar"),
        ("uk", "subdivision: ENG", "subdivision: XYZ", "calendar", "has no calendar"),
        ("uk", "starts: RECEIPT", "starts: SOMETIME", "hold.payer_delay[0].starts", "use"),
        ("cn", "renew_before: P10D", "renew_before: P8M", "freeze[1].renew_before", "nobody could renew"),
        ("cn", "after: P3M", "after: P7M", "freeze[1].verify[1].after", "would never run out"),
        ("cn", "functions: [NON_COUNTER]", "functions: [NAPS]", "restrict.NO_TRANSACTION_6M", "no name"),
        ("cn", "      en: Yinfa [2019] 85\n", "", "listing[1].basis", "needs a text in 'en'"),
    ],
)  # fmt: skip
def test_a_country_file_that_cannot_be_meant_names_the_cause(  # noqa: PLR0917
    tmp_path: Path, country: str, old: str, new: str, place: str, says: str
) -> None:
    message = fault(write(tmp_path, country, (old, new)))
    assert f": {place}" in message
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("id: UK\n", "id: UK\n<<: {name: x}\n", "write its keys out"),
        ("id: UK\n", "id: !text UK\n", "write plain YAML"),
        ("languages: [en]", "languages: &l [en]\nspoken: *l", "write the value out"),
        ("report_channels: [", f"report_channels: {'[' * 5_000}", "nested more than"),
        ("name: United Kingdom", "name: United Kingdom\nname: England", "stands twice"),
    ],
)
def test_a_trick_of_yaml_is_refused_and_nothing_hangs(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in fault(write(tmp_path, "uk", (old, new)))


def test_every_shipped_file_survives_its_own_dry_run() -> None:
    assert {load(path).id.lower() for path in FOLDER.glob("*.yaml")} == {
        path.stem for path in FOLDER.glob("*.yaml")
    }


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("until: Until {until}.", "until: Until {until!r}.", "until", "holds {until}"),
        ("until: Until {until}.", 'until: "Until {until:>1000000000}."', "until", "holds {until}"),
        ("until: Until {until}.", "until: Until {until.__class__}.", "until", "holds {until.__class__}"),
        ("until: Until {until}.", "until: Until {then}.", "until", "holds {then}"),
        ("until: Until {until}.", "until: Until {until.", "until", "a name only"),
        ("  LISTED: An authority has", "  LISTD: An authority has", "reasons.LISTED", "needs a text"),
        ("language: en", "language: fr", "language", "the file is called en.yaml"),
        ("machine_made: false", "machine_made: maybe", "machine_made", "true or false"),
    ],
)
def test_words_that_cannot_be_filled_in_are_refused_by_line(
    tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    path = write(tmp_path, "uk")
    (tmp_path / "words").mkdir()
    text = (FOLDER / "words/en.yaml").read_text()
    assert old in text
    (tmp_path / "words/en.yaml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=r"words/en\.yaml:\d+: ") as caught:
        load(path)
    assert f": {place}: " in str(caught.value) and says in str(caught.value)


def test_an_owners_country_is_two_files_in_a_folder_of_its_own(tmp_path: Path) -> None:
    country = (FOLDER / "uk.yaml").read_text().replace("id: UK", "id: XX").replace("[en]", "[tlh]")
    country = country.replace("    en: Cancel it", "    tlh: Qap").replace("GBP", "XXD")
    (tmp_path / "xx.yaml").write_text(country)
    (tmp_path / "words").mkdir()
    words = (FOLDER / "words/en.yaml").read_text().replace("language: en", "language: tlh")
    (tmp_path / "words/tlh.yaml").write_text(words)

    laws = read_laws(tmp_path)

    assert notices.notice(laws.of("XX"), "SCAM_SUSPECTED", "Invented act", "tlh").language == "tlh"
    assert laws.of("UK").id == "UK"
    with pytest.raises(ConfigError, match=r"use one of AU, BR, CN, .* UK, US, VN, XX"):
        laws.of("ZZ")


def test_an_owners_file_of_a_shipped_country_stands_in_for_it(tmp_path: Path) -> None:
    write(tmp_path, "uk", ("name: United Kingdom", "name: Our reading of the United Kingdom"))
    assert read_laws(tmp_path).of("UK").name == "Our reading of the United Kingdom"
    assert Laws().of("UK").name == "United Kingdom"


def test_an_owner_says_from_how_many_accounts_at_once_two_people_decide(tmp_path: Path) -> None:
    line = "four_eyes_from: 10000 GBP"
    write(tmp_path, "uk", (line, f"{line}\n    four_eyes_accounts: 3"))
    own, shipped = (laws.of("UK").on(1_760_000_000_000_000) for laws in (read_laws(tmp_path), Laws()))

    assert [together_fault(("a",), n, 0, own) is None for n in (2, 3)] == [True, False]
    assert together_fault(("a", "b"), 3, 0, own) is None
    assert together_fault(("a",), 3, 0, shipped) is None
    assert together_fault(("a",), 1, 1_000_000, shipped) is not None
    assert "greater than or equal to 2" in fault(
        write(tmp_path, "uk", (line, f"{line}\n    four_eyes_accounts: 1"))
    )


@pytest.mark.parametrize("country", ["", "X", "../cn", "cn", "C" * 300, "CN\n", "ZZ"])
def test_a_jurisdiction_that_is_no_id_is_refused_in_one_sentence(country: str) -> None:
    with pytest.raises(ConfigError, match="has no country file; use one of") as caught:
        Laws().of(country)
    assert len(str(caught.value)) < 200


def test_a_folder_without_country_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no country file"):
        read_laws(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        read_laws(tmp_path / "none")
    shutil.copy(FOLDER / "uk.yaml", tmp_path / "uk.yaml")
    assert set(read_laws(tmp_path).own) == {"UK"}
