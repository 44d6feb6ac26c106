"""The one guard on every way by which money leaves a measure, to the holder or to a victim.

Each effect has a row: what must be in order before it happens. Orders, holds, appeals, cures and measures
that give way to others come through `release_fault`; what the law itself ends at its time needs nobody.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from measures.authority.people import release_fault as people_fault
from measures.authority.people import weight
from measures.money import rounds
from measures.money.currency import comparable
from measures.refusal import Refusal, first_fault
from measures.state.machine import UnitOfWork
from schemas.ids import derived_id
from schemas.measure import Measure, RefundState
from schemas.order import Action, Disbursement, Scope
from schemas.reply import Why


class Effect(StrEnum):
    """How money may leave a measure."""

    LIFT = "LIFT"
    REDUCE = "REDUCE"
    EXTEND = "EXTEND"
    CONFIRM = "CONFIRM"
    DISBURSE = "DISBURSE"
    APPEAL = "APPEAL"
    RELEASE = "RELEASE"
    BLOCK = "BLOCK"
    CANCEL = "CANCEL"
    CURE = "CURE"
    REPLACE = "REPLACE"


class Release(NamedTuple):
    """A measure as it is and as it is to be, who decided that and why, and the share that is to be paid."""

    before: Measure
    after: Measure
    by: tuple[str, ...]
    reason: str
    share: Disbursement | None = None


Check = Callable[[UnitOfWork, Release], Refusal | None]


def release_fault(work: UnitOfWork, effect: Effect, release: Release) -> Refusal | None:
    """Say what stands against an effect; None when all is in order."""
    faults = (check(work, release) for check in GUARDS[effect])
    return next((fault for fault in faults if fault), None)


def of_order(action: Action) -> Effect:
    """Give the effect of an order's action on the measure it names."""
    return Effect(action)


def payment_of(measure: Measure, share: Disbursement) -> str:
    """Name the payment of one victim's share under one decision."""
    return derived_id("pay", measure.measure_id, share.victim_id, share.decision_no)


def _people(work: UnitOfWork, release: Release) -> Refusal | None:
    """Ask for a reason and, from the country's sum on, two people; the sum is all the measure is about."""
    concerned = weight(release.before, work.account.balance_minor)
    return people_fault(release.by, release.reason, concerned, work.regime, currency=release.before.currency)


def _payers(work: UnitOfWork, release: Release) -> Refusal | None:
    """Ask the same for all that was paid out of the measure so far and now."""
    return people_fault(
        release.by,
        release.reason,
        release.after.disbursed_minor,
        work.regime,
        currency=release.before.currency,
    )


def _frozen(work: UnitOfWork, release: Release) -> Refusal | None:
    """Pay a share once, and no more than is held."""
    held, share = release.before.held_minor, release.share
    if share is None or not share.amount_minor:
        return Refusal(why=Why.MALFORMED, detail="names no share of a freeze")
    payment_id = payment_of(release.before, share)
    return first_fault(
        (payment_id in release.before.disbursements, Why.ALREADY_PAID, payment_id),
        (share.amount_minor > held, Why.OVER_AMOUNT, f"{held} is frozen"),
    )


def _decided(work: UnitOfWork, release: Release) -> Refusal | None:
    """Pay what a decided round of this freeze gives this victim, and where it needs a court, by a court."""
    share = release.share
    found = rounds.decided_share(work, payment_of(release.before, share)) if share else None
    if share is None or found is None or found[0].freeze_id != release.before.measure_id:
        return Refusal(why=Why.NOT_DECIDED, detail="no decided refund round of this freeze names the victim")
    round_, decided = found
    limit = work.regime.refund.administrative_below
    family = rounds.decided_before(work, round_.case_family)
    foreign = not comparable(round_.currency, work.regime)
    large = limit is not None and (foreign or family.get(share.victim_id, 0) >= limit)
    court = large and not round_.court_ref
    return first_fault(
        (round_.state is not RefundState.DISPATCHED, Why.NOT_DECIDED, f"the round is {round_.state}"),
        (decided.paid, Why.ALREADY_PAID, decided.payment_id),
        (decided.amount_minor != share.amount_minor, Why.OVER_AMOUNT, f"decided: {decided.amount_minor}"),
        (court, Why.PAPERS_MISSING, f"shares from {limit} need a court"),
    )


def _nothing_sooner(work: UnitOfWork, release: Release) -> Refusal | None:
    """Let no longer term end before the one that runs, and nothing be freed by the way."""
    before, after = release.before, release.after
    ends, runs = after.expires_at_us, before.expires_at_us
    sooner = before.live and ends is not None and (runs is None or ends < runs)
    return first_fault(
        (sooner, Why.MALFORMED, "the new term would end before the one that runs"),
        (before.live and not covers(after, before), Why.MALFORMED, "would free what is held"),
    )


def _covered(work: UnitOfWork, release: Release) -> Refusal | None:
    """Let a measure give way to one that holds as much; else ask people as for a release."""
    return None if covers(release.after, release.before) else _people(work, release)


def covers(measure: Measure, other: Measure) -> bool:
    """Whether a measure forbids all that another does."""
    if not measure.live:
        return False
    if measure.scope is Scope.ALL_OUTFLOW:
        return True
    if measure.scope is not other.scope:
        return False
    kept = set(other.functions) <= set(measure.functions) and set(other.txn_ids) <= set(measure.txn_ids)
    return measure.remaining_minor >= other.remaining_minor and (kept or other.scope is Scope.AMOUNT)


#: Effect -> what must be in order.
GUARDS: Mapping[Effect, tuple[Check, ...]] = {
    Effect.LIFT: (_people,),
    Effect.REDUCE: (_people,),
    Effect.EXTEND: (_nothing_sooner,),
    Effect.CONFIRM: (_nothing_sooner,),
    Effect.DISBURSE: (_frozen, _decided, _payers),
    Effect.APPEAL: (_people,),
    Effect.RELEASE: (_people,),
    Effect.BLOCK: (_people,),
    Effect.CANCEL: (),
    Effect.CURE: (_people,),
    Effect.REPLACE: (_covered,),
}
