"""Who may have what blocked, for how long, and what a person must look at first.

- An entry ends: after the days of its kind, at the latest after `DAYS_MAX`; a new sighting extends it.
- To BLOCK takes an authority or two reporters; of one private reporter comes no more than a LABEL.
- What the guard holds (banks, hotlines, known sites, hosting suffixes) has no effect without review.
- An objection is acknowledged within an hour and decided within a day; what is lifted has no effect.
"""

from ipaddress import ip_network
from typing import NamedTuple

import msgspec

from measures.blocking.forms import form, hosts, is_short, registrable
from schemas.block import ACTIONS, BlockAction, BlockEntry, BlockKind, Source
from schemas.ids import derived_id
from schemas.names import folded
from schemas.units import DAY_US, HOUR_US

#: Days an entry lives unless the thing is seen again: sites move within days, numbers are handed on.
DAYS = {
    "DOMAIN": 90, "URL": 14, "IP": 7, "NUMBER": 7, "NUMBER_RANGE": 7, "SENDER_ID": 90, "APP_HASH": 365,
    "IMEI": 90, "WALLET": 365,
}  # fmt: skip
DAYS_MAX = 730

#: Distinct private reporters without whom nothing is blocked.
REPORTERS_TO_BLOCK = 2

ACKNOWLEDGE_US, DECIDE_US = HOUR_US, DAY_US


class Guard(NamedTuple):
    """What is never blocked without a person: domains with all below them, numbers, sender ids."""

    domains: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()

    def objection(self, kind: BlockKind, value: str) -> str:
        """Say why a value must not be blocked without review, "" if nothing is known."""
        if kind in ("DOMAIN", "URL"):
            return self._of_host(kind, value)
        if kind == "IP":
            return _of_nobody(value)
        if kind == "NUMBER_RANGE":
            first, last = value.split("-")
            inside = [each for each in self.numbers if len(each) == len(first) and first <= each <= last]
            if inside:
                return f"the range holds {len(inside)} protected numbers"
            return SHORT if is_short(first) or is_short(last) else ""
        if kind == "NUMBER" and is_short(value):
            return SHORT
        held = {"NUMBER": self.numbers, "SENDER_ID": self.senders}.get(kind, frozenset())
        return "a protected number or sender" if value in held else ""

    def _of_host(self, kind: BlockKind, value: str) -> str:
        host = value.partition("/")[0].partition(":")[0]
        if own := _of_nobody(host):
            return own
        if kind == "DOMAIN" and registrable(host) is None:
            return "a public suffix: all sites below it would go"
        if protected := next((each for each in hosts(host) if each in self.domains), ""):
            at_root = kind == "DOMAIN" or value.rstrip("/") == host
            return f"{protected} is protected" if at_root else f"a page of {protected}, which is protected"
        return ""


SHORT = "a short number, as emergency and service lines have"

#: Addresses that are in everybody's own network or machine (RFC 1918, 4193, 6598).
_OWN = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


def _of_nobody(value: str) -> str:
    """Say that an address or a network is nobody's in the public network, "" if it may be somebody's."""
    try:
        named = ip_network(value)
    except ValueError:
        return ""
    special = named.is_loopback or named.is_link_local or named.is_multicast or named.is_unspecified
    inside = any(named.version == own.version and named.overlaps(own) for own in _OWN)
    return "an address of no public network: everybody has it" if special or inside else ""


class Request(NamedTuple):
    """What somebody wants to have blocked."""

    kind: BlockKind
    value: str
    action: BlockAction
    source: Source
    at_us: int
    reason_code: str
    legal_basis: str
    remedy_channel: str
    documents_needed: tuple[str, ...] = ()
    days: int = 0
    region: str = ""
    jurisdiction: str = ""


def admitted(request: Request, before: BlockEntry | None, guard: Guard) -> BlockEntry:
    """Return the entry that follows from a request and what was listed `before`, which may be older or ended.

    Raises:
        ValueError: the value is nothing of its kind, or the term is none.

    """
    value = form(request.kind, request.value, request.region)
    days = request.days or DAYS[request.kind]
    if not 0 < days <= DAYS_MAX:
        raise ValueError(f"an entry lasts 1 to {DAYS_MAX} days")
    running = before is not None and before.state != "LIFTED" and before.valid_to_us > request.at_us
    known = before.sources if running and before else ()
    sources = tuple({folded(each.reporter): each for each in (*known, request.source)}.values())
    review = guard.objection(request.kind, value)
    seen = running and before is not None and before.state == "ACTIVE" and before.review == review
    strongest = (
        request.action if not (running and before) else max(before.action, request.action, key=ACTIONS.index)
    )
    ends_us = request.at_us + days * DAY_US
    return BlockEntry(
        entry_id=derived_id("block", request.kind, value),
        kind=request.kind,
        value=value,
        action=allowed(strongest, sources),
        state="IN_REVIEW" if review and not seen else "ACTIVE",
        valid_from_us=before.valid_from_us if running and before else request.at_us,
        valid_to_us=max(ends_us, before.valid_to_us) if running and before else ends_us,
        sources=sources,
        reason_code=request.reason_code,
        legal_basis=request.legal_basis,
        remedy_channel=request.remedy_channel,
        documents_needed=request.documents_needed,
        review=review,
        jurisdiction=(before.jurisdiction if running and before else "") or request.jurisdiction,
        version=before.version + 1 if before else 1,
    )


def allowed(action: BlockAction, sources: tuple[Source, ...]) -> BlockAction:
    """Return how far an action goes for who asks for it: an authority, two reporters, or less."""
    if any(each.authority for each in sources) or len(sources) >= REPORTERS_TO_BLOCK:
        return action
    return min(action, "LABEL", key=ACTIONS.index)


def lifted(entry: BlockEntry, at_us: int) -> BlockEntry:
    """Return an entry without effect from `at_us` on; lifting what is lifted changes nothing."""
    if entry.state == "LIFTED":
        return entry
    return msgspec.structs.replace(entry, state="LIFTED", valid_to_us=at_us, version=entry.version + 1)


def confirmed(entry: BlockEntry) -> BlockEntry:
    """Return an entry that a person has looked at and lets have effect."""
    return (
        msgspec.structs.replace(entry, state="ACTIVE", version=entry.version + 1)
        if entry.state == "IN_REVIEW"
        else entry
    )


def in_force(entry: BlockEntry, at_us: int) -> bool:
    """Tell whether an entry has an effect at a time."""
    return entry.state == "ACTIVE" and entry.valid_from_us <= at_us < entry.valid_to_us


def appeal_due(at_us: int) -> tuple[int, int]:
    """Return until when an objection of that time is acknowledged and decided."""
    return at_us + ACKNOWLEDGE_US, at_us + DECIDE_US


def wrongful_minutes(entry: BlockEntry) -> float:
    """Return for how long a thing was blocked that should not have been, minutes."""
    blocked = entry.state == "LIFTED" and entry.action == "BLOCK"
    return (entry.valid_to_us - entry.valid_from_us) / 60_000_000 if blocked else 0.0
