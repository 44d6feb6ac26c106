"""Which suspected accounts hang together: union-find, hubs left out, groups inside what is too big."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from measures.rings.links import CALLED_FOR, Known
from measures.union_find import UnionFind
from schemas.ring import Link

#: What more than so many others share ties nobody: an exchange, a call centre, a shop.
HUB = 50

#: A component of more accounts is looked at for groups inside it.
TOO_BIG = 200

#: So many accounts that hang together without a payee are a group of their own; so many groups that nothing
#: else ties make their common payee a platform. Fewer are rather the cells of one ring.
GROUP, GROUPS = 2, 3


class Component(NamedTuple):
    """Accounts that hang together, with the links between them, out of them and into them.

    Attributes:
        accounts: suspected.
        links: by time.
        hubs: how many things were left out because too many share them.
        platforms: suspected accounts that it pays and other groups pay, too: which, and how many groups.

    """

    accounts: frozenset[str]
    links: tuple[Link, ...]
    hubs: int
    platforms: tuple[tuple[str, int], ...] = ()


def components(
    of: Known,
    groups: Callable[[frozenset[str], Iterable[Link]], list[set[str]]],
    hubs: Collection[str] | None = None,
) -> list[Component]:
    """Return the components of two or more suspected accounts, by their smallest token.

    Only what is itself suspected, a victim or a number ties accounts: two accounts that both pay one shop
    are not tied by it. `groups` divides a component that is too big to be a ring. `hubs` are
    named where `of` is a part of what is known.
    """
    hubs = _hubs(of) if hubs is None else set(hubs)
    near = [
        link
        for link in of.links
        if link.left not in hubs and link.right not in hubs and reaches(link, of.suspected.__contains__)
    ]
    ways = [link for link in near if not link.traced]
    shared_by = _platforms(near, of.suspected)
    tied = _tied(ways, shared_by)
    sets = [found for found in tied.sets() if len(found & of.suspected) > 1]
    place = {name: number for number, found in enumerate(sets) for name in found}
    inside: defaultdict[int, list[Link]] = defaultdict(list)
    shared: defaultdict[int, set[str]] = defaultdict(set)
    for link in of.links:
        ends = [end for end in (link.left, link.right) if end in place]
        for number in {place[end] for end in ends}:
            inside[number].append(link)
            shared[number] |= hubs & {link.left, link.right}
    found = []
    for number, names in enumerate(sets):
        accounts = frozenset(names & of.suspected)
        parts = [accounts] if len(accounts) <= TOO_BIG else groups(accounts, inside[number])
        for part in (frozenset(each) for each in parts if len(each) > 1):
            links = _telling(inside[number] if len(parts) == 1 else _around(part, inside[number]))
            paid = {link.right for link in links if link.kind == "PAID" and link.left in part}
            platforms = tuple((name, shared_by[name]) for name in sorted(paid & shared_by.keys()))
            found.append(Component(part, tuple(links), len(shared[number]), platforms))
    return sorted(found, key=lambda component: min(component.accounts))


def reaches(link: Link, suspected: Callable[[str], bool]) -> bool:
    """Whether one end of a link bears on the ring of the other.

    It ties them unless it is `traced`, which only tells of platforms. A payment does where both are
    suspected, the trunk of a call never.
    """
    if link.kind == "SAME_ORIGID":
        return False
    return link.kind != "PAID" or (suspected(link.left) and suspected(link.right))


def _tied(links: Iterable[Link], without: Collection[str]) -> UnionFind:
    """Tie what links tie, without some names."""
    tied = UnionFind()
    for link in links:
        if link.left not in without and link.right not in without:
            tied.tie(link.left, link.right)
    return tied


def _platforms(links: Collection[Link], suspected: frozenset[str]) -> dict[str, int]:
    """Return which suspected accounts only groups share that nothing else ties, and how many groups each.

    Such as who sells currency: rings come and go there, it makes none of them one. No alert says that it pays
    a suspect; of what pays it, traces tell as well.
    """
    payers: defaultdict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.kind == "PAID":
            payers[link.right].add(link.left)
    ways = [link for link in links if not link.traced]
    pays = {link.left for link in ways if link.kind == "PAID"}
    found = dict.fromkeys((name for name in payers if name not in pays), 0)
    tied, waiting = UnionFind(), ways
    while True:  # who is none ties again, which may make one of the groups of another
        later = []
        for link in waiting:
            if link.left in found or link.right in found:
                later.append(link)
            else:
                tied.tie(link.left, link.right)
        waiting = later
        size = Counter(map(tied.find, suspected))
        now = {}
        for name in found:
            roots = {tied.find(payer) for payer in payers[name] if payer not in found}
            if (groups := sum(size[root] >= GROUP for root in roots)) >= GROUPS:
                now[name] = groups
        if len(now) == len(found):
            return now
        found = now


def _telling(links: Iterable[Link]) -> list[Link]:
    """Leave out who holds an account where that says nothing: one account, and nobody called its holder."""
    listed = list(links)
    holds: defaultdict[str, set[str]] = defaultdict(set)
    for link in listed:
        if link.kind == "SAME_HOLDER":
            holds[link.left].add(link.right)
    called = {link.right for link in listed if link.kind != "SAME_HOLDER"}
    return [
        link
        for link in listed
        if link.kind != "SAME_HOLDER" or len(holds[link.left]) > 1 or link.left in called
    ]


def _hubs(of: Known) -> set[str]:
    others: defaultdict[str, set[str]] = defaultdict(set)
    for link in of.links:
        others[link.left].add(link.right)
        others[link.right].add(link.left)
    return {name for name, shared in others.items() if len(shared) > HUB}


def _around(accounts: frozenset[str], links: Iterable[Link]) -> list[Link]:
    """Return the links of some accounts of a component, and those to who paid or holds them."""
    mine = [link for link in links if accounts & {link.left, link.right}]
    parties = {link.left for link in mine if link.kind in CALLED_FOR}
    others = (link for link in links if not accounts & {link.left, link.right})
    return [*mine, *(link for link in others if link.right in parties)]


def leiden(accounts: frozenset[str], links: Iterable[Link]) -> list[set[str]]:
    """Divide accounts into groups by modularity (Traag, Waltman, van Eck 2019), always the same."""
    import igraph  # noqa: PLC0415  (only a component too big to be a ring needs it)

    igraph.set_random_number_generator(random.Random(0))
    names = sorted(accounts)
    place = {name: number for number, name in enumerate(names)}
    weight = _weights(place, links)
    graph = igraph.Graph(len(names), list(weight))
    found = graph.community_leiden("modularity", weights=list(weight.values()), n_iterations=-1)
    return [{names[number] for number in group} for group in found]


def _weights(place: Mapping[str, int], links: Iterable[Link]) -> dict[tuple[int, int], int]:
    """Count what ties each two accounts: payments between them, and victims in common."""
    weight: defaultdict[tuple[int, int], int] = defaultdict(int)
    by_party: defaultdict[str, set[int]] = defaultdict(set)
    for link in links:
        if link.traced:
            continue
        if link.kind == "PAID" and link.left in place and link.right in place:
            weight[min(place[link.left], place[link.right]), max(place[link.left], place[link.right])] += 1
        elif link.kind == "DECEIVED" and link.right in place:
            by_party[link.left].add(place[link.right])
    for together in by_party.values():
        ordered = sorted(together)
        for left, right in pairwise(ordered):
            weight[left, right] += 1
    return dict(sorted(weight.items()))
