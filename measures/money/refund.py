"""Returning frozen money to victims (domain.md 1.9): computed, noticed, decided, dispatched, closed.

A round shares what one freeze holds. Each payment is named by (freeze, victim, decision), so a decision or
a payment result that comes twice changes nothing, and the sum paid never exceeds the frozen amount. Over all
rounds and freezes of a case family nobody gets back more than the loss.
"""

from collections.abc import Mapping, Sequence

import msgspec

from measures.authority.people import release_fault
from measures.law.jurisdiction import Regime
from measures.money.allocation import Pot, allocate
from measures.money.currency import comparable
from measures.money.reimbursement import reimbursements
from measures.refusal import Refusal, first_fault
from schemas.ids import derived_id
from schemas.measure import Claim, Measure, Refund, RefundState, Share
from schemas.order import Disbursement
from schemas.reply import Why

R = RefundState
replace = msgspec.structs.replace


def open_round(
    freeze: Measure,
    claims: Sequence[Claim],
    pot: Pot,
    *,
    round_no: int,
    requested: bool = False,
    regime: Regime,
    now: int,
) -> Refund | Refusal:
    """Compute the shares of a freeze; a pro-rata result waits for its public notice to run out."""
    least = regime.refund.min_amount
    nothing = not freeze.held_minor and regime.refund.reimbursement is None
    fault = first_fault(
        (not freeze.live or nothing, Why.WRONG_STATE, "the freeze holds nothing"),
        (
            freeze.held_minor < least and not requested,
            Why.BELOW_THRESHOLD,
            f"rounds are opened from {least}, or if a victim asks",
        ),
    ) or _claims_fault(claims)
    if fault:
        return fault
    refund = Refund(
        refund_id=derived_id("refund", freeze.measure_id, round_no),
        freeze_id=freeze.measure_id,
        case_family=freeze.case_family,
        jurisdiction=regime.law.id,
        currency=freeze.currency,
        state=R.COMPUTED,
        frozen_minor=freeze.held_minor,
        method="",
        claims=tuple(claims),
        shares=(),
    )
    return _compute(refund, pot, regime, now)


def object_to(
    refund: Refund, claims: Sequence[Claim], pot: Pot, reason: str, *, regime: Regime, now: int
) -> Refund | Refusal:
    """Take an objection in while the notice runs: the claims are corrected and the shares computed anew."""
    if refund.state not in (R.COMPUTED, R.NOTICED) or (refund.due_us is not None and now >= refund.due_us):
        return Refusal(why=Why.TOO_LATE, detail="objections are heard until the notice runs out")
    if fault := _claims_fault(claims):
        return fault
    pot = pot._replace(frozen_minor=refund.frozen_minor)
    heard = replace(refund, claims=tuple(claims), objections=(*refund.objections, reason))
    return _compute(heard, pot, regime, now)


def decide(
    refund: Refund,
    decision_no: str,
    *,
    by: tuple[str, ...],
    reason: str,
    court_ref: str = "",
    decided: Mapping[str, int] | None = None,
    regime: Regime,
    now: int,
) -> Refund | Refusal:
    """Fix the shares under a decision number; the same decision again changes nothing.

    `decided` is what other rounds of the case family have decided for each victim, paid or not. The sum of
    all rounds tells whether two people must decide; victims who get the country's administrative limit or
    more by all of them need a court's reference.
    """
    if refund.decision_no == decision_no:
        return refund
    limit, before = regime.refund.administrative_below, decided or {}
    total = sum(share.amount_minor for share in refund.shares) + sum(before.values())
    sums = {share.victim_id: before.get(share.victim_id, 0) + share.amount_minor for share in refund.shares}
    shared = [share.victim_id for share in refund.shares if share.amount_minor]
    foreign = not comparable(refund.currency, regime)
    beyond = limit is not None and any(foreign or sums[victim] >= limit for victim in shared)
    missing = {claim.victim_id: claim.loss_minor - claim.recovered_minor for claim in refund.claims}
    over = [victim for victim in shared if sums[victim] > missing[victim]]
    noticed = refund.state is R.NOTICED and now < (refund.due_us or 0)
    fault = first_fault(
        (refund.state not in (R.COMPUTED, R.NOTICED), Why.WRONG_STATE, refund.state),
        (noticed, Why.TOO_LATE, "the public notice still runs"),
        (not decision_no, Why.MALFORMED, "a decision has a number"),
        (bool(over), Why.OVER_AMOUNT, f"another round repays {over}; have the shares computed anew"),
        (beyond and not court_ref, Why.PAPERS_MISSING, f"shares from {limit} need a court"),
    ) or release_fault(by, reason, total, regime, currency=refund.currency)
    if fault:
        return fault
    named = tuple(
        replace(share, payment_id=derived_id("pay", refund.freeze_id, share.victim_id, decision_no))
        for share in refund.shares
        if share.amount_minor
    )
    due = regime.calendar.add(now, regime.refund.pay_within)
    return replace(
        refund,
        state=R.DECIDED,
        shares=named,
        decision_no=decision_no,
        court_ref=court_ref,
        decided_by=by,
        due_us=due,
    )


