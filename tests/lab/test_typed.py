"""`stopline import` of tables whose values have types: Parquet and JSON Lines."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.lab.imports.converting import Report, convert, payments_of
from console.lab.imports.mapping import load
from schemas.errors import ConfigError
from schemas.token_recipe import token

SECRET = b"0" * 32
MAPPING = """
table: {{format: {format}}}
fields:
  txn_id: {{column: id}}
  accepted_at_us: {{column: at, unit: text}}
  amount_minor: {{column: amount, unit: major}}
  currency: {{constant: EUR}}
  debtor: {{column: from.customer, token: PARTY}}
  debtor_account: {{column: from.account, token: ACCOUNT}}
  creditor_account: {{column: to, token: ACCOUNT}}
  channel: {{column: channel}}
label: {{column: fraud, scam: [{scam}], known_after_days: {days}}}
"""
PLAIN = {
    "id": 10**17 + 1, "at": "2026-01-01T00:00:00Z", "amount": 12.5,
    "from": {"customer": 7.0, "account": 1001}, "to": 2**60 + 1, "channel": None, "fraud": True,
}  # fmt: skip


def imported(
    tmp_path: Path, rows: list[dict[str, Any]], format: str, scam: str = "True"
) -> tuple[Report, Path]:
    (tmp_path / "map.yaml").write_text(MAPPING.format(format=format, scam=scam, days=7))
    table = tmp_path / "table"
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), table)
    else:
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return convert(load(str(tmp_path / "map.yaml")), table, tmp_path / "out", SECRET), tmp_path / "out"


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_numbers_of_accounts_become_the_tokens_of_their_digits_though_some_are_lacking(format, tmp_path):
    rows = [PLAIN, {**PLAIN, "id": 2, "to": 2**60 + 3, "from": {"customer": 7, "account": None}}]

    report, out = imported(tmp_path, rows, format)

    assert dict(report.refused) == {"debtor_account: none": 1}
    payments = payments_of(out)
    assert payments["txn_id"].to_pylist() == [str(10**17 + 1)]
    assert payments["debtor"].to_pylist() == [token(SECRET, "PARTY", "7")]
    assert payments["debtor_account"].to_pylist() == [token(SECRET, "ACCOUNT", "1001")]
    assert payments["creditor_account"].to_pylist() == [token(SECRET, "ACCOUNT", str(2**60 + 1))]
    assert payments["amount_minor"].to_pylist() == [1250]
    assert report.labels == {"SCAM": 1}


@pytest.mark.parametrize(("held", "scam"), [(1, "1"), (1.0, "1"), (True, "True"), ("yes", "yes"), ("1", "1")])
def test_a_label_is_named_in_the_mapping_as_it_stands_in_the_table_without_quotes(held, scam, tmp_path):
    report, _ = imported(tmp_path, [{**PLAIN, "fraud": held}], "parquet", scam)

    assert report.labels == {"SCAM": 1}


def test_a_number_of_a_mapping_is_still_a_number(tmp_path):
    (tmp_path / "map.yaml").write_text(MAPPING.format(format="csv", scam="1", days=2.5))

    assert load(str(tmp_path / "map.yaml")).label.known_after_days == 2.5

    (tmp_path / "map.yaml").write_text(MAPPING.format(format="csv", scam="1", days="soon"))
    with pytest.raises(ConfigError, match=r"map.yaml:12: label.known_after_days: Expected `float`"):
        load(str(tmp_path / "map.yaml"))


def test_optional_fields_are_counted_among_payments_alone(tmp_path):
    rows = [{**PLAIN, "channel": "MOBILE"}] * 3

    report, _ = imported(tmp_path, rows, "jsonl")

    assert (report.payments, report.found["channel"]) == (1, 1)


def test_an_optional_field_may_be_absent_from_every_line_but_some(tmp_path, monkeypatch):
    monkeypatch.setattr("console.lab.imports.reading.BLOCK_ROWS", 1)
    bare = {name: value for name, value in PLAIN.items() if name != "channel"}

    report, _ = imported(tmp_path, [{**PLAIN, "channel": "MOBILE"}, {**bare, "id": 2}], "jsonl")

    assert (report.payments, report.found["channel"]) == (2, 1)


def test_text_kept_as_bytes_is_read_and_bytes_that_are_no_text_are_said(tmp_path):
    _, out = imported(tmp_path, [{**PLAIN, "to": b"DE12"}], "parquet")
    assert payments_of(out)["creditor_account"].to_pylist() == [token(SECRET, "ACCOUNT", "DE12")]

    folder = tmp_path / "bytes"
    folder.mkdir()
    with pytest.raises(ConfigError, match="is not written in utf-8"):
        imported(folder, [{**PLAIN, "to": b"\xff\0"}], "parquet")


def test_decimals_and_nested_values_are_written_out(tmp_path):
    report, out = imported(tmp_path, [{**PLAIN, "amount": Decimal("100000000.10")}], "parquet")

    assert payments_of(out)["amount_minor"].to_pylist() == [10_000_000_010]
    assert report.payments == 1


@pytest.mark.parametrize("line", ['{"id": 1', "[1]", '"text"', "[" * 100_000])
def test_a_line_that_holds_no_object_is_named(line, tmp_path):
    (tmp_path / "map.yaml").write_text(MAPPING.format(format="jsonl", scam="1", days=7))
    (tmp_path / "table.jsonl").write_text(json.dumps(PLAIN) + "\n" + line + "\n")

    with pytest.raises(ConfigError, match="line 2"):
        convert(load(str(tmp_path / "map.yaml")), tmp_path / "table.jsonl", tmp_path / "out", SECRET)
