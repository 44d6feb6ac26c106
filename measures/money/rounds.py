"""Refund rounds of an account: computed from its own movements, decided, then paid by signed orders."""

from collections.abc import Mapping

from measures.engine.unit_of_work import Desk
from measures.money import refund
from measures.money.allocation import Pot
from measures.state.account import Account
from measures.state.machine import Refusal
from schemas.commands import DecideRefund, ObjectToRefund, OpenRefund, PaymentFailed
from schemas.ids import derived_id
from schemas.measure import Refund, RefundState
from schemas.order import Direction, MeasureKind
from schemas.reply import Why


def open_(desk: Desk, command: OpenRefund) -> Refusal | None:
    """Compute the shares of what a freeze holds; the same round again changes nothing."""
    freeze = desk.account.measures.get(command.freeze_id)
    if freeze is None or freeze.kind is not MeasureKind.FREEZE:
        return Refusal(why=Why.WRONG_STATE, detail="no such freeze")
    if derived_id("refund", freeze.measure_id, command.round_no) in desk.account.refunds:
        return None
    unfinished = [r for r in _of(desk, freeze.measure_id) if r.state is not RefundState.CLOSED]
    if unfinished:
        return Refusal(why=Why.WRONG_STATE, detail=f"round {unfinished[0].refund_id} is not closed")
    pot = pot_of(desk.account, freeze.held_minor, command.senders)
    opened = refund.open_round(
        freeze, command.claims, pot, round_no=command.round_no, regime=desk.regime, now=desk.now
    )
    return _put(desk, opened, "OPENED")


def object_to(desk: Desk, command: ObjectToRefund) -> Refusal | None:
    """Compute the shares anew from corrected claims."""
    known = desk.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    pot = pot_of(desk.account, known.frozen_minor, command.senders)
    heard = refund.object_to(known, command.claims, pot, command.reason, regime=desk.regime, now=desk.now)
    return _put(desk, heard, "OBJECTION")


def decide(desk: Desk, command: DecideRefund) -> Refusal | None:
    """Fix the shares and take the decision in; each share then waits for its signed order."""
    known = desk.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    if known.decision_no == command.decision_no:
        return None
    decided = refund.decide(
        known,
        command.decision_no,
        by=command.by,
        reason=command.reason,
        court_ref=command.court_ref,
        regime=desk.regime,
        now=desk.now,
    )
    if isinstance(decided, Refusal):
        return decided
    desk.put_refund(decided, "DECIDED")
    return _put(desk, refund.dispatch(decided), "DISPATCHED")


def failed(desk: Desk, command: PaymentFailed) -> Refusal | None:
    """Note a payment that came back, and the account to pay to instead."""
    known = desk.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    return _put(desk, refund.pay(known, command.payment_id, ok=False, pay_to=command.pay_to), "FAILED")


def paid(desk: Desk, payment_id: str) -> None:
    """Mark the share an executed order has paid."""
    for known in desk.account.refunds.values():
        if any(share.payment_id == payment_id for share in known.shares):
            _put(desk, refund.pay(known, payment_id, ok=True), "PAID")
            return


def overdue(desk: Desk, known: Refund) -> None:
    """Ask a person to look at a round whose payments are late."""
    desk.put_refund(refund.tick(known, desk.now), "TIMER")
    desk.alert("REFUND_OVERDUE", known.refund_id)


def decided_minor(desk: Desk, payment_id: str) -> int | None:
    """Give the amount decided for a payment; None if no round of this account names it."""
    shares = (share for known in desk.account.refunds.values() for share in known.shares)
    return next((share.amount_minor for share in shares if share.payment_id == payment_id), None)


def pot_of(account: Account, frozen_minor: int, senders: Mapping[str, str]) -> Pot:
    """Give what is to be shared, as if nothing had been paid out of the account's freezes yet."""
    flows = tuple(flow for flow in account.flows if flow.purpose != "DISBURSEMENT")
    moved = sum(f.amount_minor if f.direction is Direction.CREDIT else -f.amount_minor for f in flows)
    paid_out = sum(m.disbursed_minor for m in account.measures.values())
    return Pot(frozen_minor, flows, senders, max(0, account.balance_minor + paid_out - moved))


def _of(desk: Desk, freeze_id: str) -> list[Refund]:
    return [known for known in desk.account.refunds.values() if known.freeze_id == freeze_id]


def _put(desk: Desk, result: Refund | Refusal, cause: str) -> Refusal | None:
    if isinstance(result, Refusal):
        return result
    desk.put_refund(result, cause)
    return None


def _unknown(refund_id: str) -> Refusal:
    return Refusal(why=Why.WRONG_STATE, detail=f"no refund round {refund_id!r}")
