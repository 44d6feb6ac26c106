"""The institution's reply to one message of an authority (domain.md 4.5, 4.6)."""

from enum import StrEnum

from schemas.order import Flow, Micros, Record


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
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    EXPIRED_ORDER = "EXPIRED_ORDER"
    FUTURE_ORDER = "FUTURE_ORDER"
    ORDER_CONFLICT = "ORDER_CONFLICT"
    STALE_VERSION = "STALE_VERSION"
    STALE_LIFT = "STALE_LIFT"
    PARENT_NOT_FOUND = "PARENT_NOT_FOUND"
    ALREADY_ENDED = "ALREADY_ENDED"
    ALREADY_PAID = "ALREADY_PAID"
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


class Reply(Record, frozen=True, kw_only=True):
    """The institution's answer to one message; `version` is the account version it saw."""

    authority_id: str
    order_no: str
    in_reply_to: str
    message_serial: str
    code: ReplyCode
    at_us: Micros
    version: int
    why: Why | None = None
    detail: str = ""
    original_code: ReplyCode | None = None
    measure_id: str = ""
    state: str = ""
    applied_minor: int | None = None
    held_minor: int | None = None
    balance_minor: int | None = None
    available_minor: int | None = None
    currency: str = ""
    executed_at_us: int | None = None
    expires_at_us: int | None = None
    prior_authority: str = ""
    prior_minor: int | None = None
    prior_expires_at_us: int | None = None
    queue_rank: int | None = None
    flows: tuple[Flow, ...] = ()