def disbursements(refund: Refund) -> tuple[Disbursement, ...]:
    """Give what the authority orders of the institution: one disbursement per unpaid share."""
    return tuple(
        Disbursement(
            victim_id=share.victim_id, decision_no=refund.decision_no, amount_minor=share.amount_minor
        )
        for share in refund.shares
        if refund.decision_no and not share.paid
    )


def dispatch(refund: Refund) -> Refund | Refusal:
    """Note that the institution has the decision."""
    if refund.state is R.DISPATCHED:
        return refund
    if refund.state is not R.DECIDED:
        return Refusal(why=Why.WRONG_STATE, detail=refund.state)
    return _close(replace(refund, state=R.DISPATCHED))


def pay(refund: Refund, payment_id: str, *, ok: bool, pay_to: str = "") -> Refund | Refusal:
    """Take in what became of one payment; after a failure `pay_to` names another account of the victim."""
    share = next((s for s in refund.shares if s.payment_id == payment_id), None)
    if refund.state not in (R.DISPATCHED, R.CLOSED) or share is None:
        return Refusal(why=Why.WRONG_STATE, detail=f"no payment {payment_id} is under way")
    if share.paid:
        return refund
    if ok and refund.paid_minor + share.amount_minor > refund.frozen_minor:
        return Refusal(why=Why.OVER_AMOUNT, detail=f"only {refund.frozen_minor} was frozen")
    done = replace(share, paid=ok, attempts=share.attempts + 1, pay_to=pay_to or share.pay_to)
    shares = tuple(done if s is share else s for s in refund.shares)
    return _close(replace(refund, shares=shares))


def tick(refund: Refund, now: int) -> Refund:
    """Mark a round whose payments are overdue; a person must look."""
    late = refund.state in (R.DECIDED, R.DISPATCHED) and refund.due_us is not None and now >= refund.due_us
    return replace(refund, overdue=True) if late else refund


def _claims_fault(claims: Sequence[Claim]) -> Refusal | None:
    victims = {claim.victim_id for claim in claims}
    return first_fault((not claims or len(victims) < len(claims), Why.MALFORMED, "one claim per victim"))


def _compute(refund: Refund, pot: Pot, regime: Regime, now: int) -> Refund:
    losses = {claim.victim_id: claim.loss_minor for claim in refund.claims}
    repaid = {
        claim.victim_id: claim.recovered_minor + pot.repaid.get(claim.victim_id, 0) for claim in refund.claims
    }
    pot = pot._replace(frozen_minor=min(pot.frozen_minor, refund.frozen_minor), repaid=repaid)
    result = allocate(regime.refund.methods, pot, losses)
    notice = regime.refund.notice if result.method == "PRO_RATA" else None
    shares = tuple(
        Share(victim_id=victim, amount_minor=amount, repaid_minor=repaid[victim])
        for victim, amount in result.shares.items()
    )
    owed = reimbursements(refund.claims, shares, refund.reimbursements, regime, now)
    owed = owed if comparable(refund.currency, regime) else ()
    return replace(
        refund,
        state=R.NOTICED if notice else R.COMPUTED,
        method=result.method,
        shares=shares,
        reimbursements=owed,
        due_us=regime.calendar.add(now, notice) if notice else None,
    )


def _close(refund: Refund) -> Refund:
    done = all(share.paid for share in refund.shares)
    return replace(refund, state=R.CLOSED, due_us=None, overdue=False) if done else refund
