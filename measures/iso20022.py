"""Recall of a payment between institutions as ISO 20022 messages (domain.md 4.1).

`recall` asks (camt.056.001.08), `resolution` answers (camt.029.001.09), `payment_return` brings the money
back (pacs.004.001.09). One original payment per message; ids are derived from all that a message says, so
the same words are the same message and other words are another. Element order and lengths follow the message
definitions; a value that a message cannot carry is refused with SchemaError (`schemas.iso20022.values`).
`measures.recalls` asks, answers and reads.
"""

import re
from datetime import datetime
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from measures.law.calendar import EPOCH, MICROSECOND
from schemas.currencies import decimal
from schemas.errors import SchemaError
from schemas.ids import derived_id
from schemas.iso20022 import values

RecallReason = Literal["FRAD", "DUPL", "TECH", "CUST", "AM09", "AC03"]
CancellationStatus = Literal["CNCL", "RJCR", "PDCR"]
RejectReason = Literal["AC04", "ADAC", "AGNT", "AM04", "ARDT", "ARPL", "CUST", "LEGL", "NARR", "NOAS", "NOOR"]
PendingReason = Literal["PTNA", "RQDA", "NARR"]
ReturnReason = Literal["FOCR", "FR01", "AC06", "AG01", "RR04", "LEGL"]

_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")


class Original(NamedTuple):
    """The pacs.008 payment a recall is about; `settled_on` is an ISO date, empty ids are left out.

    `timezone` is that of the institutions: the day money is returned on is the day there.
    """

    message_id: str
    end_to_end_id: str
    txn_id: str
    amount_minor: int
    minor_digits: int
    currency: str
    settled_on: str
    debtor_agent: str
    creditor_agent: str
    instruction_id: str = ""
    uetr: str = ""
    clearing_serial: str = ""
    timezone: str = "UTC"


def recall(
    original: Original, *, reason: RecallReason, case_id: str, created_us: int, note: str = ""
) -> bytes:
    """Render camt.056: the debtor's institution asks the creditor's for its payment back."""
    values.one_of("CxlRsnInf", reason, RecallReason)
    root, body = _document("camt.056.001.08", "FIToFIPmtCxlReq")
    cancel_id = _id("cxl", original, reason, case_id, note)
    _assignment(body, cancel_id, original.debtor_agent, original.creditor_agent, created_us)
    _case(body, "Case", case_id, original.debtor_agent)
    _add(_add(body, "CtrlData"), "NbOfTxs", "1")
    payment = _add(_add(body, "Undrlyg"), "TxInf")
    _add(payment, "CxlId", cancel_id, 35)
    _original_ids(payment, original)
    _original_sums(payment, original)
    why = _add(payment, "CxlRsnInf")
    _add(_add(why, "Rsn"), "Cd", reason)
    _text(why, note)
    return _bytes(root)


def resolution(
    original: Original,
    *,
    verdict: CancellationStatus,
    case_id: str,
    created_us: int,
    reason: RejectReason | PendingReason | None = None,
    note: str = "",
) -> bytes:
    """Render camt.029: cancelled as asked (CNCL), rejected with a reason (RJCR), or pending (PDCR).

    Pending may name why; a note needs a reason to stand beside.
    """
    values.one_of("Conf", verdict, CancellationStatus)
    if (verdict == "RJCR" and reason is None) or (verdict == "CNCL" and reason is not None):
        raise SchemaError(f"a camt.029 with {verdict} names a reason exactly when it rejects, got {reason!r}")
    if reason is not None:
        values.one_of("CxlStsRsnInf", reason, RejectReason if verdict == "RJCR" else PendingReason)
    elif note:
        raise SchemaError(f"a camt.029 with {verdict} and without a reason carries no note; leave it out")
    root, body = _document("camt.029.001.09", "RsltnOfInvstgtn")
    status_id = _id("sts", original, case_id, verdict, reason or "", note)
    _assignment(body, status_id, original.creditor_agent, original.debtor_agent, created_us)
    _case(body, "RslvdCase", case_id, original.debtor_agent)
    _add(_add(body, "Sts"), "Conf", verdict)
    payment = _add(_add(body, "CxlDtls"), "TxInfAndSts")
    _add(payment, "CxlStsId", status_id, 35)
    _original_ids(payment, original, uetr_last=True)
    _add(payment, "TxCxlSts", {"CNCL": "ACCR", "RJCR": "RJCR", "PDCR": "PDCR"}[verdict])
    if reason:
        why = _add(payment, "CxlStsRsnInf")
        _add(_add(why, "Rsn"), "Cd", reason)
        _text(why, note)
    _original_sums(payment, original)
    return _bytes(root)


