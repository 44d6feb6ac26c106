"""Refund rounds of an account: computed from its own movements, decided, then paid by signed orders."""

from collections.abc import Mapping

from measures.money import refund
from measures.money.allocation import Pot
from measures.refusal import Refusal
from measures.state.account import Account
from measures.state.unit_of_work import UnitOfWork
from schemas.commands import DecideRefund, ObjectToRefund, OpenRefund, PaymentFailed
from schemas.ids import derived_id
from schemas.measure import Refund, RefundState
from schemas.order import Direction, MeasureKind
from schemas.reply import Why


def open_(work: UnitOfWork, command: OpenRefund) -> Refusal | None:
    """Compute the shares of what a freeze holds; the same round again changes nothing."""
    freeze = work.account.measures.get(command.freeze_id)
    if freeze is None or freeze.kind is not MeasureKind.FREEZE:
        return Refusal(why=Why.WRONG_STATE, detail="no such freeze")
    if derived_id("refund", freeze.measure_id, command.round_no) in work.account.refunds:
        return None
    unfinished = [r for r in _of(work, freeze.measure_id) if r.state is not RefundState.CLOSED]
    if unfinished:
        return Refusal(why=Why.WRONG_STATE, detail=f"round {unfinished[0].refund_id} is not closed")
    pot = pot_of(work.account, freeze.held_minor, command.senders)
    opened = refund.open_round(
        freeze, command.claims, pot, round_no=command.round_no, regime=work.regime, now=work.now
    )
    return _put(work, opened, "OPENED")


def object_to(work: UnitOfWork, command: ObjectToRefund) -> Refusal | None:
    """Compute the shares anew from corrected claims."""
    known = work.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    pot = pot_of(work.account, known.frozen_minor, command.senders)
    heard = refund.object_to(known, command.claims, pot, command.reason, regime=work.regime, now=work.now)
    return _put(work, heard, "OBJECTION")


def decide(work: UnitOfWork, command: DecideRefund) -> Refusal | None:
    """Fix the shares and take the decision in; each share then waits for its signed order."""
    known = work.account.refunds.get(command.refund_id)
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
        regime=work.regime,
        now=work.now,
    )
    if isinstance(decided, Refusal):
        return decided
    work.put_refund(decided, "DECIDED")
    return _put(work, refund.dispatch(decided), "DISPATCHED")


def failed(work: UnitOfWork, command: PaymentFailed) -> Refusal | None:
    """Note a payment that came back, and the account to pay to instead."""
    known = work.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    return _put(work, refund.pay(known, command.payment_id, ok=False, pay_to=command.pay_to), "FAILED")


def paid(work: UnitOfWork, payment_id: str) -> None:
    """Mark the share an executed order has paid."""
    for known in work.account.refunds.values():
        if any(share.payment_id == payment_id for share in known.shares):
            _put(work, refund.pay(known, payment_id, ok=True), "PAID")
            return


def overdue(work: UnitOfWork, known: Refund) -> None:
    """Ask a person to look at a round whose payments are late."""
    work.put_refund(refund.tick(known, work.now), "TIMER")
    work.alert("REFUND_OVERDUE", known.refund_id)


def decided_minor(work: UnitOfWork, payment_id: str) -> int | None:
    """Give the amount decided for a payment; None if no round of this account names it."""
    shares = (share for known in work.account.refunds.values() for share in known.shares)
    return next((share.amount_minor for share in shares if share.payment_id == payment_id), None)


def pot_of(account: Account, frozen_minor: int, senders: Mapping[str, str]) -> Pot:
    """Give what is to be shared, as if nothing had been paid out of the account's freezes yet."""
    flows = tuple(flow for flow in account.flows if flow.purpose != "DISBURSEMENT")
    moved = sum(f.amount_minor if f.direction is Direction.CREDIT else -f.amount_minor for f in flows)
    paid_out = sum(m.disbursed_minor for m in account.measures.values())
    return Pot(frozen_minor, flows, senders, max(0, account.balance_minor + paid_out - moved))


def _of(work: UnitOfWork, freeze_id: str) -> list[Refund]:
    return [known for known in work.account.refunds.values() if known.freeze_id == freeze_id]


def _put(work: UnitOfWork, result: Refund | Refusal, cause: str) -> Refusal | None:
    if isinstance(result, Refusal):
        return result
    work.put_refund(result, cause)
    return None


def _unknown(refund_id: str) -> Refusal:
    return Refusal(why=Why.WRONG_STATE, detail=f"no refund round {refund_id!r}")
