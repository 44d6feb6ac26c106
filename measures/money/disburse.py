"""Paying a victim's share out of a freeze, by order of the authority (domain.md 1.9)."""

from measures.authority.people import officers_of
from measures.money import rounds
from measures.money.release import payment_of
from measures.refusal import Refusal
from measures.state.machine import UnitOfWork, become, end
from schemas.journal import Moved
from schemas.measure import Measure, MeasureState
from schemas.order import Direction, Disbursement, Flow, Order, Scope
from schemas.reply import Why


def disburse(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    """Give the freeze with one victim's share paid out of it; whether that may be is for the guard."""
    share = order.disbursement
    if share is None or not share.amount_minor:
        return Refusal(why=Why.MALFORMED, detail="names no share of a freeze")
    paid = become(
        measure,
        measure.state,
        held_minor=measure.held_minor - share.amount_minor,
        disbursed_minor=measure.disbursed_minor + share.amount_minor,
        disbursements=(*measure.disbursements, payment_of(measure, share)),
    )
    if measure.scope is Scope.AMOUNT and paid.remaining_minor == 0:
        by = officers_of(order)
        paid = end(paid, MeasureState.DISBURSED, order.reason, by=by, regime=work.regime, now=work.now)
    return paid


def book(work: UnitOfWork, measure: Measure, share: Disbursement) -> None:
    """Book a share that was paid out of a measure, and mark it paid in its round."""
    payment_id = payment_of(measure, share)
    flow = Flow(
        txn_id=payment_id,
        at_us=work.now,
        direction=Direction.DEBIT,
        amount_minor=share.amount_minor,
        counterparty_token=share.victim_id,
        purpose="DISBURSEMENT",
    )
    work.record(Moved, flow=flow, balance_minor=work.account.balance_minor - share.amount_minor)
    rounds.paid(work, payment_id)
