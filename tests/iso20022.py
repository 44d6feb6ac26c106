"""Messages of ISO 20022 as an institution sends them, in several versions, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass

IBAN, OTHER_IBAN = "GB82WEST12345698765432", "DE89370400440532013000"
UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
XSD = "urn:iso:std:iso:20022:tech:xsd"


@dataclass(frozen=True)
class Transfer:
    """One credit transfer; "" leaves an element out."""

    amount: str = "1234.50"
    currency: str = "GBP"
    uetr: str = UETR
    txn_id: str = "TX-1"
    end_to_end_id: str = "E2E-1"
    debtor_account: str = f"<IBAN>{IBAN}</IBAN>"
    creditor_account: str = f"<IBAN>{OTHER_IBAN}</IBAN>"
    debtor: str = "<Id><OrgId><Othr><Id>C-77</Id></Othr></OrgId></Id>"
    debtor_agent: str = "<BICFI>WESTGB22XXX</BICFI>"
    creditor_agent: str = "<BICFI>COBADEFFXXX</BICFI>"
    accepted: str = "2026-03-02T10:15:30.5+01:00"
    purpose: str = "SALA"


def _if(tag: str, value: str) -> str:
    return f"<{tag}>{value}</{tag}>" if value else ""


def _agent(tag: str, inside: str) -> str:
    return f"<{tag}><FinInstnId>{inside}</FinInstnId></{tag}>"


def document(name: str, version: int, tag: str, body: str) -> bytes:
    space = f"{XSD}:{name}.001.{version:02}"
    inside = f'<Document xmlns="{space}"><{tag}>{body}</{tag}></Document>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{inside}'.encode()


def pacs008(*transfers: Transfer, version: int = 8, created: str = "2026-03-02T09:15:31Z") -> bytes:
    """FIToFICustomerCreditTransfer; before version 3 agents have BIC, before 8 there is no UETR."""
    transfers = transfers or (Transfer(),)
    header = (
        f"<GrpHdr><MsgId>MSG-1</MsgId><CreDtTm>{created}</CreDtTm><NbOfTxs>{len(transfers)}</NbOfTxs>"
        "<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>"
    )
    return document(
        "pacs.008",
        version,
        "FIToFICstmrCdtTrf",
        header + "".join(_transfer(each, version) for each in transfers),
    )


def _transfer(each: Transfer, version: int) -> str:
    uetr = _if("UETR", each.uetr) if version >= 8 else ""
    accepted = _if("AccptncDtTm", each.accepted)
    parts = (
        f"<PmtId><EndToEndId>{each.end_to_end_id}</EndToEndId>{_if('TxId', each.txn_id)}{uetr}</PmtId>"
        f'<IntrBkSttlmAmt Ccy="{each.currency}">{each.amount}</IntrBkSttlmAmt>'
        "<IntrBkSttlmDt>2026-03-02</IntrBkSttlmDt>"
        f"{_if('AddtlDtTm', accepted) if version >= 13 else accepted}<ChrgBr>SLEV</ChrgBr>"
        f"<Dbtr><Nm>A. Payer</Nm>{each.debtor}</Dbtr><DbtrAcct><Id>{each.debtor_account}</Id></DbtrAcct>"
        f"{_agent('DbtrAgt', each.debtor_agent)}{_agent('CdtrAgt', each.creditor_agent)}"
        f"<Cdtr><Nm>B. Payee</Nm></Cdtr><CdtrAcct><Id>{each.creditor_account}</Id></CdtrAcct>"
        f"{_if('Purp', _if('Cd', each.purpose))}"
    )
    return f"<CdtTrfTxInf>{parts.replace('BICFI', 'BIC') if version < 3 else parts}</CdtTrfTxInf>"


def pain001(*transfers: Transfer, version: int = 9, created: str = "2026-03-02T09:15:31Z") -> bytes:
    """CustomerCreditTransferInitiation: one debtor, the first's, for all transfers."""
    transfers = transfers or (Transfer(),)
    payer = transfers[0]
    day = "2026-03-02" if version < 8 else "<Dt>2026-03-02</Dt>"
    one_by_one = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{each.end_to_end_id}</EndToEndId>"
        f"{_if('UETR', each.uetr) if version >= 9 else ''}</PmtId>"
        f'<Amt><InstdAmt Ccy="{each.currency}">{each.amount}</InstdAmt></Amt>'
        f"{_agent('CdtrAgt', each.creditor_agent)}<Cdtr><Nm>B. Payee</Nm></Cdtr>"
        f"<CdtrAcct><Id>{each.creditor_account}</Id></CdtrAcct>"
        f"{_if('Purp', _if('Cd', each.purpose))}</CdtTrfTxInf>"
        for each in transfers
    )
    body = (
        f"<GrpHdr><MsgId>MSG-2</MsgId><CreDtTm>{created}</CreDtTm><NbOfTxs>{len(transfers)}</NbOfTxs>"
        "<InitgPty><Nm>A. Payer</Nm></InitgPty></GrpHdr>"
        f"<PmtInf><PmtInfId>P-1</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt>{day}</ReqdExctnDt>"
        f"<Dbtr><Nm>A. Payer</Nm>{payer.debtor}</Dbtr><DbtrAcct><Id>{payer.debtor_account}</Id></DbtrAcct>"
        f"{_agent('DbtrAgt', payer.debtor_agent)}{one_by_one}</PmtInf>"
    )
    return document(
        "pain.001", version, "CstmrCdtTrfInitn", body.replace("BICFI", "BIC") if version < 4 else body
    )


