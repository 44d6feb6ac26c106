"""Refund rounds of an account: computed from its own movements, decided, then paid by signed orders."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from measures.money import refund, reimbursement
from measures.money.allocation import Pot
from measures.money.tracing import signed_minor
from measures.refusal import Refusal
from measures.state.account import Account
from measures.state.machine import UnitOfWork
from schemas.commands import (
    ConfirmReimbursement,
    DecideRefund,
    ObjectToRefund,
    OpenRefund,
    PaymentFailed,
    StartClock,
    StopClock,
)
from schemas.ids import derived_id
from schemas.measure import Refund, RefundState, Share
from schemas.order import MeasureKind
from schemas.reply import Why

#: What a round hears and remembers (`schemas.measure.Refund`).
OBJECTIONS_MAX, HEARD_MAX = 64, 1_024


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
    repaid = decided_before(work, freeze.case_family)
    pot = pot_of(work.account, freeze.held_minor, command.senders, repaid)
    opened = refund.open_round(
        freeze,
        command.claims,
        pot,
        round_no=command.round_no,
        requested=command.requested,
        regime=work.regime,
        now=work.now,
    )
    return _put(work, opened, "OPENED")


def object_to(work: UnitOfWork, command: ObjectToRefund) -> Refusal | None:
    """Compute the shares anew from corrected claims."""
    known = work.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    said = (msgspec.json.encode(command.claims), command.reason, sorted(command.senders.items()))
    objection = derived_id("objection", known.refund_id, command.objection_no, *said)
    if objection in known.heard:
        return None
    if len(known.objections) >= OBJECTIONS_MAX:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{OBJECTIONS_MAX} objections were heard")
    repaid = decided_before(work, known.case_family, known.refund_id)
    pot = pot_of(work.account, known.frozen_minor, command.senders, repaid)
    heard = refund.object_to(known, command.claims, pot, command.reason, regime=work.regime, now=work.now)
    return _put(work, _after(heard, objection), "OBJECTION")


def decide(work: UnitOfWork, command: DecideRefund) -> Refusal | None:
    """Fix the shares and take the decision in; each share then waits for its signed order."""
    known = work.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    if known.decision_no == command.decision_no:
        return None
    if any(command.decision_no == other.decision_no for other in _of(work, known.freeze_id)):
        return Refusal(why=Why.WRONG_STATE, detail=f"{command.decision_no} has decided another round")
    decided = refund.decide(
        known,
        command.decision_no,
        by=command.by,
        reason=command.reason,
        court_ref=command.court_ref,
        decided=decided_before(work, known.case_family, known.refund_id),
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
    failure = derived_id("failure", command.payment_id, command.failure_no, command.pay_to)
    if failure in known.heard:
        return None
    noted = refund.pay(known, command.payment_id, ok=False, pay_to=command.pay_to)
    return _put(work, _after(noted, failure), "FAILED")


def paid(work: UnitOfWork, payment_id: str) -> None:
    """Mark the share an executed order has paid."""
    for known in work.account.refunds.values():
        if any(share.payment_id == payment_id for share in known.shares):
            _put(work, refund.pay(known, payment_id, ok=True), "PAID")
            return


def stop_clock(work: UnitOfWork, command: StopClock) -> Refusal | None:
    """Let the time to reimburse a victim stand still."""
    return _reimburse(work, command, "CLOCK_STOPPED", reimbursement.stop_clock, work.now)


def start_clock(work: UnitOfWork, command: StartClock) -> Refusal | None:
    """Let the time to reimburse a victim run on."""
    return _reimburse(
        work, command, "CLOCK_STARTED", reimbursement.start_clock, work.regime.calendar, work.now
    )


def reimbursed(work: UnitOfWork, command: ConfirmReimbursement) -> Refusal | None:
    """Note that the institutions have reimbursed a victim."""
    return _reimburse(work, command, "REIMBURSED", reimbursement.paid)


def reimbursement_overdue(work: UnitOfWork, known: Refund) -> None:
    """Ask a person to look at a reimbursement that is late."""
    work.put_refund(reimbursement.tick(known, work.now), "TIMER")
    work.alert("REIMBURSEMENT_OVERDUE", known.refund_id)


def _reimburse(
    work: UnitOfWork,
    command: StopClock | StartClock | ConfirmReimbursement,
    cause: str,
    change: Callable[..., Refund | Refusal],
    *context: Any,
) -> Refusal | None:
    known = work.account.refunds.get(command.refund_id)
    if known is None:
        return _unknown(command.refund_id)
    return _put(work, change(known, command.victim_id, *context), cause)


def overdue(work: UnitOfWork, known: Refund) -> None:
    """Ask a person to look at a round whose payments are late."""
    work.put_refund(refund.tick(known, work.now), "TIMER")
    work.alert("REFUND_OVERDUE", known.refund_id)


def decided_share(work: UnitOfWork, payment_id: str) -> tuple[Refund, Share] | None:
    """Give the decided round that names a payment, and its share; None where none of this account does."""
    for known in work.account.refunds.values():
        for share in known.shares if known.decision_no else ():
            if share.payment_id == payment_id:
                return known, share
    return None


def decided_before(work: UnitOfWork, case_family: str, besides: str = "") -> dict[str, int]:
    """Give what each victim of a case family got or is to get by this account's rounds, `besides` one."""
    account = work.account
    found = Counter(account.repaid.get(case_family, {}))
    others = [
        known
        for known in account.refunds.values()
        if known.case_family == case_family and known.refund_id != besides
    ]
    for known in others:
        unpaid = [share for share in known.shares if known.decision_no and not share.paid]
        found.update({share.victim_id: share.amount_minor for share in unpaid})
    found.update(reimbursement.owed(others))
    return dict(found)


def pot_of(account: Account, frozen_minor: int, senders: Mapping[str, str], repaid: Mapping[str, int]) -> Pot:
    """Give what is to be shared: all movements known, and the balance before the first of them."""
    opening = account.balance_minor - sum(map(signed_minor, account.flows))
    return Pot(frozen_minor, account.flows, senders, opening, repaid)


def _of(work: UnitOfWork, freeze_id: str) -> list[Refund]:
    return [known for known in work.account.refunds.values() if known.freeze_id == freeze_id]


def _put(work: UnitOfWork, result: Refund | Refusal, cause: str) -> Refusal | None:
    if isinstance(result, Refusal):
        return result
    work.put_refund(result, cause)
    return None


def _after(result: Refund | Refusal, message: str) -> Refund | Refusal:
    """Remember a message that a round has heard, so that it counts once."""
    if isinstance(result, Refusal):
        return result
    return msgspec.structs.replace(result, heard=(*result.heard, message)[-HEARD_MAX:])


def _unknown(refund_id: str) -> Refusal:
    return Refusal(why=Why.WRONG_STATE, detail=f"no refund round {refund_id!r}")
