"""ISO 20022 in: what five messages of many versions say, and what of hostile or broken ones is refused."""

import importlib
import re
from collections.abc import Callable
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig

from schemas.errors import SchemaError
from schemas.iso20022.document import NotXmlError, is_xml
from schemas.iso20022.transfers import Found, Initiated, Said, Wrong, read
from schemas.token_recipe import token
from tests.iso20022 import (
    IBAN,
    OTHER_IBAN,
    UETR,
    Transfer,
    camt056,
    document,
    pacs002,
    pacs004,
    pacs008,
    pain001,
)

SECRET = bytes(range(32))
LONDON = ZoneInfo("Europe/London")

#: A sample of each message and version: what is told of each in `test_each_version_says_the_same`.
PAYMENTS: list[tuple[str, Callable[..., bytes], int]] = [
    *(("pacs.008", pacs008, version) for version in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)),
    *(("pain.001", pain001, version) for version in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
]
LATER: list[tuple[str, Callable[..., bytes], int]] = [
    *(("pacs.002", pacs002, version) for version in (3, 5, 8, 10, 11, 12, 14)),
    *(("pacs.004", pacs004, version) for version in (2, 4, 7, 9, 10, 11, 13)),
    *(("camt.056", camt056, version) for version in (4, 6, 8, 9, 10, 11)),
]


def said(message: bytes) -> list[Found]:
    return list(read(message, partial(token, SECRET), LONDON))


def paid(message: bytes) -> Initiated:
    (found,) = said(message)
    assert isinstance(found, Initiated), found
    return found


def wrong(message: bytes) -> str:
    return next(str(each.error) for each in said(message) if isinstance(each, Wrong))


@pytest.mark.parametrize(("name", "make", "version"), [*PAYMENTS, *LATER])
def test_every_sample_is_what_the_public_schema_of_its_version_says(
    name: str, make: Callable[..., bytes], version: int
) -> None:
    module = f"{name.replace('.', '_')}_001_{version:02}"
    folder = name.partition(".")[0]
    message = make(version=version)

    found = XmlParser(config=ParserConfig(fail_on_unknown_properties=True)).from_bytes(
        message, importlib.import_module(f"pyiso20022.{folder}.{module}").Document
    )

    assert found is not None


@pytest.mark.parametrize(("name", "make", "version"), PAYMENTS)
def test_a_payment_is_the_same_in_every_version(name: str, make: Callable[..., bytes], version: int) -> None:
    payment = paid(make(version=version)).payment

    assert (payment.amount_minor, payment.currency) == (123450, "GBP")
    assert payment.debtor_account == token(SECRET, "IBAN", IBAN)
    assert payment.creditor_account == token(SECRET, "IBAN", OTHER_IBAN)
    assert payment.debtor == token(SECRET, "PARTY", "C-77")
    assert (payment.debtor_agent, payment.creditor_agent) == ("WESTGB22XXX", "COBADEFFXXX")
    assert (payment.purpose_code, payment.status) == ("SALA", "INITIATED")
    at = 1_772_442_930_500_000 if name == "pacs.008" else 1_772_442_931_000_000
    assert payment.accepted_at_us == at
    if version >= (8 if name == "pacs.008" else 9):
        assert payment.txn_id == UETR
    elif name == "pacs.008":
        assert payment.txn_id == "TX-1"
    else:
        assert re.fullmatch("iso_[a-z2-7]{26}", payment.txn_id)


@pytest.mark.parametrize(("name", "make", "version"), LATER)
def test_what_is_said_of_an_earlier_payment_names_it(
    name: str, make: Callable[..., bytes], version: int
) -> None:
    (found,) = said(make(version=version))

    assert isinstance(found, Said)
    assert found.names.uetr == UETR or found.names.txn_id == "TX-1"
    assert (found.status, found.reason) == {
        "pacs.002": ("REJECTED", "AC04"), "pacs.004": ("RETURNED", "FR01"), "camt.056": ("RECALLED", "FRAD"),
    }[name]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("5000", "JPY", 5000), ("5000.00", "JPY", 5000), ("1.5", "KWD", 1500), ("1.005", "KWD", 1005),
        ("0.01", "EUR", 1), ("+7.", "EUR", 700), ("12.3400", "CNY", 1234),
        ("90071992547409.92", "USD", 2**53),
    ],
)  # fmt: skip
def test_an_amount_is_in_the_smallest_unit_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert paid(pacs008(Transfer(amount=amount, currency=currency))).payment.amount_minor == minor


