"""What people look after besides cases: reports, registry, listings, blocking, institutions, rings."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from desk.projections.aggregates import KEPT, desks_own
from schemas import topics
from schemas.action import ActionKind

Offered = tuple[ActionKind, ...]


class Plane(NamedTuple):
    """One of them.

    Attributes:
        name: names its routes and its words.
        topic: where its aggregates stand.
        record: what one is.
        acts: what may be decided about one at all.
        offered: which of them as it is.
        new: what may be decided without one.
        quota: looking somebody up here counts in a person's quota.

    """

    name: str
    topic: str
    record: type[msgspec.Struct]
    acts: Offered
    offered: Callable[[Any], Offered]
    new: Offered = ()
    quota: bool = False


def _report(case: Any) -> Offered:
    if case.closed_us:
        return ()
    return ("LOOK", "FINDING") if desks_own(case) else ("FINDING",)


def _suspicion(known: Any) -> Offered:
    return ("JUDGE",) if known.state in ("ACTIVE", "IN_REVIEW") else ()


def _listed(known: Any) -> Offered:
    return ("LISTED_APPEAL",) if known.listing.state == "UNDER_APPEAL" else ()


def _block(entry: Any) -> Offered:
    if entry.state == "LIFTED":
        return ()
    found: Offered = ("UNBLOCK",)
    if entry.state == "IN_REVIEW":
        found = ("ADMIT", *found)
    return ("OBJECTION", *found) if entry.objection and not entry.objection.decided_us else found


def _institution(known: Any) -> Offered:
    return ("RECTIFY",) if any(each.state != "VERIFIED" for each in known.notices) else ()


def _plane(
    name: str, topic: str, acts: Offered, offered: Callable[[Any], Offered], new: Offered = (), *,
    quota: bool = False,
) -> Plane:  # fmt: skip
    return Plane(name, topic, KEPT[topic][0], acts, offered, new, quota)


#: By name, in the order in which pages show them.
PLANES: Mapping[str, Plane] = {
    each.name: each
    for each in (
        _plane("reports", topics.REPORT_ACTIONS, ("LOOK", "FINDING"), _report),
        _plane("registry", topics.SUSPICIONS, ("JUDGE",), _suspicion, ("SUSPECT", "PROPOSE"), quota=True),
        _plane("listings", topics.LISTINGS, ("LISTED_APPEAL",), _listed, ("LIST",), quota=True),
        _plane("blocks", topics.BLOCKS, ("OBJECTION", "ADMIT", "UNBLOCK"), _block, ("BLOCK",)),
        _plane("institutions", topics.RECTIFICATIONS, ("RECTIFY",), _institution),
        _plane("rings", topics.CASES, (), lambda ring: ()),
    )
}

#: Action about one of them -> the topic it stands on.
PLANE_OF_ACT: Mapping[ActionKind, str] = {act: each.topic for each in PLANES.values() for act in each.acts}

#: Topic -> name of its plane.
PLANE_OF: Mapping[str, str] = {each.topic: each.name for each in PLANES.values()}
