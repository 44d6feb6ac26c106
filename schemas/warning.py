"""Warnings: what a probable victim is told (topic `warnings`, domain.md 2 and 4.4)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.alert import Reason
from schemas.contract import (
    Country,
    Currency,
    Event,
    Id,
    IdOrNone,
    Line,
    Micros,
    MinorUnits,
    Text,
    Token,
    TransactionIdOrNone,
    Word,
)
from schemas.scams import FraudClass

Channel = Literal["SMS", "IN_APP", "ROBOT_CALL", "CALL", "VISIT", "FAMILY"]
Severity = Annotated[int, Meta(ge=1, le=4)]

#: FUND: a payment is on its way to a suspect or has reached one; CONTACT: signs of a scammer's contact alone.
GradeKind = Literal["FUND", "CONTACT"]

#: What a button of the dialogue does.
Act = Literal["STOP", "HANG_UP", "CONTINUE"]

#: What the answers of a dialogue come to.
DialogueVerdict = Literal["STOP", "ASK_A_PERSON", "MAY_GO_ON"]


class Button(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A button: what it does and says, when it can be pressed first, whether it asks for a reason."""

    act: Act
    label: Text
    after_s: Annotated[int, Meta(ge=0, le=3600)] = 0
    needs_reason: bool = False


class Choice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer: leads to the question `then`, or to a verdict."""

    id: Word
    label: Text
    then: Word = ""
    verdict: DialogueVerdict | None = None


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question of a dialogue and its answers."""

    id: Word
    text: Text
    choices: tuple[Choice, ...]


class Dialogue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the payer is shown at the button, as data: the app draws it.

    Attributes:
        pause_s: so long nothing but stopping and hanging up can be pressed.
        buttons: first the one that is drawn largest, which stops.
        questions: the first is asked first; each path ends in a verdict.

    """

    pause_s: Annotated[int, Meta(ge=0, le=3600)]
    buttons: tuple[Button, ...]
    questions: tuple[Question, ...] = ()


class Warning(Event, frozen=True, kw_only=True):
    """One warning to one party; version 1. Message key: `party_token`.

    Attributes:
        warning_id: derived from payment or clue, party and severity.
        dedup_key: the same for warnings that say the same thing to the same party.
        severity: 1 low to 4 critical; `grade` is the country's word for it.
        posterior: the score of the payment, which orders payments and is no chance; 0 if a clue caused it.
        channels: where to say it, first choice first.
        text: the words, without link, call-back number or personal data.
        txn_id: the payment that caused it, "" if a clue did.
        hold: whether the payment is delayed or held meanwhile.
        legal_basis: why the institution may (and must) warn.
        valid_until_us: after this the warning is pointless.
        grade_kind: FUND if a payment goes to a suspect, CONTACT if there are only signs of contact.
        case_family_id: the case, where one is known; warnings of one family go up one ladder.
        hold_until_us: when the payment goes on by itself, 0 if it is not held or has no such time.
        timezone: where the party lives (IANA), "" for the country's own.
        family_consent: the party agreed that a person of trust may be called.
        dialogue: what is asked at the button, at severity 3 and 4.
        traceparent: W3C trace context of the payment's message, "" if it has none; a header here, too.

    """

    warning_id: Id
    dedup_key: IdOrNone
    jurisdiction: Country
    party_token: Token
    severity: Severity
    grade: Line
    fraud_class: FraudClass
    posterior: Annotated[float, Meta(ge=0, le=1)]
    top_reasons: Annotated[tuple[Reason, ...], Meta(max_length=64)]
    channels: Annotated[tuple[Channel, ...], Meta(max_length=64)]
    template_id: Word
    language: Word
    text: Text
    txn_id: TransactionIdOrNone
    amount_minor: MinorUnits
    currency: Currency
    hold: bool
    legal_basis: Text
    issued_at_us: Micros
    valid_until_us: Micros
    grade_kind: GradeKind = "FUND"
    case_family_id: IdOrNone = ""
    hold_until_us: Micros = 0
    timezone: Line = ""
    family_consent: bool = False
    dialogue: Dialogue | None = None
    traceparent: Line = ""