@pytest.mark.parametrize(
    ("transfer", "says", "at"),
    [
        (Transfer(amount="100.5", currency="JPY"), "JPY, which has 0 decimals", "IntrBkSttlmAmt"),
        (Transfer(amount="0.00"), "no amount above 0", "IntrBkSttlmAmt"),
        (Transfer(amount="-5"), "no amount", "IntrBkSttlmAmt"),
        (Transfer(amount="1e3"), "no amount", "IntrBkSttlmAmt"),
        (Transfer(amount="12,50"), "no amount", "IntrBkSttlmAmt"),
        (Transfer(amount="90071992547409.93"), "more than any payment", "IntrBkSttlmAmt"),
        (Transfer(currency="XXY"), "no currency of ISO 4217", "IntrBkSttlmAmt/@Ccy"),
        (Transfer(currency="gbp"), "no currency of ISO 4217", "IntrBkSttlmAmt/@Ccy"),
        (Transfer(debtor_account="<IBAN>GB82WEST12345698765433</IBAN>"), "no IBAN", "DbtrAcct/Id/IBAN"),
        (Transfer(creditor_account=""), "missing", "CdtrAcct/Id/IBAN"),
        (Transfer(accepted="2026-03-03"), "no time such as", "AccptncDtTm"),
        (Transfer(accepted="yesterday"), "no time such as", "AccptncDtTm"),
        (Transfer(uetr="no-uuid"), "no UETR", "PmtId/UETR"),
        (Transfer(txn_id="T" * 36), "1 to 35 printable", "PmtId/TxId"),
    ],
)
def test_what_cannot_be_is_refused_with_the_path_of_its_element(
    transfer: Transfer, says: str, at: str
) -> None:
    text = wrong(pacs008(Transfer(), transfer))
    values = {transfer.amount, transfer.debtor_account[6:-7], transfer.uetr, transfer.accepted} - {""}
    assert not [value for value in values if len(value) > 3 and value in text]  # a letter tells no value

    assert says in text
    assert f"`/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]/{at}`" in text


def test_one_transaction_that_is_wrong_costs_no_other() -> None:
    found = said(pacs008(Transfer(txn_id="A", uetr=""), Transfer(amount="x"), Transfer(txn_id="C", uetr="")))

    assert [each.payment.txn_id for each in found if isinstance(each, Initiated)] == ["A", "C"]
    assert sum(isinstance(each, Wrong) for each in found) == 1


def test_a_missing_header_or_an_empty_message_is_told_by_its_path() -> None:
    bare = document("pacs.008", 8, "FIToFICstmrCdtTrf", "<CdtTrfTxInf/>")
    assert wrong(bare) == "missing - at `/Document/FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt`"
    assert "without a transaction" in wrong(document("pacs.008", 8, "FIToFICstmrCdtTrf", ""))


def test_a_time_without_an_offset_is_local_time() -> None:
    summer = paid(pacs008(Transfer(accepted="2026-07-01T12:00:00"))).payment.accepted_at_us
    assert summer == paid(pacs008(Transfer(accepted="2026-07-01T11:00:00Z"))).payment.accepted_at_us
    made = paid(pacs008(Transfer(accepted=""), created="2026-03-02T09:15:31")).payment.accepted_at_us
    assert made == 1_772_442_931_000_000


def test_an_account_without_an_iban_is_known_with_who_keeps_it() -> None:
    number = "<Othr><Id>12345678</Id></Othr>"
    agent = "<ClrSysMmbId><ClrSysId><Cd>GBDSC</Cd></ClrSysId><MmbId>200000</MmbId></ClrSysMmbId>"
    one = paid(pacs008(Transfer(debtor_account=number, debtor_agent=agent))).payment
    other = paid(
        pacs008(Transfer(debtor_account=number, debtor_agent=agent.replace("200000", "300000")))
    ).payment

    assert one.debtor_account == token(SECRET, "ACCOUNT", "20-00-00 12345678")
    assert one.debtor_account != other.debtor_account
    assert one.debtor_agent == "200000"