def pacs002(uetr: str = UETR, status: str = "RJCT", reason: str = "AC04", version: int = 10) -> bytes:
    """FIToFIPaymentStatusReport."""
    named = _if("OrgnlUETR", uetr) if version >= 10 else "<OrgnlTxId>TX-1</OrgnlTxId>"
    group = "<OrgnlMsgId>MSG-1</OrgnlMsgId><OrgnlMsgNmId>pacs.008</OrgnlMsgNmId>"
    return document(
        "pacs.002", version, "FIToFIPmtStsRpt",
        "<GrpHdr><MsgId>S-1</MsgId><CreDtTm>2026-03-02T09:20:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts>{group}</OrgnlGrpInfAndSts><TxInfAndSts><OrgnlEndToEndId>E2E-1</OrgnlEndToEndId>{named}<TxSts>{status}</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf></TxInfAndSts>",
    )  # fmt: skip


def pacs004(uetr: str = UETR, reason: str = "FR01", version: int = 9) -> bytes:
    """PaymentReturn."""
    named = _if("OrgnlUETR", uetr) if version >= 9 else "<OrgnlTxId>TX-1</OrgnlTxId>"
    return document(
        "pacs.004", version, "PmtRtr",
        "<GrpHdr><MsgId>R-1</MsgId><CreDtTm>2026-03-05T09:20:00Z</CreDtTm><NbOfTxs>1</NbOfTxs>"
        "<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>"
        f"<TxInf><RtrId>RT-1</RtrId><OrgnlEndToEndId>E2E-1</OrgnlEndToEndId>{named}"
        '<RtrdIntrBkSttlmAmt Ccy="GBP">1234.50</RtrdIntrBkSttlmAmt>'
        f"<RtrRsnInf><Rsn><Cd>{reason}</Cd></Rsn></RtrRsnInf></TxInf>",
    )  # fmt: skip


def camt056(uetrs: Sequence[str] = (UETR,), reason: str = "FRAD", version: int = 8) -> bytes:
    """FIToFIPaymentCancellationRequest."""
    one_by_one = "".join(
        f"<TxInf><OrgnlEndToEndId>E2E-1</OrgnlEndToEndId>"
        f"{_if('OrgnlUETR', uetr) if version >= 8 else '<OrgnlTxId>TX-1</OrgnlTxId>'}"
        f"<CxlRsnInf><Rsn><Cd>{reason}</Cd></Rsn></CxlRsnInf></TxInf>"
        for uetr in uetrs
    )
    return document(
        "camt.056", version, "FIToFIPmtCxlReq",
        "<Assgnmt><Id>C-1</Id><Assgnr><Agt><FinInstnId><BICFI>WESTGB22XXX</BICFI></FinInstnId></Agt></Assgnr>"
        "<Assgne><Agt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></Agt></Assgne>"
        f"<CreDtTm>2026-03-04T09:20:00Z</CreDtTm></Assgnmt><Undrlyg>{one_by_one}</Undrlyg>",
    )  # fmt: skip
