"""Wire contracts: JSON Schemas on disk, round trips, and the ISO 20022 recall messages."""

import json
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest

from measures.iso20022 import Original, payment_return, recall, resolution
from schemas.errors import SchemaError
from schemas.journal import JournalEntry
from schemas.stored import stored
from tests.measures.kit import T0, defrauded, entry_of, make_order


def test_orders_replies_and_the_journal_follow_their_schemas() -> None:
    bench = defrauded()
    stop = make_order("S1")
    reply = bench.order(stop)
    bench.order(make_order("F1", "FREEZE"))
    bench.order(make_order("L1", action="LIFT", original_order_no="S7"))
    entry = entry_of(bench, replies=(reply,))
    for name, records in (("order.v1", [stop, reply]), ("measure.v1", [entry])):
        validator = jsonschema.Draft202012Validator(stored(name))
        for record in records:
            validator.validate(json.loads(msgspec.json.encode(record)))
    assert msgspec.json.decode(msgspec.json.encode(entry), type=JournalEntry) == entry


ORIGINAL = Original(
    "MSG-1", "E2E-1", "TX-1", 123456, 2, "EUR", "2026-11-20", "ABCDDEFFXXX", "102100099996",
    uetr="eb6305c9-1f7f-49de-aed0-16487c27b42d", clearing_serial="CS-1",
)  # fmt: skip


def text(message: bytes, path: str) -> list[str | None]:
    root = ET.fromstring(message)
    namespace = root.tag.partition("}")[0] + "}"
    steps = "/".join(namespace + step for step in path.split("/"))
    return [found.text for found in root.findall(f".//{steps}")]


def test_a_recall_names_the_payment_the_reason_and_its_case() -> None:
    message = recall(ORIGINAL, reason="FRAD", case_id="case-1", created_us=T0, note="x" * 106)
    assert b"urn:iso:std:iso:20022:tech:xsd:camt.056.001.08" in message
    assert text(message, "CxlRsnInf/Rsn/Cd") == ["FRAD"]
    assert text(message, "Case/Id") == ["case-1"]
    assert text(message, "TxInf/OrgnlClrSysRef") == ["CS-1"]
    assert text(message, "OrgnlIntrBkSttlmAmt") == ["1234.56"]
    assert [len(part or "") for part in text(message, "AddtlInf")] == [105, 1]
    assert text(message, "Assgnr/Agt/FinInstnId/BICFI") == ["ABCDDEFFXXX"]
    assert text(message, "Assgne/Agt/FinInstnId/ClrSysMmbId/MmbId") == ["102100099996"]
    assert recall(ORIGINAL, reason="FRAD", case_id="case-1", created_us=T0, note="x" * 106) == message


def test_the_answer_rejects_with_a_reason_and_agrees_without_one() -> None:
    rejected = resolution(ORIGINAL, verdict="RJCR", reason="CUST", case_id="case-1", created_us=T0)
    assert text(rejected, "CxlStsRsnInf/Rsn/Cd") == ["CUST"]
    agreed = resolution(ORIGINAL, verdict="CNCL", case_id="case-1", created_us=T0)
    assert (text(agreed, "Sts/Conf"), text(agreed, "TxCxlSts")) == (["CNCL"], ["ACCR"])
    with pytest.raises(SchemaError, match="names a reason"):
        resolution(ORIGINAL, verdict="CNCL", reason="CUST", case_id="case-1", created_us=T0)


def test_a_return_is_at_most_the_original_payment() -> None:
    message = payment_return(ORIGINAL, returned_minor=100000, reason="FOCR", return_id="R-1", created_us=T0)
    assert text(message, "RtrdIntrBkSttlmAmt") == ["1000.00"]
    assert text(message, "RtrRsnInf/Rsn/Cd") == ["FOCR"]
    for returned in (0, 123457):
        with pytest.raises(SchemaError, match="at most the original"):
            payment_return(ORIGINAL, returned_minor=returned, reason="FOCR", return_id="R-1", created_us=T0)


def test_amounts_carry_the_decimals_of_their_currency() -> None:
    won = ORIGINAL._replace(currency="KRW", minor_digits=0, amount_minor=5000)
    assert text(recall(won, reason="FRAD", case_id="c", created_us=T0), "OrgnlIntrBkSttlmAmt") == ["5000"]


def test_an_identifier_longer_than_iso_allows_is_refused() -> None:
    with pytest.raises(SchemaError, match="1 to 35 characters"):
        recall(ORIGINAL, reason="FRAD", case_id="c" * 36, created_us=T0)
