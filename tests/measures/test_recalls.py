"""Recall between institutions: values checked, messages read by an independent reader, answers taken in."""

import dataclasses
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiso20022.camt import camt_029_001_09, camt_056_001_08
from pyiso20022.pacs import pacs_004_001_09
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig

from console.lab import recalling
from measures.iso20022 import Original, payment_return, recall, resolution
from measures.law.calendar import from_iso
from measures.recalls.case import RecallState, answer, ask, give_back, take_in
from measures.recalls.reader import read
from schemas.errors import ConfigError, SchemaError
from tests.measures.kit import T0

PAID = Original(
    "MSG-1", "E2E-1", "TX-1", 123456, 2, "EUR", "2026-11-20", "ABCDDEFFXXX", "102100099996",
    uetr="eb6305c9-1f7f-49de-aed0-16487c27b42d", clearing_serial="CS-1",
)  # fmt: skip

DOCUMENTS = {
    "camt.056": camt_056_001_08.Document,
    "camt.029": camt_029_001_09.Document,
    "pacs.004": pacs_004_001_09.Document,
}


def checked(part: Any) -> None:
    """Hold every value against the facets its schema gives: required, lengths, patterns, digits."""
    for field in dataclasses.fields(part):
        value, facets = getattr(part, field.name), field.metadata
        if value is None:
            assert not facets.get("required"), field.name
            continue
        for each in value if isinstance(value, list) else [value]:
            if dataclasses.is_dataclass(each):
                checked(each)
                continue
            text = str(each.value if hasattr(each, "value") else each)
            assert len(text) <= facets.get("max_length", len(text)), field.name
            assert len(text) >= facets.get("min_length", 0), field.name
            assert re.fullmatch(facets.get("pattern", "(?s).*"), text), field.name
            if isinstance(each, Decimal):
                assert each > 0 and -int(each.as_tuple().exponent) <= facets.get("fraction_digits", 5)


def conforms(message: bytes) -> None:
    """Read a message with classes made from the public schemas; they know every element and its order."""
    name = re.search(rb"xsd:(camt\.056|camt\.029|pacs\.004)", message)
    assert name
    document = DOCUMENTS[name[1].decode()]
    parser = XmlParser(config=ParserConfig(fail_on_unknown_properties=True, fail_on_unknown_attributes=True))
    parsed = parser.from_bytes(message, document)
    checked(parsed)
    in_order(ET.fromstring(message), parsed)


def in_order(element: ET.Element, part: Any) -> None:
    """Compare the order of an element's children with that of its schema."""
    order = [field.metadata.get("name") for field in dataclasses.fields(part)]
    tags = [child.tag.partition("}")[2] for child in element]
    assert tags == sorted(tags, key=order.index)
    for child in element:
        name = child.tag.partition("}")[2]
        value = getattr(part, dataclasses.fields(part)[order.index(name)].name)
        inner = value[0] if isinstance(value, list) else value
        if len(child) and dataclasses.is_dataclass(inner):
            in_order(child, inner)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=35)


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES, st.integers(1, 10**15), st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3)]), NAMES)
def test_whatever_is_rendered_follows_the_public_schemas_and_is_read_back(
    txn_id: str, case_id: str, amount: int, money: tuple[str, int], note: str
) -> None:
    if not (txn_id.strip() and case_id.strip() and note.strip()):
        return
    paid = PAID._replace(txn_id=txn_id, amount_minor=amount, currency=money[0], minor_digits=money[1])
    try:
        messages = [
            recall(paid, reason="FRAD", case_id=case_id, created_us=T0, note=note),
            resolution(paid, verdict="RJCR", reason="CUST", case_id=case_id, created_us=T0, note=note),
            resolution(paid, verdict="PDCR", reason="RQDA", case_id=case_id, created_us=T0),
            resolution(paid, verdict="CNCL", case_id=case_id, created_us=T0),
            payment_return(paid, returned_minor=amount, reason="FOCR", return_id=case_id, created_us=T0),
        ]
    except SchemaError:
        return
    for message in messages:
        conforms(message)
        assert read(message).original == paid._replace(timezone="UTC")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"txn_id": "a\x00"}, "U\\+0000"),
        ({"txn_id": "a\x0b"}, "U\\+000B"),
        ({"txn_id": "a\x1b"}, "U\\+001B"),
        ({"txn_id": "a\ufffe"}, "U\\+FFFE"),
        ({"txn_id": "a\ud800"}, "U\\+D800"),
        ({"txn_id": "a\n"}, "U\\+000A"),
        ({"txn_id": " "}, "1 to 35 characters"),
        ({"txn_id": "0 "}, "blank at its start or end"),
        ({"end_to_end_id": "\u3000E2E-1"}, "blank at its start or end"),
        ({"uetr": "not-a-uetr"}, "is no UETR"),
        ({"uetr": "EB6305C9-1F7F-49DE-AED0-16487C27B42D"}, "is no UETR"),
        ({"uetr": "eb6305c9-1f7f-19de-aed0-16487c27b42d"}, "is no UETR"),
        ({"settled_on": "02/03/2026"}, "is a date like"),
        ({"settled_on": "2026-02-30"}, "is a date like"),
        ({"settled_on": "2026-02-03\n"}, "is a date like"),
        ({"currency": "eur"}, "no currency"),
        ({"currency": ""}, "no currency"),
        ({"currency": "XXZ"}, "no currency"),
        ({"currency": "JPY"}, "JPY has 0 decimals"),
        ({"amount_minor": -5}, "is above 0"),
        ({"amount_minor": 0}, "is above 0"),
        ({"amount_minor": 10**18}, "at most 18 digits"),
        ({"debtor_agent": ""}, "1 to 35 characters"),
        ({"message_id": "m" * 36}, "1 to 35 characters"),
    ],
)
def test_a_value_no_message_can_carry_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        recall(PAID._replace(**changes), reason="FRAD", case_id="c", created_us=T0)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("RJCR", "PTNA"), ("RJCR", "XXXX"), ("PDCR", "CUST"), ("CNCL", "CUST"), ("RJCR", None), ("YES", None)],
)
def test_a_reason_belongs_to_its_status(verdict: Any, reason: Any) -> None:
    with pytest.raises(SchemaError):
        resolution(PAID, verdict=verdict, reason=reason, case_id="c", created_us=T0)


