"""Files of ISO 20022 become payments and labels, to train and to evaluate with."""

from pathlib import Path

import msgspec
import pytest

from console.lab.imports.converting import FEEDBACK, Report, payments_of
from console.lab.imports.messages import convert
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from tests.command import command
from tests.iso20022 import UETR, Transfer, camt056, document, pacs002, pacs004, pacs008, pain001

SECRET = bytes(range(32))


def imported(tmp_path: Path, *messages: bytes) -> tuple[Report, list[Feedback], list[str]]:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, message in enumerate(messages):
        (folder / f"{number}.xml").write_bytes(message)
    report = convert(folder, tmp_path / "out", SECRET, "Europe/London")
    labels = [msgspec.json.decode(line, type=Feedback) for line in (tmp_path / "out" / FEEDBACK).open("rb")]
    return report, labels, payments_of(tmp_path / "out")["txn_id"].to_pylist()


def test_transfers_become_payments_and_what_recalls_them_for_fraud_their_labels(tmp_path: Path) -> None:
    old = Transfer(uetr="", txn_id="TX-9", accepted="2026-03-01T10:00:00Z")
    report, labels, ids = imported(tmp_path, pacs008(), camt056(), pacs008(old, version=4), pacs002())

    assert ids == ["TX-9", UETR]
    assert [(label.txn_id, label.verdict, label.known_at_us) for label in labels] == [
        (UETR, "SCAM", 1_772_616_000_000_000)
    ]
    assert (report.payments, report.labels, dict(report.refused), report.left_out) == (2, {"SCAM": 1}, {}, 1)


def test_the_first_of_recall_and_return_says_when_it_was_known(tmp_path: Path) -> None:
    _, labels, _ = imported(tmp_path, pacs004(), camt056(), pacs008())
    assert [label.known_at_us for label in labels] == [1_772_616_000_000_000]


def test_a_recall_by_transaction_id_finds_its_payment(tmp_path: Path) -> None:
    _, labels, _ = imported(tmp_path, pacs008(version=4), camt056(version=4))
    assert [label.txn_id for label in labels] == ["TX-1"]


def test_a_recall_of_a_payment_that_is_not_here_is_told(tmp_path: Path) -> None:
    other = camt056(("0" * 8 + UETR[8:],)).replace(b"E2E-1", b"E2E-7")
    report, labels, _ = imported(tmp_path, pacs008(), other)
    assert (labels, [*report.refused]) == ([], ["recall or return of a payment that is not here"])


def test_a_recall_that_is_no_fraud_labels_nothing(tmp_path: Path) -> None:
    report, labels, _ = imported(tmp_path, pacs008(), camt056(reason="DUPL"))
    assert (labels, report.left_out) == ([], 1)


def test_what_cannot_be_read_is_told_with_file_or_element(tmp_path: Path) -> None:
    report, _, ids = imported(
        tmp_path, pacs008(), b"<a>", document("camt.053", 8, "BkToCstmrStmt", "<a/>"),
        pain001(Transfer(uetr="", amount="1,5")), pacs008(),
    )  # fmt: skip
    assert ids == [UETR]
    said = "\n".join(report.refused)
    for part in (
        "1.xml: the message is no XML",
        "2.xml: camt.053 is not read",
        "/Amt/InstdAmt`",
        "came before",
    ):
        assert part in said


def test_a_folder_without_a_payment_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file that ends in \.xml"):
        imported(tmp_path)
    (tmp_path / "in" / "a.xml").write_bytes(camt056())
    with pytest.raises(ConfigError, match="became a payment"):
        convert(tmp_path / "in", tmp_path / "out", SECRET, "UTC")


def test_the_command_imports_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(pacs008())
    done = command(
        "import", "iso20022", tmp_path / "a.xml", "--out", tmp_path / "out", "--keys", tmp_path / "k"
    )
    assert done.exit_code == 0, done.stderr
    assert "1 payments" in done.stdout
