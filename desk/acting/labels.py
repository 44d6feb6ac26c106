"""Findings about payments: what a person says of a case becomes feedback, which models learn from."""

from collections.abc import Sequence

import msgspec

from desk.acting.plan import Asked, Change, Plan
from desk.cases import case_id_of
from desk.sql import Row
from measures.authority.people import release_fault
from measures.law.country_file import Laws
from schemas.action import Effect
from schemas.feedback import Feedback, Verdict
from schemas.ids import derived_id
from schemas.topics import FEEDBACK


def verdict(kind: str, reason_code: str, leg: str) -> Verdict:
    """Say what a payment was.

    >>> verdict("CONFIRM", "KNOWN_MULE", "DEBIT"), verdict("DISMISS", "INNOCENT_RECIPIENT", "CREDIT")
    ('LAUNDERING', 'SCAM')
    """
    scam: Verdict = "SCAM" if leg == "CREDIT" else "LAUNDERING"
    if kind == "CONFIRM":
        return "UNKNOWN" if reason_code == "VALUABLE" else scam
    return "SCAM" if reason_code == "INNOCENT_RECIPIENT" and leg == "CREDIT" else "LEGITIMATE"


def plan(asked: Asked, open_: Sequence[Row], laws: Laws) -> Plan:
    """Label the payments of a case that are open; what frees a large sum needs two people.

    Raises:
        ConfigError: the case's country has no file.

    """
    case_id, effects, changes = case_id_of(asked.account), [], []
    for each in open_:
        said = verdict(asked.kind, asked.reason_code, each["leg"])
        label = Feedback(
            feedback_id=derived_id("feedback", asked.action_id, each["txn"]),
            txn_id=each["txn"],
            kind="ACTION" if said == "UNKNOWN" else "LABEL",
            verdict=said,
            known_at_us=asked.at_us,
            case_family_id=case_id,
            cause_id=each["alert_id"],
            debtor=each["party"],
            debtor_account=each["counterparty" if each["leg"] == "CREDIT" else "account"],
            creditor_account=each["account" if each["leg"] == "CREDIT" else "counterparty"],
        )
        effects.append(Effect(topic=FEEDBACK, key=case_id.encode(), value=msgspec.json.encode(label)))
        changes.append(Change("PAYMENT", each["txn"], "", said, each["amount_minor"], each["currency"]))
    amount = sum(each["amount_minor"] for each in open_)
    currency = open_[0]["currency"] if open_ else ""
    second = False
    if asked.kind == "DISMISS" and open_:
        regime = laws.of(asked.jurisdiction).on(asked.at_us)
        second = release_fault(asked.people, asked.reason_code, amount, regime, currency=currency) is not None
    return Plan(() if second else tuple(effects), tuple(changes), (), amount, currency, second)
