"""Orders of an authority (domain.md 4.5, 4.6); the institution's answer is `schemas.reply`.

An order says what an authority wants of one account; a *measure* (`schemas.measure`) is what the
institution then has in force. Two keys name an order: `order_key` the business application, `message_key`
one transmission of it. `body_hash` covers everything but the transmission, so that a resent order is
recognised and a changed one is not mistaken for it.
"""

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.contract import (
    CaseName,
    ClaimedMicros,
    Country,
    Currency,
    Id,
    InstitutionIdOrNone,
    Line,
    Micros,
    MinorUnits,
    Text,
    Token,
    TokenOrNone,
    TransactionId,
    TransactionIdOrNone,
    Word,
)
from schemas.ids import derived_id

OrderNumber = Annotated[str, Meta(min_length=1, max_length=36, pattern=r"^[A-Za-z0-9._/-]{1,36}\Z")]
MessageSerial = Annotated[str, Meta(min_length=1, max_length=53, pattern=r"^[A-Za-z0-9._/-]{1,53}\Z")]
Sha256 = Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-f]{0,64}\Z")]

#: Largest account version an order or a command may expect.
Version = Annotated[int, Meta(ge=0, le=2**53)]


class MeasureKind(StrEnum):
    """What is in force on an account, or on a line: its account with the operator."""

    STOP = "STOP"
    FREEZE = "FREEZE"
    HOLD = "HOLD"
    RESTRICTION = "RESTRICTION"
    QUERY = "QUERY"
    LINE_SUSPEND = "LINE_SUSPEND"
    RE_VERIFY = "RE_VERIFY"


class Action(StrEnum):
    """What an order does to the measure it names."""

    ISSUE = "ISSUE"
    EXTEND = "EXTEND"
    LIFT = "LIFT"
    CONFIRM = "CONFIRM"
    REDUCE = "REDUCE"
    DISBURSE = "DISBURSE"


class Scope(StrEnum):
    """How far a measure reaches.

    `AMOUNT` (limited, lien) absorbs credits up to its limit; `ALL_OUTFLOW` (full) leaves the account
    receive-only; `TRANSACTION` one transaction; `FUNCTIONS` named services; `NONE` observes only.
    """

    AMOUNT = "AMOUNT"
    ALL_OUTFLOW = "ALL_OUTFLOW"
    TRANSACTION = "TRANSACTION"
    FUNCTIONS = "FUNCTIONS"
    NONE = "NONE"


class Initiation(StrEnum):
    """How the case came in; a retroactive order completes papers and never changes a running term."""

    NORMAL = "NORMAL"
    BANK_REPORTED = "BANK_REPORTED"
    RETROACTIVE = "RETROACTIVE"


class Actor(StrEnum):
    """Who may order or take a measure."""

    POLICE = "POLICE"
    COURT = "COURT"
    REGULATOR = "REGULATOR"
    BANK = "BANK"
    PROCURATOR = "PROCURATOR"
    SUPERVISION = "SUPERVISION"


class HolderKind(StrEnum):
    """Whose account it is."""

    PERSON = "PERSON"
    BUSINESS = "BUSINESS"


class ApprovalLevel(StrEnum):
    """Rank of the head who approved; ordered as listed."""

    COUNTY = "COUNTY"
    CITY = "CITY"
    PROVINCE = "PROVINCE"

    def reaches(self, least: "ApprovalLevel") -> bool:
        """Tell whether this rank is at least `least`.

        >>> ApprovalLevel.CITY.reaches(ApprovalLevel.COUNTY)
        True
        """
        ranks = list(ApprovalLevel)
        return ranks.index(self) >= ranks.index(least)


class Direction(StrEnum):
    """Which way money moved, seen from the account."""

    CREDIT = "CREDIT"
    DEBIT = "DEBIT"


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the wire records of orders, replies, measures and their journal."""


class Flow(Record, frozen=True, kw_only=True):
    """One credit or debit of an account; `clearing_serial` joins bank and wallet legs (domain.md 1.5)."""

    txn_id: TransactionId
    at_us: Micros
    direction: Direction
    amount_minor: MinorUnits
    counterparty_token: TokenOrNone = ""
    counterparty_institution: InstitutionIdOrNone = ""
    clearing_serial: TransactionIdOrNone = ""
    purpose: Word = ""


class VictimTransfer(Record, frozen=True, kw_only=True):
    """The victim's transfer that the target account received; what the match test compares."""

    account_token: Token
    amount_minor: MinorUnits
    currency: Currency
    transferred_at_us: ClaimedMicros
    name_token: TokenOrNone = ""
    institution_id: InstitutionIdOrNone = ""
    institution_name: Line = ""
    txn_id: TransactionIdOrNone = ""


