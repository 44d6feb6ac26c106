"""Papers for others: an order drafted for signing."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from desk.acting.engine import minor
from desk.acting.plan import Asked, Change, Plan, RefusedError
from measures.authority.dispatch import request
from measures.law.calendar import Calendar
from measures.law.country_file import Laws
from measures.law.jurisdiction import Regime
from measures.refusal import Refusal
from schemas.contract import explained
from schemas.ids import derived_id, derived_token
from schemas.measure import AccountFacts
from schemas.order import Action, Attachment, FreezeTerms, MeasureKind, Officer, Order, Target, VictimTransfer
from schemas.strict_text import is_number


def plan(asked: Asked, laws: Laws, facts: AccountFacts | None = None) -> Plan:
    """Draft an order, checked by the authority's own rules; nothing is sent before somebody has signed it.

    `facts` is what the account's bank tells of it: an order names holder and institution as the bank does,
    which compares them before it carries the order out.

    Raises:
        RefusedError: the country's rules refuse the order, or a field cannot be read.

    """
    law = laws.of(asked.jurisdiction)
    regime = law.on(asked.at_us)
    order = _order(asked, regime, facts or AccountFacts())
    drafted = request(order, regime)
    if isinstance(drafted, Refusal):
        raise RefusedError(str(drafted.why), drafted.detail)
    paper = msgspec.json.format(msgspec.json.encode(order), indent=2).decode()
    sum_ = order.victim_transfer.amount_minor if order.victim_transfer else order.amount_minor or 0
    change = Change(
        f"ORDER.{order.kind}", order.order_no, "", drafted.state, sum_, order.currency or law.currency
    )
    return Plan((), (change,), (), sum_, order.currency or law.currency, False, paper)


def _order(asked: Asked, regime: Regime, facts: AccountFacts) -> Order:
    terms, currency = asked.terms, asked.terms.get("currency") or regime.law.currency
    number = derived_id("order", asked.action_id)[:36]
    amount = minor(terms.get("amount", ""), currency)
    officers = [name for name in (*asked.people[:1], terms.get("officer", "").strip()) if name]
    made = Order(
        authority_id=terms.get("authority", ""),
        order_no=number,
        sender_id=terms.get("authority", ""),
        message_serial=number,
        jurisdiction=asked.jurisdiction,
        kind=MeasureKind(terms.get("measure", "STOP")),
        action=Action.ISSUE,
        issued_at_us=asked.at_us,
        target=Target(
            account_token=asked.account,
            institution_id=terms.get("institution", "") or facts.institution_id,
            name_token=facts.name_token,
        ),
        case_no=terms.get("case_no", ""),
        case_family=terms.get("case_no", ""),
        reason=f"{asked.reason_code}: {asked.reason}".strip(": "),
        amount_minor=amount or None,
        currency=currency if amount else None,
        victim_transfer=_transfer(terms, amount, currency, regime.calendar),
        freeze=_freeze(terms) if terms.get("measure") == "FREEZE" else None,
        officers=tuple(
            Officer(role=role, officer_token=derived_token("officer", name))
            for role, name in zip(("HANDLER", "ASSIST"), officers, strict=False)
        ),
        attachments=tuple(
            Attachment(kind=name, sha256="") for name in terms.get("papers", "").split(",") if name
        ),
    )
    try:
        return msgspec.json.decode(msgspec.json.encode(made), type=Order)
    except msgspec.MsgspecError as error:
        raise RefusedError("MALFORMED", explained(error)) from error


def _freeze(terms: Mapping[str, str]) -> FreezeTerms:
    """Return what only a freeze says; the case is filed under its own number."""
    filed = "CASE_FILING" in terms.get("papers", "").split(",")
    return FreezeTerms(
        legal_doc_no=terms.get("legal_doc_no", ""),
        filing_doc_ref=terms.get("case_no", "") if filed else "",
    )


def _transfer(
    terms: Mapping[str, str], amount: int, currency: str, calendar: Calendar
) -> VictimTransfer | None:
    get = terms.get
    if not get("payer", ""):
        return None
    return VictimTransfer(
        account_token=get("payer", ""),
        amount_minor=amount,
        currency=currency,
        transferred_at_us=micros(get("paid_at", ""), calendar),
        txn_id=get("txn_id", ""),
    )


def micros(text: str, calendar: Calendar) -> int:
    """Read an ISO time, without a zone a local one of the country, or microseconds.

    >>> from measures.law.country_file import SHIPPED
    >>> micros("2026-01-02T03:04+00:00", SHIPPED.of("CN").calendar)
    1767323040000000
    >>> micros("2026-01-02T11:04", SHIPPED.of("CN").calendar)
    1767323040000000
    """
    if is_number(text) and len(text) <= 16:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
        return round(found.timestamp() * 1e6) if found.tzinfo else calendar.instant(found)
    except (ValueError, OverflowError) as error:
        raise RefusedError(
            "MALFORMED", f"{text[:40]!r} is no time; write it like 2026-01-31T14:05"
        ) from error
