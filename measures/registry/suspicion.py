"""What is suspected of a subject: tiers, sources, counters, and an end (domain.md 4.7).

- One private reporter warns, an institution may delay; to hold takes an authority or two independent
  sources, and a person looks within half an hour or it falls to a delay.
- Twelve months after its newest source a suspicion ends. Nothing here ever has a listing's effect.
- Counters are recounted from what happened: a report that is taken back or rejected is no report any more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Followed, Office, Refuse, Send, moved
from measures.refusal import Refusal
from measures.registry import by_law
from measures.registry.proposing import proposed
from schemas import topics
from schemas.casework import (
    Confirm,
    CountMule,
    CountSettlements,
    DoAction,
    JudgeSubject,
    ProposeListing,
    Recycled,
    SuspectSubject,
    TraceTold,
    Verified,
    Withdraw,
)
from schemas.ids import derived_id
from schemas.names import folded
from schemas.report import Answer
from schemas.subject import WINDOWS_DAYS, Day, Happened, SubjectSource, Suspicion
from schemas.units import DAY_US, MINUTE_US

#: A suspicion ends so long after its newest source (domain.md 4.11).
LIFE_US = 365 * DAY_US
#: A hold of a suspicion waits so long for a person.
REVIEW_US = 30 * MINUTE_US
#: Sources that make a tier 3 by themselves.
INDEPENDENT = 2
#: What a subject remembers; what is older than the longest window goes first, then the oldest.
HISTORY_MAX, DAYS_MAX, TRACES_MAX = 1_000, WINDOWS_DAYS["60m"], 64

#: A subject of a kind counts against its institution on a track of its own.
TRACKS: Mapping[str, Any] = {"OUTLET": "OUTLET", "INSIDER": "INSIDER"}


def tier_of(sources: Iterable[SubjectSource]) -> int:
    """Return the tier that sources carry together; 0 without any.

    >>> tier_of([SubjectSource(reporter="bank-1", tier=3)])
    2
    >>> tier_of([SubjectSource(reporter="bank-1", tier=3), SubjectSource(reporter="bank-2")])
    3
    """
    named = {folded(each.reporter): each for each in sources}
    if not named:
        return 0
    asked = max(each.tier for each in named.values())
    if any(each.authority for each in named.values()) or len(named) >= INDEPENDENT:
        return asked
    return min(asked, 1 if all(each.citizen for each in named.values()) else 2)


def apply(known: Suspicion | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Apply a command to the suspicion of subject `key`."""
    found = _applied(known, key, command, at_us, office)
    if found.state is None or found.state is known:
        return found
    return found._replace(state=by_law.applied(known, found.state, office.laws, at_us, confirmed_mule))


