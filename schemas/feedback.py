"""Feedback: what people found out about a payment, and when (topic `feedback`, DESIGN: Kafka is the loop)."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from schemas.contract import Event, Line, Micros, Name, TokenOrNone, TransactionId, Word
from schemas.scams import FraudClass
from schemas.warning import Act

FeedbackKind = Literal["ANSWER", "ACTION", "LABEL", "DIALOGUE"]
Verdict = Literal["UNKNOWN", "LEGITIMATE", "SCAM", "LAUNDERING"]

KINDS, VERDICTS = get_args(FeedbackKind), get_args(Verdict)


class Answered(Struct, frozen=True, kw_only=True):
    """One question of a dialogue and what was chosen (`schemas.warning.Dialogue`)."""

    question: Word
    choice: Word


class Feedback(Event, frozen=True, kw_only=True):
    """One finding about one payment; version 1. Message key: `case_family_id`, or `txn_id` without a case.

    Attributes:
        feedback_id: derived from its cause, so a repeated message is recognised.
        txn_id: the payment it is about.
        kind: ANSWER by the warned citizen, ACTION of an analyst, LABEL at the end of an investigation,
            DIALOGUE what the citizen chose at the button.
        verdict: SCAM if a victim paid a scammer, LAUNDERING if scam money was moved on, LEGITIMATE if
            neither, UNKNOWN while it is open.
        known_at_us: when it became known, microseconds UTC; training uses nothing that became known later.
        case_family_id: the case, where there is one.
        cause_id: the alert or warning it answers, where there is one.
        debtor: who paid. With the two accounts what was found is remembered; without, it only trains.
        debtor_account: from where, as in the payment.
        creditor_account: to where.
        fraud_class: kind of scam that an investigation found; "" if none is told.
        answers: of a dialogue, in the order they were given.
        act: button that was pressed after it, "" if none was.

    """

    feedback_id: Name
    txn_id: TransactionId
    kind: FeedbackKind
    verdict: Verdict
    known_at_us: Micros
    case_family_id: Line = ""
    cause_id: Line = ""
    debtor: TokenOrNone = ""
    debtor_account: TokenOrNone = ""
    creditor_account: TokenOrNone = ""
    fraud_class: FraudClass | Literal[""] = ""
    answers: Annotated[tuple[Answered, ...], Meta(max_length=64)] = ()
    act: Act | Literal[""] = ""
