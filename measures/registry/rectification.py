"""Rectification of institutions: told by rule, plan, evidence, verified, or overdue and a tier higher.

Accounts, outlets and insiders are tracks of their own. A league goes by rate, never by count, and shows how
many customers were refused beside it: who refuses everybody has few mules and no merit.
"""

from collections.abc import Iterable
from statistics import median
from typing import Any, NamedTuple

from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Office, Refuse, moved
from schemas import topics
from schemas.casework import CountMule, Rectify, StatePeers
from schemas.ids import derived_id
from schemas.rectification import Mule, Notice, Rectification, Track
from schemas.units import DAY_US

#: Confirmed subjects of a track in so many days that raise a notice, and days until it is verified.
MULES_MIN, WINDOW_US, TERM_US = 3, 30 * DAY_US, 30 * DAY_US
#: A rate or a refusal rate so many times that of the median stands out.
OUTSTANDING = 3
#: Remembered.
MULES_MAX, NOTICES_MAX, SAID_MAX, TIER_MAX = 1_000, 64, 64, 9

_STEPS = {"PLAN": "PLANNED", "EVIDENCE": "EVIDENCE_GIVEN", "VERIFIED": "VERIFIED", "REFUSED": "NOTIFIED"}


def apply(known: Rectification | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Apply a command to the record of institution `key`."""
    now = known or Rectification(institution=key, version=0)
    if isinstance(command, CountMule):
        after = _counted(now, command, at_us)
        return Applied(known if after is now else after)
    if isinstance(command, StatePeers):
        return Applied(
            moved(
                now, accounts=command.accounts, asked=command.asked,
                refused=min(command.refused, command.asked), wrongly_limited=command.wrongly_limited,
            )
        )  # fmt: skip
    if isinstance(command, Rectify):
        return _rectified(known, command)
    return Applied(known, (Refuse("an institution's record takes counts, plans and evidence"),))


def due(known: Rectification) -> int | None:
    """Return when the next notice is overdue."""
    return min((each.due_us for each in known.notices if each.state != "VERIFIED"), default=None)


def tick(known: Rectification, at_us: int, office: Office) -> Applied:
    """Tell an institution again, a tier higher, of what was not verified in time."""
    notices = tuple(
        replace(each, state="OVERDUE", tier=min(each.tier + 1, TIER_MAX), due_us=at_us + TERM_US)
        if each.state != "VERIFIED" and each.due_us <= at_us
        else each
        for each in known.notices
    )
    return Applied(moved(known, notices=notices))


def refusals(known: Rectification) -> int:
    """Return of 10,000 customers who asked how many were refused."""
    return 10_000 * known.refused // known.asked if known.asked else 0


class Standing(NamedTuple):
    """One line of the league: confirmed subjects a 100,000 accounts, refusals, and what stands out."""

    institution: str
    rate: float
    refusal_per_10k: int
    wrongly_limited: int
    flags: tuple[str, ...]


def league(known: Iterable[Rectification], at_us: int) -> list[Standing]:
    """Return institutions by rate, highest first; those who keep no account are left out."""
    found = [each for each in known if each.accounts]
    rates = {each.key: 100_000 * len(_recent(each, None, at_us)) / each.accounts for each in found}
    middle = median(rates.values()) if rates else 0
    refusing = median(map(refusals, found)) if found else 0
    lines = [
        Standing(
            each.key, rates[each.key], refusals(each), each.wrongly_limited,
            (("MULES",) if rates[each.key] > OUTSTANDING * middle else ())
            + (("REFUSES_TOO_MANY",) if refusals(each) > OUTSTANDING * refusing else ()),
        )
        for each in found
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (-line.rate, line.institution))


def _counted(known: Rectification, command: CountMule, at_us: int) -> Rectification:
    others = tuple(each for each in known.mules if each.subject_id != command.subject_id)
    mule = Mule(subject_id=command.subject_id, track=command.track, at_us=at_us)
    if command.confirmed and len(others) < len(known.mules):
        return known
    mules = (*others, mule)[-MULES_MAX:] if command.confirmed else others
    after = moved(known, mules=tuple(each for each in mules if each.at_us > at_us - 2 * WINDOW_US))
    return _noticed(after, command.track, at_us)


def _recent(known: Rectification, track: Track | None, at_us: int) -> list[Mule]:
    return [each for each in known.mules if track in (None, each.track) and each.at_us > at_us - WINDOW_US]


def _noticed(known: Rectification, track: Track, at_us: int) -> Rectification:
    """Raise a notice where the rule asks for one and none is open; what counted before counts once."""
    before = [each for each in known.notices if each.track == track]
    if any(each.state != "VERIFIED" for each in before):
        return known
    since = max((each.opened_us for each in before), default=-1)
    count = sum(each.at_us > since for each in _recent(known, track, at_us))
    if count < MULES_MIN:
        return known
    fresh = Notice(
        notice_id=derived_id("notice", known.institution, track, at_us), track=track, count=count,
        refusal_per_10k=refusals(known), opened_us=at_us, due_us=at_us + TERM_US, relapse=bool(before),
    )  # fmt: skip
    return moved(known, notices=(*known.notices, fresh)[-NOTICES_MAX:])


def _rectified(known: Rectification | None, command: Rectify) -> Applied:
    """Take the next step of the open notice of a track; a supervisor verifies only evidence."""
    waiting = [each for each in known.notices if each.track == command.track] if known else []
    if known is None or not waiting or waiting[-1].state == "VERIFIED":
        return Applied(known, (Refuse("there is no open notice on this track"),))
    now = waiting[-1]
    if command.step == "VERIFIED" and now.state != "EVIDENCE_GIVEN":
        return Applied(known, (Refuse("nothing is verified without evidence"),))
    told = f"{command.step} by {', '.join(command.by)}: {command.reference}"[:1000]
    if now.said and now.said[-1] == told:
        return Applied(known)
    after = replace(now, state=_STEPS[command.step], said=(*now.said, told)[-SAID_MAX:])
    return Applied(moved(known, notices=tuple(after if each is now else each for each in known.notices)))


INSTITUTION = Aggregate(
    kind="institution", topic=topics.RECTIFICATIONS, state=Rectification, apply=apply, due=due, tick=tick
)
