"""Mistakes of a first afternoon, each in a table of a bank: `stopline import` names the mend of each."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from console.lab.imports.converting import Report, convert
from console.lab.imports.mapping import load
from schemas.errors import ConfigError

SECRET = bytes(range(32))
MAPPING = """
table: {format: csv, separator: ";"}
fields:
  txn_id: {column: Ref}
  accepted_at_us: {column: Zeit, unit: text, format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin}
  amount_minor: {column: Betrag, unit: major, decimal: ","}
  currency: {column: Whrg}
  debtor: {column: Kunde, token: PARTY}
  debtor_account: {column: Konto, token: ACCOUNT}
  creditor_account: {column: Gegenkonto, token: ACCOUNT}
  payee_check: {column: Name, words: {ja: MATCH, nein: NO_MATCH}}
label: {column: Befund, scam: [Betrug], known_after_days: 7}
"""
NAMES = ["Ref", "Zeit", "Betrag", "Whrg", "Kunde", "Konto", "Gegenkonto", "Name", "Befund"]
ROWS = 60

Row = dict[str, str]


def good_row(number: int) -> Row:
    draw = random.Random(number)
    customer = draw.randint(100, 120)
    day, rest = number % 28 + 1, draw.randint(0, 86_399)
    return {
        "Ref": f"T{number}",
        "Zeit": f"{day:02}.03.2026 {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}",
        "Betrag": f"{draw.randint(1, 9)}.{draw.randint(100, 999)},{draw.randint(10, 99)}",
        "Whrg": "EUR",
        "Kunde": f"K{customer}",
        "Konto": f"{customer}-1",
        "Gegenkonto": f"{draw.randint(700, 720)}",
        "Name": draw.choice(("ja", "nein")),
        "Befund": "Betrug" if number % 10 == 0 else "",
    }


def file_of(rows: list[Row], separator: str = ";") -> str:
    return (
        "\n".join([separator.join(NAMES), *(separator.join(row[name] for name in NAMES) for row in rows)])
        + "\n"
    )


def imported(folder: Path, text: str | bytes, mapping: str = MAPPING, labels: str = "") -> Report:
    (folder / "map.yaml").write_text(mapping, encoding="utf-8")
    table, told = folder / "export.csv", folder / "labels.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    if labels:
        told.write_text(labels)
    return convert(load(str(folder / "map.yaml")), table, folder / "out", SECRET, told if labels else None)


def said(folder: Path, text: str | bytes, mapping: str = MAPPING, labels: str = "") -> str:
    """What is said of a table, whether anything of it became a payment or not."""
    try:
        report = imported(folder, text, mapping, labels)
    except ConfigError as error:
        return str(error)
    return "\n".join([*report.refused, *report.remarks])


class Mistake(NamedTuple):
    """A table and a mapping of which one is wrong, and what has to be said."""

    what: str
    says: tuple[str, ...]
    row: Callable[[Row], Row] = lambda row: row
    table: Callable[[str], str | bytes] = lambda text: text
    mapping: Callable[[str], str] = lambda mapping: mapping


def put(name: str, value: str) -> Callable[[Row], Row]:
    return lambda row: row | {name: value}


def each(name: str, change: Callable[[str], str]) -> Callable[[Row], Row]:
    return lambda row: row | {name: change(row[name])}


def instead(old: str, new: str) -> Callable[[str], str]:
    def replaced(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return replaced


def day_and_month(text: str) -> str:
    day, month, rest = text.split(".", 2)
    return f"{month}.{day}.{rest}"


ISO = instead(', format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin', "")

MISTAKES = [
    Mistake("major units said to be minor", ("amount_minor", "unit: major"),
            mapping=instead("unit: major", "unit: minor")),
    Mistake("minor units said to be major", ("is a multiple of 100",),
            each("Betrag", lambda text: text[:-3])),
    Mistake("whole units said to be minor", ("under 1 EUR", "multiply by 100"), put("Betrag", "12"),
            mapping=instead("unit: major", "unit: minor")),
    Mistake("times without a zone", ("names no time zone", "zone: Europe/Berlin"),
            mapping=instead(", zone: Europe/Berlin", "")),
    Mistake("a zone that is none", ("no time zone 'MEZ'", "Europe/Berlin"),
            mapping=instead("Europe/Berlin", "MEZ")),
    Mistake("amounts that leave have a minus", ("minus: paid",), each("Betrag", lambda text: f"-{text}")),
    Mistake("the minus stands behind", ("minus: paid",), each("Betrag", lambda text: f"{text}-")),
    Mistake("amounts below 0 in brackets", ("minus: paid",), each("Betrag", lambda text: f"({text})")),
    Mistake("money that comes among money that leaves", ("one without is money that comes",),
            mapping=instead('decimal: ","', 'decimal: ",", minus: paid')),
    Mistake("a decimal comma read as a point", ('decimal: ","',), mapping=instead(', decimal: ","', "")),
    Mistake("a decimal point read as a comma", ('decimal: "."',), put("Betrag", "1,234.56")),
    Mistake("an amount with its currency", ("without its currency",),
            each("Betrag", lambda text: f"€ {text}")),
    Mistake("amounts in words", ("in digits, not in words",), put("Betrag", "zwölf")),
    Mistake("amounts of nothing", ("no payment is of 0",), put("Betrag", "0,00")),
    Mistake("currencies in lower case", ("words: {eur: EUR}",), put("Whrg", "eur")),
    Mistake("currencies by their sign", ("words: {€: EUR}",), put("Whrg", "€")),
    Mistake("a currency that is none", ("a code of ISO 4217",), put("Whrg", "DEM")),
    Mistake("ids that come twice", ("txn_id: came before",), put("Ref", "T1")),
    Mistake("ids that are too long", ("txn_id", "1 to 36 printable"), each("Ref", lambda text: text * 20)),
    Mistake("ids a spreadsheet has shortened", ("shortened these numbers", "as text"),
            put("Ref", "1,23457 E+15"),
            ),
    Mistake("a column that is missing", ("no column 'Valuta'", "it has Ref, Zeit"),
            mapping=instead("Zeit", "Valuta")),
    Mistake("a column by nearly its name", ("'Gegenkonto' meant",),
            mapping=instead("Gegenkonto", "Gegen-Konto")),
    Mistake("accounts swapped", ("of several `debtor`s", "payer and payee are swapped"),
            lambda row: row | {"Konto": row["Gegenkonto"], "Gegenkonto": row["Konto"]}),
    Mistake("payer and payee swapped", ("pays 21 others", "payer and payee are swapped"),
            lambda row: row | {"Kunde": "S", "Konto": "S", "Gegenkonto": row["Konto"]}),
    Mistake("one account only", ("`debtor_account` is the same in all",), put("Konto", "1")),
    Mistake("an account for nobody", ("one `creditor_account` is in", "stands for nobody"),
            lambda row: row | ({"Gegenkonto": "0000"} if int(row["Ref"][1:]) % 2 else {})),
    Mistake("accounts that are nothing", ("creditor_account: none",), put("Gegenkonto", "NULL")),
    Mistake("an optional field that says nothing known", ("map with `words`", "to one of UNAVAILABLE, MATCH"),
            each("Name", lambda text: {"ja": "J", "nein": "N"}[text])),
    Mistake("IBANs that are none", ("with its check digits", "token: ACCOUNT"),
            mapping=instead("{column: Konto, token: ACCOUNT}", "{column: Konto, token: IBAN}")),
    Mistake("the names stand there twice", ("the names of the columns once more",),
            table=lambda text: text + text),
    Mistake("a total at the end", ("a total or a remark",), table=lambda text: text + ";;1.234,56;;;;;;\n"),
    Mistake("a title before the names", ("names seem to stand in line 3", "table: {skip: 2}"),
            table=lambda text: "Umsätze der Bank\n\n" + text),
    Mistake("no names", ("it has T0", "table: {names: [Ref, Zeit,"),
            table=lambda text: text.partition("\n")[2]),
    Mistake("another separator", ("separator seems to be ';'",),
            mapping=instead('separator: ";"', 'separator: ","')),
    Mistake("a value with the separator in it", ("line 4 has 10 values", "quote a value"),
            table=instead("T2;", "T2;x;")),
    Mistake("a value without a name", ("9 names of columns and 10 values", "name every column"),
            table=lambda text: text.replace("\n", ";x\n").replace(";x\n", "\n", 1)),
    Mistake("text in another encoding", ("encoding: cp1252",), put("Name", "Müller"),
            table=lambda text: str(text).encode("cp1252")),
    Mistake("names in another encoding", ("written in UTF-8", "leave `encoding` out"),
            table=instead("Whrg", "Währung"),
            mapping=lambda text: text.replace("Whrg", "Währung").replace('";"', '";", encoding: cp1252')),
    Mistake("text in UTF-16", ("encoding: utf-16",), table=lambda text: str(text).encode("utf-16")),
    Mistake("a workbook", ("save its sheet as CSV",), table=lambda text: b"PK\3\4" + bytes(99)),
    Mistake("an array of JSON", ("format: jsonl",), table=lambda text: '[{"Ref": "T1"}]'),
    Mistake("nothing", ("is empty",), table=lambda text: ""),
    Mistake("names and nothing else", ("it has none",), table=lambda text: text.partition("\n")[0] + "\n"),
    Mistake("months first", ('format: "%m.%d.%Y %H:%M:%S"', "other way round"), each("Zeit", day_and_month)),
    Mistake("dates of a country read as ISO 8601", ('format: "%d.%m.%Y %H:%M:%S"',), mapping=ISO),
    Mistake("hours of twelve", ('format: "%d.%m.%Y %I:%M:%S %p"',),
            each("Zeit", lambda text: f"{text[:11]}09:10:11 PM")),
    Mistake("serial days", ("serial days of Excel", 'since: "1899-12-30"'), put("Zeit", "46083.4375")),
    Mistake("numbers of a clock", ("these are milliseconds: unit: milliseconds",),
            put("Zeit", "1772442000000")),
    Mistake("text where a number is said to be", ("unit: text",), mapping=instead(
        'unit: text, format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin', "unit: seconds")),
    Mistake("numbers in another unit", ("these are milliseconds",),
            put("Zeit", "1772442000000"), mapping=instead(
        'unit: text, format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin', "unit: seconds")),
    Mistake("days instead of instants", ("falls on one time of day", "not only its day"),
            each("Zeit", lambda text: f"{text[:10]} 00:00:00")),
    Mistake("times to come", ("after today", "zone"), each("Zeit", instead("2026", "2036"))),
    Mistake("labels in other words", ("'fraud'", "label: {scam: ['fraud']}"),
            each("Befund", lambda text: "fraud" if text else "")),
    Mistake("a label without a scam", ("says of no value of 'Befund'",),
            mapping=instead("scam: [Betrug]", "legitimate: [ok]")),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.what for mistake in MISTAKES])
def test_a_mistake_is_named_with_its_mend(mistake: Mistake, tmp_path: Path) -> None:
    text = mistake.table(file_of([mistake.row(good_row(number)) for number in range(ROWS)]))

    told = said(tmp_path, text, mistake.mapping(MAPPING))

    assert [part for part in mistake.says if part not in told] == [], told


def test_a_good_table_is_taken_without_a_remark(tmp_path: Path) -> None:
    report = imported(tmp_path, file_of([good_row(number) for number in range(ROWS)]))

    assert (report.payments, dict(report.refused), report.remarks) == (ROWS, {}, [])
    assert report.labels["SCAM"] == ROWS // 10


APART = """label:
  {txn_id: Transaktion, column: Befund, scam: [Betrug], table: {separator: ","},
   known_at: {column: Erkannt, unit: text, format: "%Y-%m-%d", zone: Europe/Berlin}}