@pytest.mark.parametrize("reason", ["MD06", "XXXX", ""])
def test_reasons_outside_their_lists_are_refused_at_run_time(reason: Any) -> None:
    with pytest.raises(SchemaError, match="is one of"):
        recall(PAID, reason=reason, case_id="c", created_us=T0)
    with pytest.raises(SchemaError, match="is one of"):
        payment_return(PAID, returned_minor=1, reason=reason, return_id="r", created_us=T0)


def test_the_settlement_day_is_the_day_where_the_institutions_are() -> None:
    at = from_iso("2026-11-21T03:00:00+05:30")
    rupees = PAID._replace(currency="INR", timezone="Asia/Kolkata")
    message = payment_return(rupees, returned_minor=5, reason="FOCR", return_id="r", created_us=at)
    assert b"<IntrBkSttlmDt>2026-11-21</IntrBkSttlmDt>" in message
    with pytest.raises(SchemaError, match="is no time zone"):
        payment_return(
            PAID._replace(timezone="Nowhere"), returned_minor=5, reason="FOCR", return_id="r", created_us=at
        )


def test_messages_that_say_something_else_have_another_id_and_the_same_words_the_same() -> None:
    def ids(**changes: Any) -> str:
        fields = {"returned_minor": 100, "reason": "FOCR", "return_id": "R-1", "created_us": T0} | changes
        return read(payment_return(PAID, **fields)).message_id

    assert ids() == ids() == ids(created_us=T0 + 1)
    assert len({ids(), ids(returned_minor=101), ids(reason="FR01"), ids(return_id="R-2")}) == 4


def test_a_recall_is_asked_answered_and_given_back_in_parts() -> None:
    case, asked = ask(PAID, reason="FRAD", case_id="case-1", created_us=T0)
    assert case.state is RecallState.ASKED
    case = take_in(case, answer(asked, verdict="PDCR", created_us=T0 + 1))
    assert case.state is RecallState.PENDING
    agreed = answer(asked, verdict="CNCL", created_us=T0 + 2)
    case = take_in(take_in(case, agreed), agreed)
    assert case.state is RecallState.AGREED
    for part, back in ((100_000, 100_000), (23_456, 123_456)):
        returned = give_back(
            asked, returned_minor=part, reason="FOCR", created_us=T0 + 3, timezone="Europe/Berlin"
        )
        case = take_in(take_in(case, returned), returned)
        assert (case.state, case.returned_minor) == (RecallState.RETURNED, back)
    more = give_back(asked, returned_minor=1, reason="FOCR", created_us=T0 + 4, timezone="Europe/Berlin")
    with pytest.raises(SchemaError, match="exceed the payment"):
        take_in(case, more)


def test_an_answer_about_another_payment_or_case_is_refused() -> None:
    case, asked = ask(PAID, reason="FRAD", case_id="case-1", created_us=T0)
    _, other = ask(PAID._replace(txn_id="TX-2"), reason="FRAD", case_id="case-1", created_us=T0)
    _, elsewhere = ask(PAID, reason="FRAD", case_id="case-2", created_us=T0)
    for message, says in (
        (answer(other, verdict="CNCL", created_us=T0), "another payment: txn_id"),
        (answer(elsewhere, verdict="CNCL", created_us=T0), "about case 'case-2'"),
        (asked, "a camt.056 asks"),
    ):
        with pytest.raises(SchemaError, match=says):
            take_in(case, message)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", "no XML"),
        (b"<a/>", "no Document of ISO 20022"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares a document type"),
        (
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09'><PmtRtr/></Document>",
            "0 payments",
        ),
        (b"\xff\xfe", "no XML"),
        (b"x" * 4_000_001, "longer than"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_in_one_sentence(message: bytes, says: str) -> None:
    with pytest.raises(SchemaError, match=says) as caught:
        read(message)
    assert "\n" not in str(caught.value)


def test_an_amount_with_more_decimals_than_its_currency_is_refused() -> None:
    message = recall(PAID, reason="FRAD", case_id="c", created_us=T0).replace(b"1234.56", b"1234.567")
    with pytest.raises(SchemaError, match="has 3 decimals, EUR has 2"):
        read(message)


def test_the_commands_keep_a_case_in_a_file(tmp_path: Path) -> None:
    payment, case, asked = tmp_path / "p.json", tmp_path / "case.json", tmp_path / "ask.xml"
    payment.write_bytes(msgspec.json.encode(PAID._asdict()))
    assert recalling.ask(payment, case, asked, reason="FRAD", case_id="c-1", note="") == "ASKED"
    with pytest.raises(ConfigError, match="holds a case already"):
        recalling.ask(payment, case, asked, reason="FRAD", case_id="c-1", note="")
    recalling.answer(asked, tmp_path / "a.xml", verdict="RJCR", reason="CUST", note="holder refuses")
    after = recalling.take_in(tmp_path / "a.xml", case)
    assert (after.state, after.why) == (RecallState.REJECTED, "CUST")
    recalling.give_back(asked, tmp_path / "r.xml", returned_minor=5, reason="FOCR", timezone="Europe/Berlin")
    assert recalling.take_in(tmp_path / "r.xml", case).returned_minor == 5
