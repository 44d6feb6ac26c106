"""Read camt.056, camt.029 and pacs.004 as another institution wrote them: one payment, or a refusal."""

from typing import Literal, NamedTuple

from measures.iso20022 import CancellationStatus, Original
from schemas.currencies import digits_of
from schemas.errors import SchemaError
from schemas.iso20022 import document, values
from schemas.iso20022.document import Element

RecallKind = Literal["RECALL", "RESOLUTION", "RETURN"]

#: Message -> what it is, and where its one payment stands.
_KINDS: dict[str, tuple[RecallKind, str]] = {
    "camt.056": ("RECALL", "Undrlyg/TxInf"),
    "camt.029": ("RESOLUTION", "CxlDtls/TxInfAndSts"),
    "pacs.004": ("RETURN", "TxInf"),
}

#: Where the debtor's and the creditor's institution stand.
_AGENTS: dict[RecallKind, tuple[str, str]] = {
    "RECALL": ("Assgnmt/Assgnr/Agt", "Assgnmt/Assgne/Agt"),
    "RESOLUTION": ("Assgnmt/Assgne/Agt", "Assgnmt/Assgnr/Agt"),
    "RETURN": ("GrpHdr/InstdAgt", "GrpHdr/InstgAgt"),
}

_REASONS: dict[RecallKind, str] = {
    "RECALL": "CxlRsnInf/Rsn/Cd",
    "RESOLUTION": "CxlStsRsnInf/Rsn/Cd",
    "RETURN": "RtrRsnInf/Rsn/Cd",
}


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

    kind: RecallKind
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
    name, body = document.read(message)
    if name not in _KINDS:
        raise SchemaError(f"{name} is no camt.056, camt.029 or pacs.004 document")
    kind, place = _KINDS[name]
    payments = body.all(place)
    if len(payments) != 1:
        raise SchemaError(f"the message is about {len(payments)} payments; send one message for each")
    return _received(kind, body, payments[0])


def _received(kind: RecallKind, body: Element, payment: Element) -> Received:
    def sum_of(tag: str) -> tuple[int, str]:
        found = payment.first(tag)
        code = found.node.get("Ccy", "") if found else ""
        return (values.minor(tag, found.node.text or "", code), code) if found else (0, "")

    def agent(place: str) -> str:
        return body.text(f"{place}/FinInstnId/BICFI", f"{place}/FinInstnId/ClrSysMmbId/MmbId")

    debtor, creditor = (agent(place) for place in _AGENTS[kind])
    amount_minor, code = sum_of("OrgnlIntrBkSttlmAmt")
    returned_minor, returned_in = sum_of("RtrdIntrBkSttlmAmt")
    uetr, day = payment.text("OrgnlUETR", longest=36), payment.text("OrgnlIntrBkSttlmDt")
    verdict = body.text("Sts/Conf") if kind == "RESOLUTION" else ""
    original = Original(
        message_id=payment.text("OrgnlGrpInf/OrgnlMsgId"),
        end_to_end_id=payment.text("OrgnlEndToEndId"),
        txn_id=payment.text("OrgnlTxId"),
        amount_minor=amount_minor,
        minor_digits=digits_of(code) or 0,
        currency=code,
        settled_on=day and values.iso_date("OrgnlIntrBkSttlmDt", day),
        debtor_agent=debtor,
        creditor_agent=creditor,
        instruction_id=payment.text("OrgnlInstrId"),
        uetr=uetr and values.uetr(uetr),
        clearing_serial=payment.text("OrgnlClrSysRef"),
    )
    if not (original.txn_id or original.end_to_end_id or original.uetr):
        raise SchemaError("the message names no original payment: no transaction id, end-to-end id or UETR")
    if kind == "RETURN" and not returned_minor:
        raise SchemaError("the return says not how much it brings back")
    if returned_in and code and returned_in != code:
        raise SchemaError(f"the return is in {returned_in!r}, the payment was in {code!r}")
    return Received(
        kind,
        message_id=body.text("GrpHdr/MsgId" if kind == "RETURN" else "Assgnmt/Id"),
        case_id=body.text("Case/Id", "RslvdCase/Id"),
        original=original,
        verdict=verdict and values.one_of("Conf", verdict, CancellationStatus),
        reason=payment.text(_REASONS[kind]),
        returned_minor=returned_minor,
        return_id=payment.text("RtrId"),
    )