def _applied(known: Suspicion | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    if isinstance(command, DoAction):
        return _asked_by_report(known, key, command, at_us)
    if isinstance(command, SuspectSubject):
        before = known or fresh(key, command.kind, command.token, at_us)
        before = replace(before, jurisdiction=before.jurisdiction or command.jurisdiction)
        before = (
            replace(before, role=command.role, institution=command.institution or before.institution)
            if command.role != "UNKNOWN"
            else replace(before, institution=command.institution or before.institution)
        )
        source = replace(command.source, tier=command.tier, at_us=at_us)
        after = _suspected(before, source, at_us)
        return Applied(after if known is None or replace(after, version=known.version) != known else known)
    if isinstance(command, ProposeListing):
        waiting = proposed(known.proposals if known else (), command, at_us, office.laws)
        if isinstance(waiting, Refusal):
            return Applied(known, (Refuse(f"{waiting.why}: {waiting.detail}"),))
        return Applied(moved(known or fresh(key, command.kind, command.token, at_us), proposals=waiting))
    if known is None:
        told = isinstance(command, Withdraw | Confirm | TraceTold | Verified | Recycled)
        return Applied(None, () if told else (Refuse("nothing is suspected of this subject"),))
    return _TAKES[type(command)](known, command, at_us, office)


def fresh(key: str, kind: Any, token: str, at_us: int) -> Suspicion:
    """Return a subject of whom nothing is suspected yet."""
    return Suspicion(
        subject_id=key,
        kind=kind,
        token=token,
        tier=0,
        state="EXPIRED",
        since_us=at_us,
        valid_to_us=at_us,
        version=0,
    )


def due(known: Suspicion) -> int | None:
    """Return when a person's time is over, or the suspicion is."""
    if known.state == "IN_REVIEW":
        return min(known.review_due_us, known.valid_to_us)
    return known.valid_to_us if known.state == "ACTIVE" else None


def tick(known: Suspicion, at_us: int, office: Office) -> Applied:
    """End a suspicion, or the hold nobody confirmed in time."""
    if at_us >= known.valid_to_us:
        ended = moved(known, state="EXPIRED", tier=0, review_due_us=0, ended_why="TERM_ENDED", marker="")
        return Applied(ended)
    return Applied(moved(known, state="ACTIVE", tier=2, review_due_us=0))


def _asked_by_report(known: Suspicion | None, key: str, do: DoAction, at_us: int) -> Applied:
    """Suspect whom a report names and answer it; a repetition changes nothing and is answered again."""
    kind: Any = do.entity.kind
    before = known or fresh(key, kind, do.entity.value, at_us)
    before = replace(before, jurisdiction=before.jurisdiction or do.jurisdiction)
    said = _known(before, at_us)
    heard = do.report_id in {each.report_id for each in before.sources} | {
        each.report_id for each in before.history
    }
    source = SubjectSource(
        reporter=do.source.reporter,
        authority=do.source.authority,
        report_id=do.report_id,
        tier=3 if do.priority >= 3 else do.priority,
        citizen=do.origin in ("CITIZEN", "PLATFORM", "FOREIGN"),
        at_us=at_us,
    )
    institution = do.entity.institution or before.institution
    after = known or before if heard else replace(_suspected(before, source, at_us), institution=institution)
    told = Answer(
        report_id=do.report_id,
        action_id=do.action.action_id,
        recipient=do.action.recipient,
        result="ACTED",
        proof=f"{after.subject_id} version {after.version}",
        known=said,
        effect=f"TIER_{after.tier}" if heard or after.tier != before.tier else "",
    )
    return Applied(after, (Send("report", do.report_id, told),))


def _known(known: Suspicion, at_us: int) -> str:
    """Say what the registry and the traces know of a subject: a report is enriched by it."""
    counted = known.counters(at_us, WINDOWS_DAYS["60m"])
    traced = (
        f", {known.tainted_minor} {known.currency} of traced money reached it" if known.tainted_minor else ""
    )
    return (
        f"tier {known.tier}, {counted.reports} reports of {counted.distinct_reporters} reporters, "
        f"{counted.confirmed} confirmed, {counted.rejected} rejected{traced}"
    )


def _suspected(known: Suspicion, source: SubjectSource, at_us: int) -> Suspicion:
    """Return a suspicion with one more source, or the same reporter's newer word."""
    running = known.state in ("ACTIVE", "IN_REVIEW") and at_us < known.valid_to_us
    who = folded(source.reporter)
    others = tuple(each for each in known.sources if folded(each.reporter) != who) if running else ()
    sources = (*others, source)
    happened = Happened(at_us=at_us, what="REPORTED", reporter=source.reporter, report_id=source.report_id)
    history = known.history
    if not any((each.reporter, each.report_id, each.what) == (source.reporter, source.report_id, "REPORTED")
               for each in history if source.report_id) :  # fmt: skip
        history = (*history, happened)
    after = replace(
        known,
        sources=sources,
        since_us=known.since_us if running else at_us,
        valid_to_us=at_us + LIFE_US,
        ended_why="",
        reviewed_by=known.reviewed_by if running else (),
        version=known.version + 1,
    )
    return _tiered(_remembered(after, history, at_us), at_us, held=known.tier == 3 and running)


def _tiered(known: Suspicion, at_us: int, *, held: bool) -> Suspicion:
    """Return a suspicion with the tier of its sources; a fresh hold waits for a person."""
    tier = tier_of(known.sources)
    if tier < 3 or known.reviewed_by:
        return replace(known, tier=tier, state="ACTIVE", review_due_us=0)
    if held and known.state == "IN_REVIEW":
        return replace(known, tier=3)
    return replace(known, tier=3, state="IN_REVIEW", review_due_us=at_us + REVIEW_US)


def _lowered(known: Suspicion, at_us: int) -> Suspicion:
    """Return a suspicion with what its sources still carry; fewer sources never raise a tier."""
    tier = min(known.tier, tier_of(known.sources))
    if tier == 3:
        return known
    if tier == 0:
        return replace(
            known, tier=0, state="ENDED", review_due_us=0, ended_why="WITHDRAWN", valid_to_us=at_us
        )
    return replace(known, tier=tier, state="ACTIVE", review_due_us=0)


def _remembered(known: Suspicion, history: tuple[Happened, ...], at_us: int) -> Suspicion:
    oldest = at_us - WINDOWS_DAYS["60m"] * DAY_US
    kept = tuple(each for each in history if each.at_us > oldest)[-HISTORY_MAX:]
    return replace(known, history=kept, forgotten=known.forgotten + len(history) - len(kept))


def _withdrawn(known: Suspicion, command: Withdraw, at_us: int, office: Office) -> Applied:
    """Take one report's word away; its count too, and count the rejection."""
    if not any(each.report_id == command.report_id for each in known.history):
        return Applied(known)
    if command.rejected and any(
        each.what == "REJECTED" and each.report_id == command.report_id for each in known.history
    ):
        return Applied(known)
    history = tuple(each for each in known.history if each.report_id != command.report_id)
    if command.rejected:
        rejected = Happened(
            at_us=at_us, what="REJECTED", reporter=command.reporter, report_id=command.report_id
        )
        history = (*history, rejected)
    sources = tuple(each for each in known.sources if each.report_id != command.report_id)
    after = _remembered(replace(known, sources=sources), history, at_us)
    if sources != known.sources and known.state in ("ACTIVE", "IN_REVIEW"):
        after = _lowered(after, at_us)
    after = moved(
        known, **{name: getattr(after, name) for name in after.__struct_fields__ if name != "version"}
    )
    return Applied(after, _mule(known, after))


def _confirmed(known: Suspicion, command: Confirm, at_us: int, office: Office) -> Applied:
    """Count a report that was found to be right, once."""
    if any(each.what == "CONFIRMED" and each.report_id == command.report_id for each in known.history):
        return Applied(known)
    happened = Happened(at_us=at_us, what="CONFIRMED", reporter=command.reporter, report_id=command.report_id)
    remembered = _remembered(known, (*known.history, happened), at_us)
    after = moved(known, history=remembered.history, forgotten=remembered.forgotten)
    return Applied(after, _mule(known, after))


def _judged(known: Suspicion, command: JudgeSubject, at_us: int, office: Office) -> Applied:
    """Let a person confirm a hold, or clear the subject."""
    if not command.reason.strip():
        return Applied(known, (Refuse("who judges names a reason"),))
    if not command.upheld:
        cleared = moved(
            known, state="CLEARED", tier=0, sources=(), review_due_us=0, reviewed_by=command.by,
            valid_to_us=at_us if known.state in ("ACTIVE", "IN_REVIEW") else known.valid_to_us,
            ended_why=command.reason,
        )  # fmt: skip
        return Applied(cleared, _mule(known, cleared))
    if known.state not in ("ACTIVE", "IN_REVIEW"):
        return Applied(known, (Refuse("nothing is suspected any more"),))
    after = moved(known, state="ACTIVE", tier=tier_of(known.sources), review_due_us=0, reviewed_by=command.by)
    return Applied(after, _mule(known, after))


def _verified(known: Suspicion, command: Verified, at_us: int, office: Office) -> Applied:
    """Clear a line whose user was verified again."""
    if known.state not in ("ACTIVE", "IN_REVIEW"):
        return Applied(known)
    people = command.by or ("operator",)
    judged = JudgeSubject(subject_id=known.key, upheld=False, by=people, reason="IDENTITY_VERIFIED")
    return _judged(known, judged, at_us, office)


def _recycled(known: Suspicion, command: Recycled, at_us: int, office: Office) -> Applied:
    """End what was said of a number's last subscriber: the next one is somebody else."""
    if command.since_us <= known.since_us and known.state in ("ACTIVE", "IN_REVIEW"):
        return Applied(known, (Refuse("the subscriber was the same when it was reported"),))
    ended = moved(
        known, state="ENDED", tier=0, sources=(), history=(), days=(), review_due_us=0, reviewed_by=(),
        ended_why="RECYCLED", valid_to_us=min(known.valid_to_us, at_us),
    )  # fmt: skip
    return Applied(ended, _mule(known, ended))


def _settled(known: Suspicion, command: CountSettlements, at_us: int, office: Office) -> Applied:
    others = tuple(each for each in known.days if each.day != command.day)
    told = Day(day=command.day, settlements=command.settlements, accounts=command.accounts)
    return Applied(moved(known, days=tuple(sorted((*others, told), key=lambda each: each.day))[-DAYS_MAX:]))


def _traced(known: Suspicion, command: TraceTold, at_us: int, office: Office) -> Applied:
    """Add traced money once; another currency than the first is left out."""
    if command.trace_id in known.traces or known.currency not in ("", command.currency):
        return Applied(known)
    return Applied(
        moved(
            known,
            tainted_minor=known.tainted_minor + command.amount_minor,
            currency=command.currency,
            traces=(*known.traces, command.trace_id)[-TRACES_MAX:],
        )
    )


def confirmed_mule(known: Suspicion) -> bool:
    """Tell whether a subject counts against its institution: a report of it or a person confirmed it."""
    running = known.state in ("ACTIVE", "IN_REVIEW")
    return running and (bool(known.reviewed_by) or any(each.what == "CONFIRMED" for each in known.history))


def _mule(was: Suspicion, known: Suspicion) -> tuple[Followed, ...]:
    """Tell the institution's record of a subject that is confirmed now, or no longer is."""
    return () if confirmed_mule(was) == confirmed_mule(known) else standing(known, 0)


def standing(known: Suspicion, at_us: int) -> tuple[Followed, ...]:
    """Return what the institution's record is told of a subject as it is."""
    if not known.institution:
        return ()
    counted = CountMule(
        subject_id=known.subject_id, track=TRACKS.get(known.kind, "ACCOUNTS"), confirmed=confirmed_mule(known)
    )
    return (Send("institution", known.institution, counted),)


def key_of(kind: str, token: str) -> str:
    """Name a subject."""
    return derived_id("subject", kind, token)


_TAKES: Mapping[type, Callable[[Suspicion, Any, int, Office], Applied]] = {
    Withdraw: _withdrawn,
    Confirm: _confirmed,
    JudgeSubject: _judged,
    Recycled: _recycled,
    CountSettlements: _settled,
    TraceTold: _traced,
    Verified: _verified,
}

SUSPICION = Aggregate(
    kind="suspicion",
    topic=topics.SUSPICIONS,
    state=Suspicion,
    apply=apply,
    due=due,
    tick=tick,
    standing=standing,
)
