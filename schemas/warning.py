"""Warnings: what a probable victim is told (topic `warnings`, domain.md 2 and 4.4)."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.alert import Reason
from schemas.contract import Currency, Event, Micros, Token

FraudClass = Literal["BRUSHING", "POLICE_COURT", "FAKE_SERVICE", "UNKNOWN"]
Channel = Literal["SMS", "IN_APP", "ROBOT_CALL", "CALL", "VISIT"]
Severity = Annotated[int, Meta(ge=1, le=4)]


class Warning(Event, frozen=True, kw_only=True):
    """One warning to one party; version 1. Message key: `party_token`.

    Attributes:
        warning_id: derived from payment, party and severity.
        dedup_key: the same for warnings that say the same thing to the same party.
        severity: 1 low to 4 critical; `grade` is the country's word for it.
        posterior: calibrated probability that this payment goes to a scammer.
        channels: where to say it, first choice first.
        text: the words, without link, call-back number or personal data.
        txn_id: the payment that caused it.
        hold: whether the payment is delayed or held meanwhile.
        legal_basis: why the institution may (and must) warn.
        valid_until_us: after this the warning is pointless.

    """

    warning_id: str
    dedup_key: str
    jurisdiction: str
    party_token: Token
    severity: Severity
    grade: str
    fraud_class: FraudClass
    posterior: float
    top_reasons: tuple[Reason, ...]
    channels: tuple[Channel, ...]
    template_id: str
    language: str
    text: str
    txn_id: str
    amount_minor: int
    currency: Currency
    hold: bool
    legal_basis: str
    issued_at_us: Micros
    valid_until_us: Micros
