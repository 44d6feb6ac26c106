"""Rings from one look to the next: an id stays with most of its accounts; merges and splits are told."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from measures.rings import money
from measures.rings.associates import of_component
from measures.rings.components import Component, components, leiden
from measures.rings.links import Known
from schemas.ids import derived_id
from schemas.ring import Change, Member, Ring

#: What measures hold: account -> currency -> minor units.
Held = Mapping[str, Mapping[str, int]]


def found(of: Known, held: Held) -> list[Ring]:
    """Return the rings that are to be seen in what is known, without their history."""
    return rings_of(components(of, leiden), held, of.at_us)


def rings_of(
    each: Sequence[Component], held: Held, at_us: int, elsewhere: Iterable[tuple[int, int]] = ()
) -> list[Ring]:
    """Return the ring of each component; how long money rests is seen over all of them, and `elsewhere`."""
    resting = money.Resting([*elsewhere, *(rest for one in each for rest in rested(one))])
    return [_ring(one, money.passings(one.accounts, one.links), held, resting, at_us) for one in each]


def rested(component: Component) -> list[tuple[int, int]]:
    """Return how long money rested in a component's accounts: (microseconds, minor units) of what left."""
    by_account = money.passings(component.accounts, component.links).values()
    return [rest for by_currency in by_account for each in by_currency.values() for rest in money.rests(each)]


def _ring(
    component: Component,
    passing: Mapping[str, Mapping[str, money.Passing]],
    held: Held,
    resting: money.Resting,
    at_us: int,
) -> Ring:
    members = []
    for account in sorted(component.accounts):
        role, reason = money.role(passing[account], component.accounts)
        sums = money.sums(passing[account], held.get(account, {}), resting, at_us)
        members.append(Member(account_token=account, role=role, reason=reason, sums=sums))
    victims = {link.left for link in component.links if link.kind == "DECEIVED"}
    called: defaultdict[str, set[str]] = defaultdict(set)
    for link in component.links:
        if link.kind == "CALLED":
            called[link.left].add(link.right)
    associates = of_component(component)
    return Ring(
        ring_id=derived_id("ring", *sorted(component.accounts)),
        change="BEGAN",
        at_us=at_us,
        first_us=min(link.at_us for link in component.links),
        last_us=max(link.at_us for link in component.links),
        members=tuple(members),
        victims=len(victims),
        numbers=tuple(sorted(number for number, parties in called.items() if len(parties) > 1)),
        sums=money.together(members),
        fund_owners=tuple(each.token for each in associates if each.role == "FUND_OWNER"),
        hubs=component.hubs,
        evidence=tuple(sorted({link.cause_id for link in component.links})),
        associates=associates,
    )


def changes(before: Iterable[Ring], now: Sequence[Ring]) -> list[Ring]:
    """Return the rings that changed since `before`, each with its id, its change and where it came from.

    A ring keeps the id of the earlier one with which it shares most accounts, if that shares most with it;
    an earlier one that no ring keeps ENDED, `into` says where. What did not change is not told again.
    """
    earlier = {ring.ring_id: ring for ring in before if ring.change != "ENDED"}
    ring_of = {member.account_token: ring_id for ring_id, ring in earlier.items() for member in ring.members}
    shared = [_shared(ring, ring_of) for ring in now]
    heir = {old: _heir(old, shared) for old in earlier}
    told, kept = [], set()
    for at, ring in enumerate(now):
        heard = sorted(
            (old for old in shared[at] if heir[old] == at),
            key=lambda old: (-shared[at][old], earlier[old].first_us, old),
        )
        name = heard[0] if heard else ring.ring_id
        if not heard and name in earlier:  # it has split from a ring that keeps this name
            name = derived_id("ring", name, *ring.evidence)
        kept.add(name)
        from_rings = tuple(sorted(set(shared[at]) - {name}))
        change: Change = "BEGAN"
        if heard:
            change = "MERGED" if len(heard) > 1 else "CHANGED"
        elif from_rings:
            change = "SPLIT"
        named = msgspec.structs.replace(ring, ring_id=name, change=change, from_rings=from_rings)
        if name not in earlier or not _same(named, earlier[name]):
            told.append(named)
        for old in heard[1:]:
            told.append(Ring(ring_id=old, change="ENDED", at_us=ring.at_us, into=name))
    gone = set(earlier) - kept - {ring.ring_id for ring in told}
    at_us = max((ring.at_us for ring in now), default=0)
    told += [Ring(ring_id=old, change="ENDED", at_us=max(at_us, earlier[old].at_us)) for old in sorted(gone)]
    return told


def _heir(old: str, shared: Sequence[Mapping[str, int]]) -> int:
    """Return which of today's rings has most of an earlier one's accounts; -1 if there is no ring."""
    return max(range(len(shared)), key=lambda at: (shared[at].get(old, 0), -at), default=-1)


def _shared(ring: Ring, ring_of: Mapping[str, str]) -> dict[str, int]:
    """Count the accounts that a ring has of each earlier one."""
    found: defaultdict[str, int] = defaultdict(int)
    for member in ring.members:
        if old := ring_of.get(member.account_token):
            found[old] += 1
    return dict(found)


def _same(now: Ring, before: Ring) -> bool:
    """Whether no fact and no sum is new; what is at risk falls with time, which is no news."""
    return (now.evidence, now.associates, _standing(now)) == (
        before.evidence, before.associates, _standing(before),
    )  # fmt: skip


def _standing(ring: Ring) -> list[tuple[str, str, tuple[tuple[str, int, int], ...]]]:
    return [
        (
            member.account_token,
            member.role,
            tuple((each.currency, each.held_minor, each.freezable_minor) for each in member.sums),
        )
        for member in ring.members
    ]
