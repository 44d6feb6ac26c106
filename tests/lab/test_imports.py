"""A bank's table becomes payments and labels, and what does not is told with its reason."""

import gzip
import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.lab.imports.converting import FEEDBACK, Report, convert, payments_of
from console.lab.imports.mapping import MAPS, load
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from schemas.token_recipe import token
from tests.lab.layouts import LAYOUTS, ROWS, write

SECRET = bytes(range(32))
MINIMAL = """
table: {format: csv}
fields:
  txn_id: {column: id}
  accepted_at_us: {column: at, unit: text}
  amount_minor: {column: amount, unit: major}
  currency: {column: ccy}
  debtor: {column: from, token: PARTY}
  debtor_account: {column: from, token: ACCOUNT}
  creditor_account: {column: to, token: ACCOUNT}
"""
HEAD = "id,at,amount,ccy,from,to"


def imported(tmp_path: Path, *rows: str, mapping: str = MINIMAL, head: str = HEAD) -> tuple[Report, Path]:
    (tmp_path / "map.yaml").write_text(mapping)
    (tmp_path / "table.csv").write_text("\n".join((head, *rows)) + "\n")
    report = convert(load(str(tmp_path / "map.yaml")), tmp_path / "table.csv", tmp_path / "out", SECRET)
    return report, tmp_path / "out"


def test_every_map_has_a_layout_here() -> None:
    assert {path.stem for path in MAPS.glob("*.yaml")} == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_ready_map_takes_every_row_of_its_layout(layout: str, tmp_path: Path) -> None:
    table = write(tmp_path, layout)

    report = convert(load(layout), table, tmp_path / "out", SECRET)

    assert (report.rows, report.payments, dict(report.refused)) == (ROWS, ROWS, {})
    assert report.labels.total() == ROWS // 10
    payments = payments_of(tmp_path / "out")
    at_us = payments["accepted_at_us"].to_pylist()
    assert at_us == sorted(at_us)
    labels = [msgspec.json.decode(line, type=Feedback) for line in (tmp_path / "out" / FEEDBACK).open("rb")]
    assert {label.txn_id for label in labels} <= set(payments["txn_id"].to_pylist())


def test_amounts_are_minor_units_of_their_currency_and_times_are_utc(tmp_path: Path) -> None:
    _, out = imported(
        tmp_path, "a,2026-01-01T01:00:00+01:00,12.34,EUR,p,q", "b,2026-01-01T00:00:01Z,500,JPY,p,q"
    )

    payments = payments_of(out)

    assert payments["amount_minor"].to_pylist() == [1234, 500]
    assert payments["accepted_at_us"].to_pylist() == [1_767_225_600_000_000, 1_767_225_601_000_000]


def test_tokens_are_those_of_the_recipe_whatever_the_spelling(tmp_path: Path) -> None:
    _, out = imported(tmp_path, "a,2026-01-01,1,EUR,ab-12,q", "b,2026-01-02,1,EUR,AB 12,q")

    assert payments_of(out)["debtor_account"].to_pylist() == [token(SECRET, "ACCOUNT", "AB12")] * 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,yesterday,1,EUR,p,q", "accepted_at_us: cannot be read"),
        ("a,,1,EUR,p,q", "accepted_at_us: none"),
        ("a,2026-01-01,-1,EUR,p,q", "amount_minor: cannot be read"),
        ("a,2026-01-01,1e30,EUR,p,q", "amount_minor: cannot be read"),
        ("a,2026-01-01,nan,EUR,p,q", "amount_minor: none"),
        ("a,2026-01-01,1,eur,p,q", "currency: cannot be read"),
        ("a,2026-01-01,1,EUR,,q", "debtor: none"),
        ("a b,2026-01-01,1,EUR,p,q", "txn_id: cannot be read"),
        ("good,2026-01-01,1,EUR,p,q", "txn_id: came before"),
    ],
)
def test_a_row_that_is_no_payment_is_counted_under_its_reason(row: str, reason: str, tmp_path: Path) -> None:
    report, out = imported(tmp_path, "good,2026-01-01,1,EUR,p,q", row)

    assert (dict(report.refused), report.first_refused) == ({reason: 1}, {reason: 2})
    assert payments_of(out).num_rows == 1
    assert json.loads((out / "import.json").read_text())["refused"] == {reason: 1}


