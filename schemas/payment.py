"""Payments: one transfer event as the payer's institution sees it (topic `payments`, domain.md 4.1)."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from schemas.contract import Currency, Event, Micros, MicrosOrUnknown, Token, TransactionId

Agent = Annotated[str, Meta(max_length=14)]

Status = Literal["INITIATED", "HELD", "RELEASED", "CANCELLED", "SETTLED", "REJECTED", "RETURNED", "RECALLED"]
Channel = Literal["OTHER", "MOBILE", "WEB", "COUNTER", "ATM", "POS", "QR", "API"]
PayeeCheck = Literal["UNAVAILABLE", "MATCH", "CLOSE", "NO_MATCH"]
AgeBand = Literal["", "U18", "18-25", "26-40", "41-60", "60+"]
Purpose = Literal["", "SALA", "SUPP", "GDDS", "LOAN", "INVS", "FAMI", "RENT", "OTHR"]

STATUSES, CHANNELS, PAYEE_CHECKS = get_args(Status), get_args(Channel), get_args(PayeeCheck)
AGE_BANDS, PURPOSES = get_args(AgeBand), get_args(Purpose)


#: The largest amount, in minor units.
AMOUNT_MAX = 2**53


class Payment(Event, frozen=True, kw_only=True):
    """One credit transfer; version 1. Message key on Kafka: `debtor_account`.

    Names follow ISO 20022 pacs.008 (CdtTrfTxInf) where it has the element:

    Attributes:
        txn_id: PmtId/TxId; printable ASCII, unique in the system.
        accepted_at_us: AccptncDtTm, event time.
        amount_minor: IntrBkSttlmAmt in minor units of `currency`.
        currency: IntrBkSttlmAmt/@Ccy, ISO 4217.
        debtor: Dbtr, token of the paying person or firm.
        debtor_account: DbtrAcct, token.
        creditor_account: CdtrAcct, token.
        debtor_agent: DbtrAgt, BIC or national code.
        creditor_agent: CdtrAgt.
        status: where the transfer stands; only INITIATED ones are scored.
        channel: PmtTpInf/LclInstrm, how it was entered.
        payee_check: result of the payee-name check (acmt.024).
        purpose_code: Purp/Cd.
        clearing_serial: PmtId/ClrSysRef, joins bank and wallet legs.
        balance_after_minor: debtor account's balance after this transfer; -1 is unknown.
        payee_added_at_us: when the payer first saved or paid this payee.
        creditor_opened_at_us: when the payee's account was opened, where the payee's bank says so.
        limit_changed_at_us: when the payer's limit was last raised.
        new_device_age_h: hours since this device was first seen with this payer; -1 is unknown.
        age_band: debtor's age band.
        remote_control: a remote-control app runs on the payer's device.
        screen_share: the payer's screen is shared.
        call_in_progress: the payer is in a phone call.

    """

    txn_id: TransactionId
    accepted_at_us: Micros
    amount_minor: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
    currency: Currency
    debtor: Token
    debtor_account: Token
    creditor_account: Token
    debtor_agent: Agent = ""
    creditor_agent: Agent = ""
    status: Status = "INITIATED"
    channel: Channel = "OTHER"
    payee_check: PayeeCheck = "UNAVAILABLE"
    purpose_code: Purpose = ""
    clearing_serial: Annotated[str, Meta(max_length=35)] = ""
    balance_after_minor: Annotated[int, Meta(ge=-1, le=2**53)] = -1
    payee_added_at_us: MicrosOrUnknown = -1
    creditor_opened_at_us: MicrosOrUnknown = -1
    limit_changed_at_us: MicrosOrUnknown = -1
    new_device_age_h: Annotated[int, Meta(ge=-1, le=2**31 - 1)] = -1
    age_band: AgeBand = ""
    remote_control: bool = False
    screen_share: bool = False
    call_in_progress: bool = False
