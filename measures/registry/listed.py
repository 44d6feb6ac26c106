"""A listed subject as it lives: listed by an authority, applied everywhere, appealed, ended, removed.

The rules of one listing are `measures.registry.listing`; nothing a bank, a model or a report says comes here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Followed, Office, Refuse, Send, moved
from measures.refusal import Refusal
from measures.registry import listing
from measures.registry.listing import LIVE
from schemas import topics
from schemas.casework import Acknowledged, AppealListing, Changed, DecideListing, EnterListing, Recycled
from schemas.subject import ListedSubject, Listing, Seen

#: Listings before the newest one that are remembered.
EARLIER_MAX = 16


def apply(known: ListedSubject | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Apply a command to the listings of subject `key`."""
    if isinstance(command, EnterListing):
        return _entered(known, key, command, at_us, office)
    if known is None:
        none = () if isinstance(command, Recycled | Acknowledged) else (Refuse("this subject is not listed"),)
        return Applied(None, none)
    return _TAKES[type(command)](known, command, at_us, office)


def due(known: ListedSubject) -> int | None:
    """Return when the listing runs out, or somebody owes an acknowledgement."""
    now = known.listing
    clocks = [each for each in (now.due_us,) if each is not None]
    return min([*clocks, now.listed_to_us] if now.state in LIVE else clocks, default=None)


def tick(known: ListedSubject, at_us: int, office: Office) -> Applied:
    """End a listing whose term is over; name the institutions that owe an acknowledgement."""
    return _moved(known, listing.tick(known.listing, _regime(known, at_us, office), at_us), at_us)


def in_force(known: ListedSubject, at_us: int) -> frozenset[str]:
    """Return the functions the subject may not use at an instant."""
    return listing.cuts_in_force(known.listing, at_us)


def _entered(
    known: ListedSubject | None, key: str, command: EnterListing, at_us: int, office: Office
) -> Applied:
    """List under a decision; the same decision again changes nothing, and renews nothing."""
    said = command.said
    past = (*known.earlier, known.listing) if known else ()
    if any(
        (each.authority_id, each.decision_no) == (command.authority_id, said.decision_no) for each in past
    ):
        return Applied(known)
    entered = listing.enter(
        said.token, said.ground, actor=command.actor, authority_id=command.authority_id,
        decision_no=said.decision_no, institutions=said.institutions, language=said.language,
        regime=office.laws.of(said.jurisdiction).on(at_us), now=at_us, earlier=past,
    )  # fmt: skip
    if isinstance(entered, Refusal):
        return Applied(known, (Refuse(f"{entered.why}: {entered.detail}"),))
    fresh = ListedSubject(
        subject_id=key, kind=said.kind, token=said.token, jurisdiction=said.jurisdiction, listing=entered,
        earlier=past[-EARLIER_MAX:], wrongful_us=known.wrongful_us if known else 0,
        version=known.version + 1 if known else 1,
    )  # fmt: skip
    return Applied(fresh, (_changed(fresh, at_us),))


def _acknowledged(known: ListedSubject, command: Acknowledged, at_us: int, office: Office) -> Applied:
    """Note who applied a listing, or its removal; what was meant of the other counts for nothing."""
    if command.listed != (known.listing.state in LIVE):
        return Applied(known)
    after = listing.acknowledge(known.listing, command.institution)
    mine = next((each for each in known.seen if each.institution == command.institution), None)
    seen = mine or Seen(institution=command.institution)
    field = "applied_us" if command.listed else "removed_us"
    if not getattr(seen, field):
        seen = replace(seen, **{field: command.applied_us})
    others = tuple(each for each in known.seen if each.institution != command.institution)
    ordered = tuple(sorted((*others, seen), key=lambda each: each.institution))
    return Applied(moved(known, listing=after, seen=ordered))


def _appealed(known: ListedSubject, command: AppealListing, at_us: int, office: Office) -> Applied:
    return _moved(known, listing.appeal(known.listing), at_us)


def _decided(known: ListedSubject, command: DecideListing, at_us: int, office: Office) -> Applied:
    """Decide an appeal; for how long a subject was listed wrongly is kept."""
    decided = listing.decide_appeal(
        known.listing, upheld=command.upheld, reasons=command.reason, by=command.by,
        regime=_regime(known, at_us, office), now=at_us,
    )  # fmt: skip
    applied = _moved(known, decided, at_us)
    if isinstance(decided, Refusal) or not command.upheld:
        return applied
    wrongly = known.wrongful_us + at_us - known.listing.listed_from_us
    return applied._replace(state=replace(applied.state, wrongful_us=wrongly))


def _recycled(known: ListedSubject, command: Recycled, at_us: int, office: Office) -> Applied:
    """End the listing of a number that has another subscriber since it was listed."""
    if known.listing.state not in LIVE or command.since_us <= known.listing.listed_from_us:
        return Applied(known)
    regime = _regime(known, at_us, office)
    ended = listing.ended(known.listing, "EXPIRED", "RECYCLED", by=(), regime=regime, now=at_us)
    return _moved(known, ended, at_us)


def _moved(known: ListedSubject, after: Listing | Refusal, at_us: int) -> Applied:
    if isinstance(after, Refusal):
        return Applied(known, (Refuse(f"{after.why}: {after.detail}"),))
    if known.listing.state in LIVE and after.state not in LIVE:
        gone = moved(known, listing=after, ended_us=at_us)
        return Applied(gone, (_changed(gone, at_us),))
    return Applied(moved(known, listing=after))


def _changed(known: ListedSubject, at_us: int) -> Followed:
    listed = known.listing.state in LIVE
    change = Changed(
        subject_id=known.subject_id, listing_id=known.listing.listing_id, listed=listed, at_us=at_us
    )
    return Send("list", known.jurisdiction, change)


def _regime(known: ListedSubject, at_us: int, office: Office) -> Any:
    return office.laws.of(known.jurisdiction).on(at_us)


_TAKES: Mapping[type, Callable[[ListedSubject, Any, int, Office], Applied]] = {
    Acknowledged: _acknowledged,
    AppealListing: _appealed,
    DecideListing: _decided,
    Recycled: _recycled,
}

LISTED = Aggregate(
    kind="listing",
    topic=topics.LISTINGS,
    state=ListedSubject,
    apply=apply,
    due=due,
    tick=tick,
    standing=lambda known, at_us: (_changed(known, at_us),),
)