def payment_return(
    original: Original, *, returned_minor: int, reason: ReturnReason, return_id: str, created_us: int
) -> bytes:
    """Render pacs.004: the creditor's institution returns all or part of the payment."""
    values.one_of("RtrRsnInf", reason, ReturnReason)
    if not 0 < returned_minor <= original.amount_minor:
        raise SchemaError(
            f"a return is more than 0 and at most the original {original.amount_minor}, got {returned_minor}"
        )
    root, body = _document("pacs.004.001.09", "PmtRtr")
    header = _add(body, "GrpHdr")
    _add(header, "MsgId", _id("rtr", original, return_id, returned_minor, reason), 35)
    _add(header, "CreDtTm", _instant(created_us))
    _add(header, "NbOfTxs", "1")
    _add(_add(header, "SttlmInf"), "SttlmMtd", "CLRG")
    _agent(_add(header, "InstgAgt"), original.creditor_agent)
    _agent(_add(header, "InstdAgt"), original.debtor_agent)
    payment = _add(body, "TxInf")
    _add(payment, "RtrId", return_id, 35)
    _original_ids(payment, original)
    _original_sums(payment, original)
    _amount(payment, "RtrdIntrBkSttlmAmt", returned_minor, original)
    _add(payment, "IntrBkSttlmDt", _local_day(created_us, original.timezone))
    _add(_add(_add(payment, "RtrRsnInf"), "Rsn"), "Cd", reason)
    return _bytes(root)


def _document(name: str, message: str) -> tuple[ET.Element, ET.Element]:
    root = ET.Element("Document", {"xmlns": f"urn:iso:std:iso:20022:tech:xsd:{name}"})
    return root, ET.SubElement(root, message)


def _add(parent: ET.Element, tag: str, text: str | None = None, longest: int | None = None) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = values.text(tag, text, longest) if text is not None and longest is not None else text
    return element


def _text(parent: ET.Element, note: str) -> None:
    for start in range(0, len(note), 105):
        if part := values.printable("AddtlInf", note[start : start + 105]).strip():
            _add(parent, "AddtlInf", part, 105)


def _agent(parent: ET.Element, code: str) -> None:
    institution = _add(parent, "FinInstnId")
    if _BIC.fullmatch(code):
        _add(institution, "BICFI", code)
    else:
        _add(_add(institution, "ClrSysMmbId"), "MmbId", code, 35)


def _assignment(body: ET.Element, assignment_id: str, sender: str, receiver: str, created_us: int) -> None:
    assignment = _add(body, "Assgnmt")
    _add(assignment, "Id", assignment_id, 35)
    _agent(_add(_add(assignment, "Assgnr"), "Agt"), sender)
    _agent(_add(_add(assignment, "Assgne"), "Agt"), receiver)
    _add(assignment, "CreDtTm", _instant(created_us))


def _case(body: ET.Element, tag: str, case_id: str, creator: str) -> None:
    case = _add(body, tag)
    _add(case, "Id", case_id, 35)
    _agent(_add(_add(case, "Cretr"), "Agt"), creator)


def _original_ids(payment: ET.Element, original: Original, *, uetr_last: bool = False) -> None:
    group = _add(payment, "OrgnlGrpInf")
    _add(group, "OrgnlMsgId", original.message_id, 35)
    _add(group, "OrgnlMsgNmId", "pacs.008.001.08")
    pair = [("OrgnlUETR", original.uetr), ("OrgnlClrSysRef", original.clearing_serial)]
    for tag, value in (
        ("OrgnlInstrId", original.instruction_id),
        ("OrgnlEndToEndId", original.end_to_end_id),
        ("OrgnlTxId", original.txn_id),
        *(reversed(pair) if uetr_last else pair),
    ):
        if value:
            known = values.uetr(value) if tag == "OrgnlUETR" else value
            _add(payment, tag, known, 36 if tag == "OrgnlUETR" else 35)


def _original_sums(payment: ET.Element, original: Original) -> None:
    _amount(payment, "OrgnlIntrBkSttlmAmt", original.amount_minor, original)
    _add(payment, "OrgnlIntrBkSttlmDt", values.iso_date("OrgnlIntrBkSttlmDt", original.settled_on))


def _amount(parent: ET.Element, tag: str, minor: int, original: Original) -> None:
    code = values.currency(original.currency, original.minor_digits)
    _add(parent, tag, decimal(values.amount(tag, minor), original.minor_digits)).set("Ccy", code)


def _id(prefix: str, original: Original, *said: str | int) -> str:
    """Derive a message's id from the payment it names and from all it says."""
    named = (original.message_id, original.txn_id, original.end_to_end_id, original.currency)
    parts = [values.printable("Id", part) if isinstance(part, str) else part for part in (*named, *said)]
    return derived_id(prefix, original.amount_minor, *parts)


def _utc(at_us: int) -> datetime:
    try:
        return EPOCH + at_us * MICROSECOND
    except OverflowError as error:
        raise SchemaError(f"{at_us} is no instant in microseconds UTC") from error


def _instant(at_us: int) -> str:
    return _utc(at_us).isoformat(timespec="milliseconds")


def _local_day(at_us: int, timezone: str) -> str:
    try:
        return _utc(at_us).astimezone(ZoneInfo(timezone)).date().isoformat()
    except (KeyError, ValueError, OSError) as error:
        raise SchemaError(f"{timezone[:40]!r} is no time zone; write it like Europe/London") from error


def _bytes(root: ET.Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode()
