"""The authority's side of an order: requested, reviewed, approved, sent until answered (domain.md 1.3, 1.4).

    REQUESTED -> [LEGAL_REVIEW ->] ISSUED -> SENT -> EXECUTED | NOT_EXECUTED | REFUSED | UNKNOWN

An order that nobody answers is sent again a bounded number of times and then shown to a person as UNKNOWN;
a late answer still settles it.
"""

import msgspec

from measures.authority.people import officers_fault, officers_of
from measures.law.jurisdiction import Regime
from measures.law.rules import Bulk, FreezeRule, StopRule
from measures.refusal import Refusal, first_fault
from schemas.order import Action, ApprovalLevel, MeasureKind, Order, Record, Scope
from schemas.reply import Reply, ReplyCode, Why

replace = msgspec.structs.replace

_SETTLED = {
    ReplyCode.OK: "EXECUTED",
    ReplyCode.NOT_EXECUTED: "NOT_EXECUTED",
    ReplyCode.REFUSED: "REFUSED",
    ReplyCode.CONFLICT: "REFUSED",
}


class BulkCount(Record, frozen=True, kw_only=True):
    """How many accounts are frozen with this order at once and so far in the case, itself included."""

    batch: int = 1
    cumulative: int = 1
    whole_batch: int = 0
    whole_cumulative: int = 0


class Dispatch(Record, frozen=True, kw_only=True):
    """One order on its way; `next_us` is when it is sent again or given up."""

    order: Order
    state: str
    approvals: tuple[str, ...] = ()
    attempts: int = 0
    next_us: int | None = None
    reply: Reply | None = None


def request(
    order: Order, regime: Regime, *, count: BulkCount | None = None, case_loss_minor: int | None = None
) -> Dispatch | Refusal:
    """Check an order before anybody approves it; a bulk freeze goes to legal review first."""
    kind, issue = order.kind, order.action is Action.ISSUE
    stop, freeze = regime.rule(StopRule), regime.rule(FreezeRule)
    rule = {MeasureKind.STOP: stop, MeasureKind.FREEZE: freeze}.get(kind)
    shown = {attachment.kind for attachment in order.attachments}
    missing = [paper for paper in (rule.papers if rule and issue else ()) if paper not in shown]
    over = case_loss_minor is not None and (order.amount_minor or 0) > case_loss_minor
    fault = first_fault(
        (rule is None and kind in (MeasureKind.STOP, MeasureKind.FREEZE), Why.NO_LEGAL_BASIS, regime.id),
        (bool(missing), Why.PAPERS_MISSING, ", ".join(missing)),
        (not order.reason.strip(), Why.REASON_MISSING, "an order names its reason"),
        (issue and over, Why.OVER_AMOUNT, f"the case's loss is {case_loss_minor}"),
    ) or officers_fault(order, regime)
    if fault:
        return fault
    bulk = freeze.bulk if freeze and kind is MeasureKind.FREEZE and issue else None
    reviewed = bulk is not None and is_bulk(order, count or BulkCount(), bulk)
    return Dispatch(order=order, state="LEGAL_REVIEW" if reviewed else "REQUESTED")


def is_bulk(order: Order, count: BulkCount, bulk: Bulk) -> bool:
    """Whether a freeze reaches a size from which the country asks for a legal review."""
    return (
        count.batch >= bulk.batch
        or count.cumulative >= bulk.cumulative
        or count.whole_batch >= bulk.whole_batch
        or count.whole_cumulative >= bulk.whole_cumulative
        or (order.amount_minor or 0) > bulk.amount
    )


def review(dispatch: Dispatch, review_ref: str, level: ApprovalLevel, regime: Regime) -> Dispatch | Refusal:
    """Pass the legal review: its reference and the approving level become part of the order."""
    freeze = regime.rule(FreezeRule)
    bulk = freeze.bulk if freeze else None
    terms = dispatch.order.freeze
    if dispatch.state != "LEGAL_REVIEW" or bulk is None or terms is None:
        return Refusal(why=Why.WRONG_STATE, detail=dispatch.state)
    fault = first_fault(
        (not review_ref, Why.LEGAL_REVIEW_MISSING, "a review has a reference"),
        (not level.reaches(bulk.level), Why.APPROVAL_TOO_LOW, f"needs {bulk.level}"),
    )
    if fault:
        return fault
    reviewed = replace(terms, legal_review_ref=review_ref, approval_level=level, bulk=True)
    return replace(dispatch, state="REQUESTED", order=replace(dispatch.order, freeze=reviewed))


def approve(dispatch: Dispatch, by: str, regime: Regime) -> Dispatch | Refusal:
    """Add one approval by somebody who did not sign the order; two are needed above the four-eyes sum."""
    if dispatch.state != "REQUESTED":
        return Refusal(why=Why.WRONG_STATE, detail=dispatch.state)
    if by in officers_of(dispatch.order):
        return Refusal(why=Why.TWO_PEOPLE_NEEDED, detail="nobody approves an order of their own")
    order, approvals = dispatch.order, tuple(dict.fromkeys((*dispatch.approvals, by)))
    sent = order.victim_transfer.amount_minor if order.victim_transfer else 0
    whole_freeze = order.kind is MeasureKind.FREEZE and order.scope is Scope.ALL_OUTFLOW
    large = max(order.amount_minor or 0, sent) >= regime.people.four_eyes_from
    needed = 2 if large or whole_freeze else 1
    return replace(dispatch, approvals=approvals, state="ISSUED" if len(approvals) >= needed else "REQUESTED")


def sent(dispatch: Dispatch, regime: Regime, now: int) -> Dispatch | Refusal:
    """Note that the order went out (again)."""
    if dispatch.state not in ("ISSUED", "SENT", "UNKNOWN"):
        return Refusal(why=Why.WRONG_STATE, detail=dispatch.state)
    due = regime.calendar.add(now, regime.messages.resend_after)
    return replace(dispatch, state="SENT", attempts=dispatch.attempts + 1, next_us=due)


def must_resend(dispatch: Dispatch, regime: Regime, now: int) -> bool:
    """Whether the order is to be sent (again) now."""
    if dispatch.state == "ISSUED":
        return True
    waiting = dispatch.state == "SENT" and dispatch.next_us is not None and now >= dispatch.next_us
    return waiting and dispatch.attempts < regime.messages.attempts


def tick(dispatch: Dispatch, regime: Regime, now: int) -> Dispatch:
    """Give an order up that was sent often enough without an answer: a person must look."""
    waiting = dispatch.state == "SENT" and dispatch.next_us is not None and now >= dispatch.next_us
    if waiting and dispatch.attempts >= regime.messages.attempts:
        return replace(dispatch, state="UNKNOWN", next_us=None)
    return dispatch


def answered(dispatch: Dispatch, reply: Reply, regime: Regime) -> Dispatch:
    """Settle an order by its reply; a duplicate's reply counts as the first one.

    A parked order is asked about again once the institution must have decided it.
    """
    code = reply.original_code if reply.code is ReplyCode.DUPLICATE else reply.code
    if code is None or dispatch.state not in ("SENT", "UNKNOWN"):
        return dispatch
    if code is ReplyCode.PENDING_PARENT:
        due = regime.calendar.add(reply.at_us, regime.messages.park_for)
        return replace(dispatch, state="SENT", attempts=0, next_us=due)
    return replace(dispatch, state=_SETTLED[code], reply=reply, next_us=None)
