"""Paying a victim's share out of a freeze, by order of the authority (domain.md 1.9)."""

from measures.authority.people import officers_of
from measures.money import rounds
from measures.refusal import Refusal, first_fault
from measures.state.machine import become, end
from measures.state.unit_of_work import UnitOfWork
from schemas.ids import derived_id
from schemas.journal import Moved
from schemas.measure import Measure, MeasureState
from schemas.order import Direction, Flow, Order, Scope
from schemas.reply import Why


def disburse(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    """Pay one victim's share out of a freeze: at most what it holds, and once per decision."""
    share = order.disbursement
    if share is None or not share.amount_minor:
        return Refusal(why=Why.MALFORMED, detail="names no share of a freeze")
    payment_id = derived_id("pay", measure.measure_id, share.victim_id, share.decision_no)
    found = rounds.decided_share(work, payment_id)
    decided = found[1].amount_minor if found else None
    fault = first_fault(
        (payment_id in measure.disbursements, Why.ALREADY_PAID, payment_id),
        (share.amount_minor > measure.held_minor, Why.OVER_AMOUNT, f"{measure.held_minor} is frozen"),
        (decided not in (None, share.amount_minor), Why.OVER_AMOUNT, f"the decision says {decided}"),
    )
    if fault:
        return fault
    paid = become(
        measure,
        measure.state,
        held_minor=measure.held_minor - share.amount_minor,
        disbursed_minor=measure.disbursed_minor + share.amount_minor,
        disbursements=(*measure.disbursements, payment_id),
    )
    if measure.scope is Scope.AMOUNT and paid.remaining_minor == 0:
        by = officers_of(order)
        paid = end(paid, MeasureState.DISBURSED, order.reason, by=by, regime=work.regime, now=work.now)
    flow = Flow(
        txn_id=payment_id,
        at_us=work.now,
        direction=Direction.DEBIT,
        amount_minor=share.amount_minor,
        counterparty_token=share.victim_id,
        purpose="DISBURSEMENT",
    )
    work.put(paid, "ORDER")
    work.record(Moved, flow=flow, balance_minor=work.account.balance_minor - share.amount_minor)
    rounds.paid(work, payment_id)
    return paid
