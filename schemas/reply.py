"""The institution's reply to one message of an authority (domain.md 4.5, 4.6)."""

from enum import StrEnum

from schemas.contract import (
    Balance,
    CaseName,
    Count,
    CurrencyOrNone,
    Id,
    IdOrNone,
    LongText,
    Micros,
    MinorUnits,
    Text,
    Total,
    Version,
    Word,
)
from schemas.order import Flow, MessageSerial, OrderNumber, Record


class ReplyCode(StrEnum):
    """What became of a message."""

    OK = "OK"
    DUPLICATE = "DUPLICATE"
    CONFLICT = "CONFLICT"
    PENDING_PARENT = "PENDING_PARENT"
    NOT_EXECUTED = "NOT_EXECUTED"
    REFUSED = "REFUSED"


class Why(StrEnum):
    """Why a message was not executed or was refused."""

    NAME_MISMATCH = "NAME_MISMATCH"
    ACCOUNT_MISMATCH = "ACCOUNT_MISMATCH"
    AMOUNT_TIME_MISMATCH = "AMOUNT_TIME_MISMATCH"
    NO_SUCH_ACCOUNT = "NO_SUCH_ACCOUNT"
    NO_SUCH_TRANSACTION = "NO_SUCH_TRANSACTION"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    LIFTED_BEFORE_EXECUTION = "LIFTED_BEFORE_EXECUTION"
    LIMIT_REACHED = "LIMIT_REACHED"
    TECHNICAL = "TECHNICAL"
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    EXPIRED_ORDER = "EXPIRED_ORDER"
    FUTURE_ORDER = "FUTURE_ORDER"
    ORDER_CONFLICT = "ORDER_CONFLICT"
    STALE_VERSION = "STALE_VERSION"
    STALE_LIFT = "STALE_LIFT"
    STALE_BOOKING = "STALE_BOOKING"
    PARENT_NOT_FOUND = "PARENT_NOT_FOUND"
    ALREADY_ENDED = "ALREADY_ENDED"
    ALREADY_PAID = "ALREADY_PAID"
    NOT_DECIDED = "NOT_DECIDED"
    NO_LEGAL_BASIS = "NO_LEGAL_BASIS"
    NOT_COMPETENT = "NOT_COMPETENT"
    REASON_MISSING = "REASON_MISSING"
    OFFICERS_MISSING = "OFFICERS_MISSING"
    PAPERS_MISSING = "PAPERS_MISSING"
    CASE_NOT_FILED = "CASE_NOT_FILED"
    APPROVAL_TOO_LOW = "APPROVAL_TOO_LOW"
    LEGAL_REVIEW_MISSING = "LEGAL_REVIEW_MISSING"
    AMOUNT_MISSING = "AMOUNT_MISSING"
    OVER_AMOUNT = "OVER_AMOUNT"
    BELOW_THRESHOLD = "BELOW_THRESHOLD"
    TOO_LATE = "TOO_LATE"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    TWO_PEOPLE_NEEDED = "TWO_PEOPLE_NEEDED"
    UNKNOWN_REASON = "UNKNOWN_REASON"
    WRONG_STATE = "WRONG_STATE"
    TIME_MISSING = "TIME_MISSING"
    CONDITION_UNMET = "CONDITION_UNMET"


class Reply(Record, frozen=True, kw_only=True):
    """The institution's answer to one message; `version` is the account version it saw.

    `caution` says in words that a measure's end is uncertain: it rests on holidays nobody has announced yet.
    """

    authority_id: Id
    order_no: OrderNumber
    case_no: CaseName = ""
    in_reply_to: MessageSerial
    message_serial: MessageSerial
    code: ReplyCode
    at_us: Micros
    version: Version
    why: Why | None = None
    detail: LongText = ""
    original_code: ReplyCode | None = None
    measure_id: IdOrNone = ""
    state: Word = ""
    applied_minor: MinorUnits | None = None
    held_minor: Total | None = None
    balance_minor: Balance | None = None
    available_minor: Balance | None = None
    currency: CurrencyOrNone = ""
    executed_at_us: Micros | None = None
    expires_at_us: Micros | None = None
    prior_authority: IdOrNone = ""
    prior_minor: Total | None = None
    prior_expires_at_us: Micros | None = None
    queue_rank: Count | None = None
    caution: Text = ""
    flows: tuple[Flow, ...] = ()