def test_an_optional_field_that_cannot_be_read_is_absent_and_counted(tmp_path: Path) -> None:
    mapping = MINIMAL + "  payee_added_at_us: {column: since, unit: text}\n"

    report, out = imported(
        tmp_path, "a,2026-01-01,1,EUR,p,q,soon", "b,2026-01-02,1,EUR,p,q,2025-12-31",
        mapping=mapping, head=HEAD + ",since",
    )  # fmt: skip

    assert (report.payments, report.unread["payee_added_at_us"], report.found["payee_added_at_us"]) == (
        2,
        1,
        1,
    )
    assert payments_of(out)["payee_added_at_us"].to_pylist() == [-1, 1_767_139_200_000_000]


def test_times_in_the_wrong_unit_and_after_today_are_no_payments(tmp_path: Path) -> None:
    mapping = MINIMAL.replace("unit: text", "unit: microseconds")
    rows = [f"{number},{at},1,EUR,p,q" for number, at in enumerate([1767225600000, 1767225600000000, 2**52])]

    report, _ = imported(tmp_path, *rows, mapping=mapping)

    assert (report.payments, dict(report.refused)) == (
        1,
        {
            "accepted_at_us: before 2000, check unit and since": 1,
            "accepted_at_us: after today, check unit, since and zone": 1,
        },
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("txn_id: {column: id}", "txnid: {column: id}"), "no field 'txnid' of a payment"),
        (("  currency: {column: ccy}\n", ""), "field currency is required"),
        (("unit: major", "unit: hours"), "amount_minor takes unit: minor (cents) or major (euros)"),
        (("from, token: ACCOUNT", "from, token: IBANN"), "no scheme 'IBANN'"),
        (("{column: to, token: ACCOUNT}", "{column: to}"), "creditor_account takes token"),
        (("column: ccy", "column: currency"), "no column 'currency'"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_in_a_sentence(
    change: tuple[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", r"\(").replace(")", r"\)")):
        imported(tmp_path, "a,2026-01-01,1,EUR,p,q", mapping=MINIMAL.replace(*change))


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_same_rows_in_another_format_give_the_same_payments(format: str, tmp_path: Path) -> None:
    rows = ["a,2026-01-01,1.50,EUR,p,q", "b,2026-01-02,2,EUR,q,p"]
    _, out = imported(tmp_path, *rows)
    cells = [dict(zip(HEAD.split(","), row.split(","), strict=True)) for row in rows]
    (tmp_path / "map2.yaml").write_text(MINIMAL.replace("csv", format))
    table = tmp_path / f"table.{format}"
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(cells), table)
    else:
        table.write_text("".join(json.dumps(row) + "\n" for row in cells))

    convert(load(str(tmp_path / "map2.yaml")), table, tmp_path / "out2", SECRET)

    assert payments_of(tmp_path / "out2").equals(payments_of(out))


@pytest.mark.parametrize(
    ("how", "written", "minor"),
    [
        ('decimal: ","', "1.234,56", 123456), ('decimal: ","', "12,5", 1250),
        ('decimal: ","', "1 234,56", 123456),
        ('decimal: "."', "1,234.56", 123456), ('decimal: "."', "1'234'567.80", 123456780),
        ("minus: paid", "-12.50", 1250), ('decimal: ",", minus: paid', "-1.234.567,89", 123456789),
    ],
)  # fmt: skip
def test_amounts_are_read_as_they_are_written_there(
    tmp_path: Path, how: str, written: str, minor: int
) -> None:
    mapping = MINIMAL.replace("unit: major", f"unit: major, {how}")
    _, out = imported(tmp_path, f't1,2026-03-02T10:00:00Z,"{written}",EUR,a,b', mapping=mapping)
    assert payments_of(out)["amount_minor"].to_pylist() == [minor]


@pytest.mark.parametrize(
    ("how", "written"),
    [
        ("minus: paid", "12.50"),
        ('decimal: ","', "12.50"),
        ('decimal: "."', "12,50"),
        ('decimal: "."', "1,23,4.5"),
    ],
)
def test_an_amount_that_is_written_otherwise_is_refused(tmp_path: Path, how: str, written: str) -> None:
    mapping = MINIMAL.replace("unit: major", f"unit: major, {how}")
    rows = (f't1,2026-03-02T10:00:00Z,"{written}",EUR,a,b', 't2,2026-03-02T10:00:00Z,"-1",EUR,a,b',
            't3,2026-03-02T10:00:00Z,"1",EUR,a,b')  # fmt: skip
    report, _ = imported(tmp_path, *rows, mapping=mapping)
    assert report.first_refused["amount_minor: cannot be read"] == 1


def test_serial_days_and_days_first_are_times(tmp_path: Path) -> None:
    serial = MINIMAL.replace("unit: text", 'unit: days, since: "1899-12-30"')
    _, out = imported(tmp_path, "t1,46083.4375,1,EUR,a,b", mapping=serial)
    (tmp_path / "b").mkdir()
    first = MINIMAL.replace("unit: text", 'unit: text, format: "%d/%m/%Y %H:%M"')
    _, other = imported(tmp_path / "b", "t1,02/03/2026 10:30,1,EUR,a,b", mapping=first)
    assert payments_of(out)["accepted_at_us"].to_pylist() == payments_of(other)["accepted_at_us"].to_pylist()


EXPORT = """
table: {format: csv, separator: ";"}
fields:
  txn_id: {column: Buchungsnr}
  accepted_at_us: {column: Buchungszeit, unit: text, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
  amount_minor: {column: Betrag, unit: major, decimal: ",", minus: paid}
  currency: {column: Währung}
  debtor: {column: Kunde, token: PARTY}
  debtor_account: {column: Konto, token: IBAN}
  creditor_account: {column: Gegenkonto, token: IBAN}
"""
BANK_EXPORT = """Buchungsnr;Buchungszeit;Betrag;Währung;Kunde;Konto;Gegenkonto
B1;02.11.2026 00:30;"-1.234,56";EUR;K1;DE89 3704 0044 0532 0130 00;GB82WEST12345698765432

B1;02.11.2026 00:30;"-1.234,56";EUR;K1;DE89370400440532013000;GB82WEST12345698765432
B2;02.11.2026 00:31;"25,00";EUR;K1;DE89370400440532013000;GB82WEST12345698765432
B3;02.11.2026 00:32;"-5,00";DEM;K1;DE89370400440532013000;GB82WEST12345698765432
"""


def exported(tmp_path: Path, mapping: str, encoding: str) -> Report:
    (tmp_path / "map.yaml").write_text(mapping, encoding="utf-8")
    with gzip.open(tmp_path / "export.csv.gz", "wt", encoding=encoding, newline="") as file:
        file.write(BANK_EXPORT.replace("\n", "\r\n"))
    return convert(load(str(tmp_path / "map.yaml")), tmp_path / "export.csv.gz", tmp_path / "out", SECRET)


@pytest.mark.parametrize(("encoding", "said"), [("utf-8-sig", "utf-8"), ("cp1252", "cp1252")])
def test_a_packed_export_of_a_bank_is_read_and_says_what_its_refused_rows_have_to_be(
    tmp_path: Path, encoding: str, said: str
) -> None:
    mapping = EXPORT.replace('separator: ";"', f'separator: ";", encoding: {said}')

    report = exported(tmp_path, mapping, encoding)

    assert payments_of(tmp_path / "out")["amount_minor"].to_pylist() == [123_456]
    assert payments_of(tmp_path / "out")["accepted_at_us"].to_pylist() == [1_793_575_800_000_000]
    assert set(report.refused) == {
        "txn_id: came before", "amount_minor: cannot be read", "currency: cannot be read"
    }  # fmt: skip
    assert [remark.partition(" has to be ")[2] for remark in sorted(report.remarks)] == [
        "an amount above 0, its fraction after ',', with a minus: one without is money that comes "
        "(`minus: paid`); there it is written like '99,99': leave out what comes, by `keep` if a column "
        "tells it",
        "a code of ISO 4217 in use; others are mapped with `words`; there it is 'DEM'",
    ]


def test_a_file_in_another_encoding_or_with_another_separator_says_which_to_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not written in utf-8 .* table: \{encoding: cp1252\}"):
        exported(tmp_path, EXPORT, "cp1252")
    with pytest.raises(ConfigError, match="its separator seems to be ';'"):
        exported(tmp_path, EXPORT.replace('separator: ";"', 'separator: ","'), "utf-8")
