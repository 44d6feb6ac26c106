"""Joint punishment of a listed person (domain.md 1.7): listed, applied everywhere, appealed, removed.

A listing is about a person; each institution restricts that person's accounts and acknowledges.
"""

from collections.abc import Iterable

import msgspec

from measures.authority.people import release_fault
from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.notices import Told
from measures.refusal import Refusal, first_fault
from schemas.ids import derived_id
from schemas.order import Actor, Scope
from schemas.reply import Why
from schemas.subject import FunctionCut, Listing

replace = msgspec.structs.replace
LIVE = ("LISTED", "APPLIED", "UNDER_APPEAL")


def enter(
    subject_token: str,
    ground: str,
    *,
    actor: Actor,
    authority_id: str,
    decision_no: str,
    institutions: Iterable[str],
    language: str,
    regime: Regime,
    now: int,
    earlier: Iterable[Listing] = (),
) -> Listing | Refusal:
    """List a person by decision of an authority, under the regime of that day.

    Where the law bounds listings one after another, those of `earlier` that this one follows without a gap
    count towards the bound.
    """
    rule = regime.listing
    punishment = rule.grounds.get(ground) if rule else None
    if rule is None or punishment is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} lists nobody for {ground!r}")
    if actor not in rule.actors or not decision_no:
        return Refusal(why=Why.NOT_COMPETENT, detail=f"{actor} decided {decision_no!r}")
    calendar = regime.calendar_of(authority_id)
    began = min((past.listed_from_us for past in earlier if past.listed_to_us >= now), default=now)
    bound = calendar.add(began, rule.max_term) if rule.max_term else None
    if bound is not None and bound <= now:
        return Refusal(why=Why.LIMIT_REACHED, detail="listed one after another as long as the law allows")
    cuts = tuple(
        FunctionCut(function=function, until_us=min(calendar.add(now, term), bound or 2**62))
        for function, term in sorted(punishment.functions.items())
    )
    return Listing(
        listing_id=derived_id("listing", authority_id, decision_no, subject_token),
        subject_token=subject_token,
        ground=ground,
        state="LISTED",
        regime=regime.id,
        authority_id=authority_id,
        decision_no=decision_no,
        cuts=cuts,
        exempt=punishment.exempt,
        institutions=frozenset(institutions),
        listed_from_us=now,
        listed_to_us=max(cut.until_us for cut in cuts),
        notice=notices.notice(
            regime.law,
            "LISTED",
            rule,
            language,
            Told(
                scope=Scope.FUNCTIONS,
                until_us=max(cut.until_us for cut in cuts),
                by_authority=True,
                authority_id=authority_id,
                order_no=decision_no,
                functions=[cut.function for cut in cuts],
            ),
        ),
        due_us=regime.calendar.add(now, rule.acknowledge),
    )


def acknowledge(listing: Listing, institution: str) -> Listing:
    """Note that an institution applied the listing, or removed it once it has ended."""
    missing = listing.missing - {institution}
    if listing.state in LIVE:
        done = listing.acknowledged | {institution}
        applied = listing.state == "LISTED" and done >= listing.institutions
        return replace(
            listing,
            state="APPLIED" if applied else listing.state,
            acknowledged=done,
            missing=missing,
            due_us=listing.listed_to_us if applied else listing.due_us,
        )
    gone = listing.removed | {institution}
    over = gone >= listing.institutions
    return replace(
        listing,
        state="REMOVED" if over else listing.state,
        removed=gone,
        missing=missing,
        due_us=None if over else listing.due_us,
    )


def appeal(listing: Listing) -> Listing | Refusal:
    """Open an appeal; the listing stays in force meanwhile."""
    if listing.state not in ("LISTED", "APPLIED"):
        return Refusal(why=Why.WRONG_STATE, detail=listing.state)
    return replace(listing, state="UNDER_APPEAL")


def decide_appeal(
    listing: Listing, *, upheld: bool, reasons: str, by: tuple[str, ...], regime: Regime, now: int
) -> Listing | Refusal:
    """Reject an appeal, or lift the listing and ask every institution to remove it."""
    fault = first_fault((listing.state != "UNDER_APPEAL", Why.WRONG_STATE, listing.state)) or release_fault(
        by, reasons, regime.people.four_eyes_from, regime
    )
    if fault:
        return fault
    if not upheld:
        applied = listing.acknowledged >= listing.institutions
        return replace(listing, state="APPLIED" if applied else "LISTED")
    return ended(listing, "LIFTED", f"APPEAL: {reasons}", by=by, regime=regime, now=now)


def tick(listing: Listing, regime: Regime, now: int) -> Listing:
    """Let the listing run out, and name the institutions that owe an acknowledgement."""
    if listing.state in LIVE and now >= listing.listed_to_us:
        return ended(listing, "EXPIRED", "TERM_ENDED", by=(), regime=regime, now=now)
    if listing.due_us is None or now < listing.due_us:
        return listing
    answered = listing.acknowledged if listing.state in LIVE else listing.removed
    due = listing.listed_to_us if listing.state in LIVE else None
    return replace(listing, missing=listing.institutions - answered, due_us=due)


def cuts_in_force(listing: Listing, at_us: int) -> frozenset[str]:
    """Functions the person may not use at an instant."""
    if listing.state not in LIVE:
        return frozenset()
    return frozenset(cut.function for cut in listing.cuts if at_us < cut.until_us)


def ended(
    listing: Listing, state: str, why: str, *, by: tuple[str, ...], regime: Regime, now: int
) -> Listing:
    """Return a listing that has ended, and until when institutions remove it."""
    rule = regime.listing
    due = regime.calendar.add(now, rule.acknowledge) if rule else None
    return replace(listing, state=state, ended_why=why, ended_by=by, due_us=due, missing=frozenset())