"""


def apart(mapping: str) -> str:
    return mapping.partition("label:")[0] + APART


def labels_of(*rows: str) -> str:
    return "\n".join(["Transaktion,Befund,Erkannt", *rows]) + "\n"


def test_labels_of_a_second_table_are_known_when_it_says(tmp_path: Path) -> None:
    report = imported(
        tmp_path, file_of([good_row(number) for number in range(ROWS)]), apart(MAPPING),
        labels_of("T3,Betrug,2026-04-20", "T4,offen,2026-04-20"),
    )  # fmt: skip

    assert (dict(report.labels), dict(report.labels_refused)) == ({"SCAM": 1}, {})
    assert '"known_at_us":1776636000000000' in (tmp_path / "out" / "feedback.jsonl").read_text()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["X1,Betrug,2026-04-20"], ("labels of no payment here: 1", "'Transaktion'")),
        (["T3,Betrug,2025-04-20"], ("older than their payments: 1", "zone")),
        (["T3,Betrug,bald"], ("known_at cannot be read: 1", "format")),
        (["T3,ja,2026-04-20"], ("no label: 'Befund' holds 'ja'",)),
    ],
)
def test_labels_of_a_second_table_that_are_none_are_named_with_their_mend(
    rows: list[str], says: tuple[str, ...], tmp_path: Path
) -> None:
    told = said(
        tmp_path, file_of([good_row(number) for number in range(ROWS)]), apart(MAPPING), labels_of(*rows)
    )

    assert [part for part in says if part not in told] == [], told


def test_a_table_of_labels_and_its_mapping_go_together(tmp_path: Path) -> None:
    rows = file_of([good_row(number) for number in range(ROWS)])

    assert "give the table of labels with --labels" in said(tmp_path, rows, apart(MAPPING))
    assert "label: {txn_id: …" in said(tmp_path, rows, MAPPING, labels_of("T3,Betrug,2026-04-20"))


def test_separators_at_the_ends_of_lines_are_no_matter(tmp_path: Path) -> None:
    names, *rows = file_of([good_row(number) for number in range(ROWS)]).splitlines()

    report = imported(tmp_path, "\n".join([names, *(f"{row};" for row in rows)]))

    assert (report.payments, report.remarks) == (ROWS, [])