class Target(Record, frozen=True, kw_only=True):
    """The account an order is about, and the one transaction if it is about one only."""

    account_token: Token
    institution_id: InstitutionIdOrNone
    name_token: TokenOrNone = ""
    account_kind: Word = "PERSON"
    ref_type: Word = ""
    txn_ref: TransactionIdOrNone = ""


class Officer(Record, frozen=True, kw_only=True):
    """One of the officers who sign an order; name and phone stay encrypted."""

    role: Word
    officer_token: Token
    id_type: Word = ""
    name_enc: Text = ""
    phone_enc: Text = ""


class Attachment(Record, frozen=True, kw_only=True):
    """A paper of the case, by kind and digest."""

    kind: Word
    sha256: Sha256
    uri: Line = ""


class FreezeTerms(Record, frozen=True, kw_only=True):
    """What only a freeze order says (domain.md 4.6)."""

    legal_doc_no: CaseName
    filing_doc_ref: CaseName = ""
    approval_level: ApprovalLevel = ApprovalLevel.COUNTY
    legal_review_ref: CaseName = ""
    whole_reason: Text = ""
    includes_interest: bool = False
    linked_account: bool = False
    major_case: bool = False
    bulk: bool = False
    disputed_txn_ids: Annotated[tuple[TransactionId, ...], Meta(max_length=256)] = ()


class QueryTerms(Record, frozen=True, kw_only=True):
    """What a query asks; with `until_us` it is a dynamic query (a subscription)."""

    from_us: ClaimedMicros = 0
    to_us: ClaimedMicros = 2**62
    until_us: ClaimedMicros | None = None


class Disbursement(Record, frozen=True, kw_only=True):
    """One share of a refund decision to be paid out of a frozen amount."""

    victim_id: Token
    decision_no: Id
    amount_minor: MinorUnits


class Order(Record, frozen=True, kw_only=True):
    """One message of an authority: issue, extend, lift, confirm, reduce or disburse one measure.

    `issued_at_us` is the authority's word; terms run from execution only. `expire_at_us - start_at_us`
    may ask for a shorter term than the law allows, never a longer one. `reported_at_us` is when the victim
    reported to the police, where the law counts from there: it can only shorten a term.
    """

    authority_id: Id
    order_no: OrderNumber
    sender_id: Id
    message_serial: MessageSerial
    jurisdiction: Country
    kind: MeasureKind
    action: Action
    issued_at_us: ClaimedMicros
    target: Target
    case_no: CaseName = ""
    case_family: CaseName = ""
    case_type: Word = ""
    initiation: Initiation = Initiation.NORMAL
    urgent: bool = False
    deposit_class: Word = "DEMAND"
    start_at_us: ClaimedMicros | None = None
    expire_at_us: ClaimedMicros | None = None
    reported_at_us: ClaimedMicros | None = None
    scope: Scope | None = None
    amount_minor: MinorUnits | None = None
    currency: Currency | None = None
    original_order_no: OrderNumber | None = None
    rule: Word = ""
    reason: Text = ""
    remark: Text = ""
    victim_transfer: VictimTransfer | None = None
    freeze: FreezeTerms | None = None
    query: QueryTerms | None = None
    disbursement: Disbursement | None = None
    officers: Annotated[tuple[Officer, ...], Meta(max_length=16)] = ()
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=64)] = ()
    expected_version: Version | None = None


TRANSMISSION_FIELDS = ("message_serial", "sender_id", "expected_version")


def order_key(order: Order) -> str:
    """Name the business application: one effect, however often it is sent."""
    return key_of(order.authority_id, order.order_no)


def key_of(authority_id: str, order_no: str) -> str:
    """Name an application by its authority and number."""
    return derived_id("order", authority_id, order_no)


def message_key(order: Order) -> str:
    """Name one transmission."""
    return derived_id("message", order.sender_id, order.message_serial)


def body_hash(order: Order) -> str:
    """Hash (SHA-256, hex) everything an order says except how it was sent."""
    body = msgspec.to_builtins(order)
    for field in TRANSMISSION_FIELDS:
        body.pop(field, None)
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
