"""The versions of a country's list, and up to which of them each institution has applied it.

A version is an opaque name; an institution that says it has applied one has applied every change before it.
"""

from typing import Any

from measures.aggregate import Aggregate, Applied, Office, Refuse, Send, moved
from schemas import topics
from schemas.casework import Acknowledged, ApplyListing, Changed
from schemas.ids import derived_id
from schemas.subject import ListChange, ListVersions

#: Changes that are remembered; who is further behind takes the whole list.
CHANGES_MAX = 1_000


def version_of(jurisdiction: str, number: int) -> str:
    """Return the name of a version; nothing can be read from it."""
    return derived_id("list", jurisdiction, number)


def apply(known: ListVersions | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Add a change to the list of country `key`, or take an acknowledgement to the listings it is about."""
    now = known or ListVersions(jurisdiction=key, number=0, named=version_of(key, 0), version=0)
    if isinstance(command, Changed):
        if any(
            (each.listing_id, each.listed) == (command.listing_id, command.listed) for each in now.changes
        ):
            return Applied(known)
        change = ListChange(
            number=now.number + 1, subject_id=command.subject_id, listing_id=command.listing_id,
            listed=command.listed, at_us=command.at_us,
        )  # fmt: skip
        named = version_of(key, change.number)
        changes = (*now.changes, change)[-CHANGES_MAX:]
        return Applied(moved(now, number=change.number, named=named, changes=changes))
    if isinstance(command, ApplyListing):
        return _applied(now, command)
    return Applied(known, (Refuse("a list takes changes and acknowledgements"),))


def _applied(known: ListVersions, command: ApplyListing) -> Applied:
    oldest = known.changes[0].number if known.changes else known.number + 1
    numbers = range(oldest - 1, known.number + 1)
    number = next((n for n in numbers if version_of(known.jurisdiction, n) == command.version), None)
    if number is None:
        return Applied(known, (Refuse("no version that is remembered; take the whole list"),))
    since, until = known.applied.get(command.institution, (0, 0))
    if number > until:
        since, until = until, number
        known = moved(known, applied=known.applied | {command.institution: (since, until)})
    told = tuple(
        Send(
            "listing", each.subject_id,
            Acknowledged(institution=command.institution, applied_us=command.applied_us, listed=each.listed),
        )
        for each in known.changes
        if since < each.number <= number
    )  # fmt: skip
    return Applied(known, told)


VERSIONS = Aggregate(kind="list", topic=topics.LIST_VERSIONS, state=ListVersions, apply=apply)
