"""Read camt.056, camt.029 and pacs.004 as another institution wrote them: one payment, or a refusal."""

import re
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from measures.iso20022 import Original, Verdict
from measures.recalls import values
from schemas.currencies import digits_of
from schemas.errors import SchemaError

Kind = Literal["RECALL", "RESOLUTION", "RETURN"]

#: Message -> what it is, and where its one payment stands.
_KINDS: dict[str, tuple[Kind, str]] = {
    "FIToFIPmtCxlReq": ("RECALL", "Undrlyg/TxInf"),
    "RsltnOfInvstgtn": ("RESOLUTION", "CxlDtls/TxInfAndSts"),
    "PmtRtr": ("RETURN", "TxInf"),
}

#: Where the debtor's and the creditor's institution stand.
_AGENTS: dict[Kind, tuple[str, str]] = {
    "RECALL": ("Assgnmt/Assgnr/Agt", "Assgnmt/Assgne/Agt"),
    "RESOLUTION": ("Assgnmt/Assgne/Agt", "Assgnmt/Assgnr/Agt"),
    "RETURN": ("GrpHdr/InstdAgt", "GrpHdr/InstgAgt"),
}

_REASONS: dict[Kind, str] = {
    "RECALL": "CxlRsnInf/Rsn/Cd",
    "RESOLUTION": "CxlStsRsnInf/Rsn/Cd",
    "RETURN": "RtrRsnInf/Rsn/Cd",
}

MOST_BYTES = 1_000_000

_NAMESPACE = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(camt\.056|camt\.029|pacs\.004)\.001\.\d{2}\}Document"
)


class Received(NamedTuple):
    """One message about one payment.

    Attributes:
        kind: what it is.
        message_id: of its assignment or group header.
        case_id: of the case; empty on a return.
        original: the payment, as far as the message names it; empty texts where it does not.
        verdict: CNCL, RJCR or PDCR of a resolution.
        reason: code of a recall, a rejection or a return.
        returned_minor: how much a return brings back.
        return_id: of a return.

    """

    kind: Kind
    message_id: str
    case_id: str
    original: Original
    verdict: str = ""
    reason: str = ""
    returned_minor: int = 0
    return_id: str = ""


def read(message: bytes) -> Received:
    """Read one message.

    Raises SchemaError, in one sentence: no XML, another message, several payments, or a value that cannot be.
    """
    if len(message) > MOST_BYTES:
        raise SchemaError(f"the message is longer than {MOST_BYTES:,} bytes; no recall is")
    if b"<!" in message.replace(b"<!--", b""):
        raise SchemaError("the message declares a document type; ISO 20022 has none")
    try:
        root = ET.fromstring(message)
    except (ET.ParseError, ValueError) as error:
        raise SchemaError(f"the message is no XML: {error}") from error
    if not _NAMESPACE.fullmatch(root.tag) or len(root) != 1:
        raise SchemaError(f"{root.tag[:80]!r} is no camt.056, camt.029 or pacs.004 document")
    space, body = root.tag.removesuffix("Document"), root[0]
    kind, place = _KINDS.get(body.tag.removeprefix(space), ("RECALL", ""))
    payments = _all(body, space, place) if place else []
    if len(payments) != 1:
        raise SchemaError(f"the message is about {len(payments)} payments; send one message for each")
    return _received(kind, body, payments[0], space)


def _received(kind: Kind, body: ET.Element, payment: ET.Element, space: str) -> Received:
    def of(place: str, within: ET.Element = payment, longest: int = 35) -> str:
        found = _all(within, space, place)
        return values.text(place, found[0].text or "", longest) if found else ""

    def sum_of(tag: str) -> tuple[int, str]:
        found = _all(payment, space, tag)
        code = found[0].get("Ccy", "") if found else ""
        return (values.minor(tag, found[0].text or "", code), code) if found else (0, "")

    def agent(place: str) -> str:
        return of(f"{place}/FinInstnId/BICFI", body) or of(f"{place}/FinInstnId/ClrSysMmbId/MmbId", body)

    debtor, creditor = (agent(place) for place in _AGENTS[kind])
    amount_minor, code = sum_of("OrgnlIntrBkSttlmAmt")
    returned_minor, returned_in = sum_of("RtrdIntrBkSttlmAmt")
    uetr, day = of("OrgnlUETR", longest=36), of("OrgnlIntrBkSttlmDt")
    verdict = of("Sts/Conf", body) if kind == "RESOLUTION" else ""
    original = Original(
        message_id=of("OrgnlGrpInf/OrgnlMsgId"),
        end_to_end_id=of("OrgnlEndToEndId"),
        txn_id=of("OrgnlTxId"),
        amount_minor=amount_minor,
        minor_digits=digits_of(code) or 0,
        currency=code,
        settled_on=day and values.iso_date("OrgnlIntrBkSttlmDt", day),
        debtor_agent=debtor,
        creditor_agent=creditor,
        instruction_id=of("OrgnlInstrId"),
        uetr=uetr and values.uetr(uetr),
        clearing_serial=of("OrgnlClrSysRef"),
    )
    if not (original.txn_id or original.end_to_end_id or original.uetr):
        raise SchemaError("the message names no original payment: no transaction id, end-to-end id or UETR")
    if kind == "RETURN" and not returned_minor:
        raise SchemaError("the return says not how much it brings back")
    if returned_in and code and returned_in != code:
        raise SchemaError(f"the return is in {returned_in!r}, the payment was in {code!r}")
    return Received(
        kind,
        message_id=of("GrpHdr/MsgId" if kind == "RETURN" else "Assgnmt/Id", body),
        case_id=of("Case/Id", body) or of("RslvdCase/Id", body),
        original=original,
        verdict=verdict and values.one_of("Conf", verdict, Verdict),
        reason=of(_REASONS[kind]),
        returned_minor=returned_minor,
        return_id=of("RtrId"),
    )


def _all(within: ET.Element, space: str, place: str) -> list[ET.Element]:
    return within.findall("/".join(space + step for step in place.split("/")))
