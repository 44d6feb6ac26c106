"""Credit transfers of ISO 20022 as payments, and what later messages say of them; element by element.

| message | what it is here | where one stands |
| --- | --- | --- |
| pacs.008 FIToFICustomerCreditTransfer | payments | CdtTrfTxInf |
| pain.001 CustomerCreditTransferInitiation | payments | PmtInf/CdtTrfTxInf |
| pacs.002 FIToFIPaymentStatusReport | a status | TxInfAndSts |
| pacs.004 PaymentReturn | a return | TxInf |
| camt.056 FIToFIPaymentCancellationRequest | a recall | Undrlyg/TxInf |

A payment's id is its UETR, else its TxId, else derived from the message's own ids. Parties and accounts
become tokens on the way (`schemas.token_recipe`): an IBAN under IBAN, another account number together with
the clearing member or institution that keeps it under ACCOUNT, a party's LEI, BIC or other id under PARTY;
a party without an id is known by its account.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import NamedTuple, get_args

from schemas.contract import MICROS_MAX
from schemas.currencies import digits_of
from schemas.errors import SchemaError
from schemas.ids import derived_id
from schemas.iso20022 import values
from schemas.iso20022.document import MOST_BYTES, Element, ElementError, Message, messages
from schemas.payment import AMOUNT_MAX, Payment, Purpose, Status

#: Makes the token of a value under a scheme; ValueError if it is none of it.
Tokens = Callable[[str, str], str]

_PURPOSES = frozenset(get_args(Purpose))

_AGENT = ("FinInstnId/BICFI", "FinInstnId/BIC", "FinInstnId/ClrSysMmbId/MmbId", "FinInstnId/ClrSysMmbId/Id",
          "FinInstnId/Othr/Id", "FinInstnId/PrtryId/Id")  # fmt: skip
_MEMBER = ("FinInstnId/ClrSysMmbId/MmbId", "FinInstnId/ClrSysMmbId/Id")
_NUMBER = ("Id/Othr/Id", "Id/BBAN", "Id/UPIC", "Id/PrtryAcct/Id")
_PARTY = ("Id/OrgId/LEI", "Id/OrgId/AnyBIC", "Id/OrgId/BICOrBEI", "Id/OrgId/BIC", "Id/OrgId/Othr/Id",
          "Id/OrgId/PrtryId/Id", "Id/PrvtId/Othr/Id", "Id/PrvtId/OthrId/Id", "Id/PrvtId/CstmrNb",
          "Id/PrvtId/IdntyCardNb", "Id/PrvtId/PsptNb")  # fmt: skip

#: Of the contract (`schemas.payment.Agent`).
_AGENT_LONGEST = 14


class Names(NamedTuple):
    """What a payment is called in later messages; empty texts where it has no such name."""

    uetr: str = ""
    txn_id: str = ""
    message_id: str = ""
    end_to_end_id: str = ""


class Initiated(NamedTuple):
    """A payment, its names, and the elements that say how much and when."""

    payment: Payment
    names: Names
    amount: Element
    accepted: Element


class Said(NamedTuple):
    """What a message says of an earlier payment.

    Attributes:
        names: of that payment.
        status: where it stands then.
        reason: code of ISO 20022, such as FRAD; "" if none is given.
        at_us: when the message was made, microseconds UTC.

    """

    names: Names
    status: Status
    reason: str
    at_us: int


class Wrong(NamedTuple):
    """A transaction that cannot be used, and why."""

    error: ElementError


Found = Initiated | Said | Wrong


def read(message: bytes, tokens: Tokens, zone: tzinfo, longest: int = MOST_BYTES) -> Iterator[Found]:
    """Yield what a message of at most `longest` bytes holds, transaction by transaction.

    One that is wrong costs no other. `zone` is that of times without an offset.

    Raises:
        NotXmlError: it is no XML, or XML that is not read.
        SchemaError: it is no ISO 20022, or another message.

    """
    for each in messages(message, longest):
        if each.name not in _READERS:
            raise SchemaError(f"{each.name} is not read here; send {', '.join(_READERS)}")
        yield from _READERS[each.name](each, tokens, zone)


def _transfers(message: Message, tokens: Tokens, zone: tzinfo) -> Iterator[Found]:
    """Read pacs.008: everything of a payment stands in its transaction, but when the message was made."""
    reader = _Reader(message.body.first("GrpHdr"), tokens, zone)
    places = message.body.all("CdtTrfTxInf")
    yield from _each(message, places, lambda number, one: reader.initiated(number, one, one))


def _instructions(message: Message, tokens: Tokens, zone: tzinfo) -> Iterator[Found]:
    """Read pain.001: the debtor stands once for all transactions of a PmtInf."""
    reader = _Reader(message.body.first("GrpHdr"), tokens, zone)
    found = [(part, one) for part in message.body.all("PmtInf") for one in part.all("CdtTrfTxInf")]
    places = [one for _, one in found]
    yield from _each(message, places, lambda number, one: reader.initiated(number, one, found[number][0]))


class _Reader(NamedTuple):
    """Reads the payments of a message with their header."""

    header: Element | None
    tokens: Tokens
    zone: tzinfo

    def initiated(self, number: int, one: Element, payer: Element) -> Initiated:
        """Read transaction `number`; its debtor stands in `payer`."""
        names = Names(
            _uetr(one, "PmtId/UETR"),
            one.text("PmtId/TxId"),
            self.header.text("MsgId") if self.header else "",
            one.text("PmtId/EndToEndId"),
        )
        amount = one.needed("IntrBkSttlmAmt", "Amt/InstdAmt", "Amt/EqvtAmt/Amt")
        accepted = one.first("AccptncDtTm", "AddtlDtTm/AccptncDtTm") or (self.header or one).needed("CreDtTm")
        debtor_agent, creditor_agent = payer.first("DbtrAgt"), one.first("CdtrAgt")
        debtor_account = _account(payer.needed("DbtrAcct"), debtor_agent, self.tokens)
        purpose = one.text("Purp/Cd", longest=4)
        payment = Payment(
            txn_id=names.uetr or _plain(names.txn_id) or _own_id(names, number, one, payer),
            accepted_at_us=_instant_us(accepted, self.zone),
            amount_minor=_minor(amount),
            currency=amount.node.get("Ccy", ""),
            debtor=_party(payer, self.tokens) or debtor_account,
            debtor_account=debtor_account,
            creditor_account=_account(one.needed("CdtrAcct"), creditor_agent, self.tokens),
            debtor_agent=_agent(debtor_agent),
            creditor_agent=_agent(creditor_agent),
            purpose_code=purpose if purpose in _PURPOSES else "OTHR",  # type: ignore[arg-type]
            clearing_serial=one.text("PmtId/ClrSysRef"),
        )
        return Initiated(payment, names, amount, accepted)


def _later(message: Message, tokens: Tokens, zone: tzinfo) -> Iterator[Found]:
    """Read what is said of single payments, or of all of a message where it names none."""
    del tokens
    status, reason, *places = _LATER[message.name]
    made = message.body.first("GrpHdr/CreDtTm", "Assgnmt/CreDtTm")
    message_id = message.body.text("OrgnlGrpInfAndSts/OrgnlMsgId", "OrgnlGrpInf/OrgnlMsgId")

    def said(_: int, one: Element) -> Said:
        names = Names(
            _uetr(one, "OrgnlUETR"),
            one.text("OrgnlTxId"),
            one.text("OrgnlGrpInf/OrgnlMsgId", "OrgnlMsgId") or message_id,
            one.text("OrgnlEndToEndId"),
        )
        if not any(names):
            raise ElementError(one, "missing, and no other name of a payment", "OrgnlUETR")
        if made is None:
            raise ElementError(message.body, "missing", "GrpHdr/CreDtTm")
        word = _STATUSES.get(one.text("TxSts", "GrpSts"), "INITIATED")
        return Said(names, status or word, one.text(reason), _instant_us(made, zone))

    yield from _each(message, next(filter(None, map(message.body.all, places)), []), said)


#: ExternalPaymentTransactionStatus1Code -> where the payment stands; others say that it is on its way.
_STATUSES: dict[str, Status] = {
    "RJCT": "REJECTED", "CANC": "CANCELLED", "PDNG": "HELD",
    "ACSP": "RELEASED", "ACSC": "SETTLED", "ACCC": "SETTLED",
}  # fmt: skip

#: Message -> the status it means, None if it says so; where the reason stands; where payments stand, and all.
_LATER: dict[str, tuple[Status | None, str, str, str]] = {
    "pacs.002": (None, "StsRsnInf/Rsn/Cd", "TxInfAndSts", "OrgnlGrpInfAndSts"),
    "pacs.004": ("RETURNED", "RtrRsnInf/Rsn/Cd", "TxInf", "OrgnlGrpInf"),
    "camt.056": ("RECALLED", "CxlRsnInf/Rsn/Cd", "Undrlyg/TxInf", "Undrlyg/OrgnlGrpInfAndCxl"),
}

_READERS: dict[str, Callable[[Message, Tokens, tzinfo], Iterator[Found]]] = {
    "pacs.008": _transfers,
    "pain.001": _instructions,
    **dict.fromkeys(_LATER, _later),
}


def _each(
    message: Message, places: list[Element], make: Callable[[int, Element], Initiated | Said]
) -> Iterator[Found]:
    """Make something of each transaction, or say what is wrong with it."""
    if not places:
        yield Wrong(ElementError(message.body, f"{message.name} without a transaction that is read"))
    for number, one in enumerate(places):
        try:
            yield make(number, one)
        except ElementError as error:
            yield Wrong(error)


def _own_id(names: Names, number: int, one: Element, payer: Element) -> str:
    """Return an id for a payment that brings none of its own: of all that its message calls it."""
    own = payer.text("PmtInfId"), one.text("PmtId/InstrId")
    causes = (names.txn_id, names.message_id, *own, names.end_to_end_id)
    if not any(causes):
        raise ElementError(one, "no UETR, TxId, InstrId or EndToEndId, and no MsgId either", "PmtId")
    return derived_id("iso", *causes, number)


def _plain(txn_id: str) -> str:
    """Return a TxId that may stand as it is: printable ASCII without blanks."""
    return txn_id if txn_id.isascii() and txn_id.isprintable() and " " not in txn_id else ""


def _uetr(one: Element, place: str) -> str:
    found = one.text(place, longest=36).lower()
    try:
        return found and values.uetr(found)
    except SchemaError as error:
        raise ElementError(one.needed(place), "no UETR, which is a version 4 UUID") from error


def _instant_us(of: Element, zone: tzinfo) -> int:
    written = (of.node.text or "").strip()
    try:
        at = datetime.fromisoformat(written)
        at_us = round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1e6)
    except (ValueError, OverflowError) as error:
        raise ElementError(of, "no time such as 2026-03-02T10:15:30Z") from error
    if not 0 <= at_us <= MICROS_MAX or "T" not in written:
        raise ElementError(of, "no time such as 2026-03-02T10:15:30Z")
    return at_us


def _minor(amount: Element) -> int:
    written, currency = (amount.node.text or "").strip(), amount.node.get("Ccy", "")
    digits = digits_of(currency)
    if digits is None:
        raise ElementError(amount, "no currency of ISO 4217", "@Ccy")
    try:
        minor = values.minor("amount", written, currency)
    except SchemaError as error:
        said = f"no amount above 0 of {currency}, which has {digits} decimals"
        raise ElementError(amount, said) from error
    if minor > AMOUNT_MAX:
        raise ElementError(amount, "more than any payment may be")
    return minor


def _agent(agent: Element | None) -> str:
    found = agent.text(*_AGENT) if agent else ""
    return found if len(found) <= _AGENT_LONGEST and found.isascii() else ""


def _account(account: Element, agent: Element | None, tokens: Tokens) -> str:
    if account.first("Id/IBAN"):
        return _token(account.needed("Id/IBAN"), "IBAN", account.text("Id/IBAN", longest=64), tokens)
    number = account.needed("Id/IBAN", *_NUMBER)
    keeper = (agent.text(*_MEMBER) or agent.text(*_AGENT)[:8]) if agent else ""
    return _token(number, "ACCOUNT", f"{keeper} {account.text(*_NUMBER)}", tokens)


def _party(payer: Element, tokens: Tokens) -> str:
    party = payer.first("Dbtr")
    found = party.first(*_PARTY) if party else None
    return _token(found, "PARTY", (found.node.text or "").strip(), tokens) if found else ""


def _token(of: Element, scheme: str, value: str, tokens: Tokens) -> str:
    try:
        return tokens(scheme, value)
    except ValueError as error:
        raise ElementError(of, str(error)) from error
