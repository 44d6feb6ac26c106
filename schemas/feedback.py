"""Feedback: what people found out about a payment, and when (topic `feedback`, DESIGN: Kafka is the loop)."""

from typing import Literal, get_args

from schemas.contract import Event, Micros, TokenOrNone, TransactionId

Kind = Literal["ANSWER", "ACTION", "LABEL"]
Verdict = Literal["UNKNOWN", "LEGITIMATE", "SCAM", "LAUNDERING"]

KINDS, VERDICTS = get_args(Kind), get_args(Verdict)


class Feedback(Event, frozen=True, kw_only=True):
    """One finding about one payment; version 1. Message key: `case_family_id`, or `txn_id` without a case.

    Attributes:
        feedback_id: derived from its cause, so a repeated message is recognised.
        txn_id: the payment it is about.
        kind: ANSWER by the warned citizen, ACTION of an analyst, LABEL at the end of an investigation.
        verdict: SCAM if a victim paid a scammer, LAUNDERING if scam money was moved on, LEGITIMATE if
            neither, UNKNOWN while it is open.
        known_at_us: when it became known, microseconds UTC; training uses nothing that became known later.
        case_family_id: the case, where there is one.
        cause_id: the alert or warning it answers, where there is one.
        debtor: who paid. With the two accounts what was found is remembered; without, it only trains.
        debtor_account: from where, as in the payment.
        creditor_account: to where.

    """

    feedback_id: str
    txn_id: TransactionId
    kind: Kind
    verdict: Verdict
    known_at_us: Micros
    case_family_id: str = ""
    cause_id: str = ""
    debtor: TokenOrNone = ""
    debtor_account: TokenOrNone = ""
    creditor_account: TokenOrNone = ""
