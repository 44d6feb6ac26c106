"""A report by phone becomes a report on topic `reports`: who paid, to whom, how much, when, by whom lured."""

from typing import Any, cast

import msgspec

from desk.acting.engine import minor
from desk.acting.papers import micros
from desk.acting.plan import Asked, Change, Plan, RefusedError
from measures.cases.report import entity_key
from measures.law.country_file import Laws
from schemas.action import Effect
from schemas.contract import UNREADABLE, explained
from schemas.ids import derived_id, derived_token
from schemas.report import Edge, Entity, Information, Report
from schemas.topics import REPORTS

#: Reason -> what kind of information it is.
INFORMATION: dict[str, Information] = {
    "VICTIM_REPORTED": "ACCOUNT_USED",
    "PAYER_UNSURE": "POTENTIAL_VICTIM",
    "THIRD_PARTY_REPORTED": "ACCOUNT_SUSPECTED",
}

#: Field of the form -> kind of what lured the payer; in clear, as it can be blocked.
LURES = {"number": "NUMBER", "site": "URL"}


def plan(asked: Asked, laws: Laws) -> Plan:
    """Say what report would be sent, and what it is about.

    Raises:
        RefusedError: a field cannot be read.

    """
    terms = asked.terms
    law = laws.of(asked.jurisdiction)
    currency = terms.get("currency") or law.currency
    amount = minor(terms.get("amount", ""), currency)
    at_us = micros(terms["paid_at"], law.calendar) if terms.get("paid_at") else 0
    if at_us > asked.at_us:
        raise RefusedError("MALFORMED", f"paid at {terms['paid_at']}: that is still to come")
    paid = {"amount_minor": str(amount), "currency": currency} if amount else {}
    payee = Entity(
        kind="ACCOUNT", value=asked.account, role="SUSPECT", institution=terms.get("institution", ""),
        first_seen_us=at_us, last_seen_us=at_us, facts=paid,
    )  # fmt: skip
    entities = [payee]
    if payer := terms.get("payer", "").strip():
        entities.append(Entity(kind="ACCOUNT", value=payer, role="VICTIM"))
    edges = (Edge(from_entity=1, to_entity=0, kind="PAID", at_us=at_us),) if payer else ()
    for field, kind in LURES.items():
        if lure := terms.get(field, "").strip():
            entities.append(Entity(kind=cast(Any, kind), value=lure, role="INFRA"))
    caller = terms.get("caller", "").strip() or derived_token("caller", asked.action_id)
    made = Report(
        report_id=derived_id("report", asked.action_id),
        origin="CITIZEN",
        reporter=caller,
        jurisdiction=asked.jurisdiction,
        at_us=asked.at_us,
        information=INFORMATION.get(asked.reason_code, "TIP"),
        fraud_class=cast(Any, terms.get("fraud_class") or "UNKNOWN"),
        entities=tuple(entities),
        edges=edges,
        priority=3 if asked.reason_code == "VICTIM_REPORTED" else 2,
        tlp="AMBER",
    )
    value = _checked(made)
    change = Change("REPORT", made.report_id, "", "RECEIVED", amount, currency)
    effect = Effect(topic=REPORTS, key=made.report_id.encode(), value=value)
    return Plan((effect,), (change,), (), amount, currency)


def _checked(made: Report) -> bytes:
    """Write the report as the casework job will read it, so that nothing is sent that it would refuse."""
    value = msgspec.json.encode(made)
    try:
        report = msgspec.json.decode(value, type=Report)
        for each in report.entities:
            entity_key(each, report.jurisdiction)
    except UNREADABLE as error:
        raise RefusedError("MALFORMED", explained(error)) from error
    return value
