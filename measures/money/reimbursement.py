"""Losses that the institutions make good themselves, whatever was frozen (UK: PSR PS23/3 and PS23/4).

A claim is reimbursed up to a cap, less an excess that vulnerable customers are spared; what the round gives
back out of the freeze and what came back before lowers it. The institutions bear the rest in the country's
split. It is due in the law's time from the claim; while the victim owes an answer the clock stands still, up
to a latest day.
"""

from collections.abc import Iterable, Mapping

import msgspec

from measures.law.calendar import Calendar, Term
from measures.law.jurisdiction import Regime
from measures.money.allocation import reimburse
from measures.refusal import Refusal
from schemas.measure import Claim, Refund, Reimbursement, Share
from schemas.reply import Why

replace = msgspec.structs.replace


def reimbursements(
    claims: Iterable[Claim], shares: Iterable[Share], known: Iterable[Reimbursement], regime: Regime, now: int
) -> tuple[Reimbursement, ...]:
    """Give what the institutions owe each claimant besides the shares; none where the law knows no such duty.

    `known` are those of the same round before an objection: their clocks and payments stay.
    """
    terms = regime.refund.reimbursement
    if terms is None:
        return ()
    from_freeze = {share.victim_id: share.amount_minor + share.repaid_minor for share in shares}
    before = {each.victim_id: each for each in known}
    found = []
    for claim in claims:
        borne = reimburse(
            claim.loss_minor,
            terms.cap,
            terms.split_percent,
            excess_minor=terms.excess,
            vulnerable=claim.vulnerable,
            repatriated_minor=from_freeze.get(claim.victim_id, 0),
        )
        begins = now if claim.claimed_at_us is None else min(now, claim.claimed_at_us)
        fresh = Reimbursement(
            victim_id=claim.victim_id,
            amount_minor=sum(borne),
            borne_minor=tuple(borne),
            due_us=regime.calendar.add(begins, terms.within),
            latest_us=regime.calendar.add(begins, terms.latest),
        )
        if old := before.get(claim.victim_id):
            fresh = replace(old, amount_minor=fresh.amount_minor, borne_minor=fresh.borne_minor)
        found.append(fresh)
    return tuple(found)


def stop_clock(on: Refund, victim_id: str, now: int) -> Refund | Refusal:
    """Stop the clock of a claim: its victim was asked for information."""
    due = _open(on, victim_id)
    if isinstance(due, Refusal):
        return due
    if due.stopped_us is not None:
        return on
    if now >= due.due_us:
        return Refusal(why=Why.TOO_LATE, detail="the reimbursement is due already")
    return _put(on, replace(due, stopped_us=now))


def start_clock(on: Refund, victim_id: str, calendar: Calendar, now: int) -> Refund | Refusal:
    """Let the clock run on: the business days it stood still are added, up to the latest day."""
    due = _open(on, victim_id)
    if isinstance(due, Refusal):
        return due
    if due.stopped_us is None:
        return on
    stood = calendar.business_days(due.stopped_us, now)
    later = calendar.add(due.due_us, Term(business_days=stood)) if stood else due.due_us
    return _put(on, replace(due, stopped_us=None, due_us=min(later, due.latest_us)))


def paid(on: Refund, victim_id: str) -> Refund | Refusal:
    """Note that the institutions have paid; a second time changes nothing."""
    if any(each.victim_id == victim_id and each.paid for each in on.reimbursements):
        return on
    due = _open(on, victim_id)
    return due if isinstance(due, Refusal) else _put(on, replace(due, paid=True, stopped_us=None))


def tick(on: Refund, now: int) -> Refund:
    """Mark the reimbursements that are overdue."""
    late = (replace(each, overdue=True) if each.is_due(now) else each for each in on.reimbursements)
    return replace(on, reimbursements=tuple(late))


def owed(rounds: Iterable[Refund]) -> Mapping[str, int]:
    """Add up what the institutions owe or paid each victim by these rounds."""
    found: dict[str, int] = {}
    for each in (each for on in rounds for each in on.reimbursements):
        found[each.victim_id] = found.get(each.victim_id, 0) + each.amount_minor
    return found


def _open(on: Refund, victim_id: str) -> Reimbursement | Refusal:
    found = next((e for e in on.reimbursements if e.victim_id == victim_id and e.amount_minor), None)
    if found is None or found.paid:
        return Refusal(why=Why.WRONG_STATE, detail=f"no reimbursement of {victim_id!r} is open")
    return found


def _put(on: Refund, changed: Reimbursement) -> Refund:
    each = (changed if old.victim_id == changed.victim_id else old for old in on.reimbursements)
    return replace(on, reimbursements=tuple(each))