def test_a_payer_without_an_id_is_known_by_the_account() -> None:
    payment = paid(pacs008(Transfer(debtor=""))).payment
    assert payment.debtor == payment.debtor_account


def test_payments_without_ids_of_their_own_get_one_each_the_same_on_a_retry() -> None:
    message = pain001(
        Transfer(uetr="", end_to_end_id="NOTPROVIDED"), Transfer(uetr="", end_to_end_id="NOTPROVIDED")
    )
    first, again = (
        [each.payment.txn_id for each in said(message) if isinstance(each, Initiated)] for _ in "12"
    )

    assert first == again
    assert len(set(first)) == 2


def test_a_message_may_stand_in_an_envelope_with_its_header() -> None:
    inside = pacs008().partition(b"?>\n")[2]
    header = (
        b'<AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.02"><BizMsgIdr>B</BizMsgIdr></AppHdr>'
    )

    assert paid(b"<BizMsg>" + header + inside + b"</BizMsg>").payment.txn_id == UETR
    prefixed = (
        pacs008()
        .replace(b"<", b"<p:")
        .replace(b"<p:/", b"</p:")
        .replace(b"<p:?", b"<?")
        .replace(b"xmlns=", b"xmlns:p=")
    )
    assert paid(prefixed).payment.txn_id == UETR


def test_a_status_of_a_whole_message_is_read() -> None:
    message = document(
        "pacs.002", 10, "FIToFIPmtStsRpt",
        "<GrpHdr><MsgId>S</MsgId><CreDtTm>2026-03-02T09:20:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts>"
        "<OrgnlMsgId>MSG-1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId><GrpSts>RJCT</GrpSts>"
        "</OrgnlGrpInfAndSts>",
    )  # fmt: skip
    (found,) = said(message)
    assert isinstance(found, Said)
    assert (found.names.message_id, found.status) == ("MSG-1", "REJECTED")


BOMB = b"<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)


@pytest.mark.parametrize(
    "hostile",
    [
        b"<!DOCTYPE x [" + BOMB + b"]>" + b"<Document>&j;</Document>",
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Document>&a;</Document>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><Document/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16"),
        b"<a>" * 100_000,
        b"<a>" * 300 + b"</a>" * 300,
        b"<" + b"a" * 60_000_0 + b"/>",
        b"<a " + b"".join(b'b%d="" ' % n for n in range(200_000)) + b"><",
        b"<a>" + b"x" * 4_000_000 + b"</a>",
        b"<a>&undefined;</a>",
        b"<",
        b"<Document>\xff</Document>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_bombs_outside_files_and_depth_are_refused_at_once(hostile: bytes) -> None:
    with pytest.raises(NotXmlError):
        said(hostile)


def test_other_messages_are_named() -> None:
    with pytest.raises(SchemaError, match=r"camt\.053 is not read here; send pacs\.008"):
        said(document("camt.053", 8, "BkToCstmrStmt", "<GrpHdr/>"))
    with pytest.raises(SchemaError, match="no Document"):
        said(b"<html><body/></html>")


def test_forty_thousand_wrong_transactions_are_told_within_a_moment() -> None:
    message = document("pacs.008", 8, "FIToFICstmrCdtTrf", "<GrpHdr/>" + "<CdtTrfTxInf/>" * 40_000)
    found = said(message)
    assert len(found) == 40_000
    assert isinstance(found[-1], Wrong)
    assert "CdtTrfTxInf[40000]" in str(found[-1].error)


@given(st.binary(max_size=200), st.integers(0, 2_000), st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_a_message_broken_anywhere_is_refused_and_never_raises_otherwise(
    put: bytes, at: int, out: int
) -> None:
    message = pacs008(Transfer(), Transfer(uetr=""))
    broken = message[:at] + put + message[at + out :]
    try:
        for each in said(broken):
            if isinstance(each, Wrong):
                assert str(each.error)
    except SchemaError as error:
        assert str(error)


def test_json_is_never_taken_for_xml() -> None:
    assert (
        is_xml(b"\xef\xbb\xbf<Document/>") and is_xml(b"\n <Document/>") and is_xml("<a/>".encode("utf-16"))
    )
    assert not is_xml(b'\xef\xbb\xbf{"a": 1}') and not is_xml(b"") and not is_xml(b'"<a/>"')
