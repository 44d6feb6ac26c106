"""How well rings are found among a bundle's alerts about a simulated world, held against the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from console.lab.measuring import of_world
from console.lab.ring_traces import traces
from fixtures.stream import clues
from fixtures.world import World
from measures.rings.components import Component, components, leiden
from measures.rings.following import rings_of
from measures.rings.links import Known, LinkKey, calls, in_order, with_traces
from measures.union_find import UnionFind
from models.scoring.bundle import LEGS, Bundle
from pipelines import policy
from pipelines.policy import DELAY, Policy
from schemas.ring import Link, Ring


class Found(NamedTuple):
    """Figures of one world.

    Attributes:
        mules: accounts that rings really used and an alert named.
        missed: those no alert named; no ring can hold them.
        innocent: accounts in rings found that belong to none.
        rings: found; `true_rings` of those suspected.
        precision: share of pairs put together that belong together, innocent accounts included.
        recall: share of pairs of suspected mules that belong together and were put together.
        owners: rings found that are mostly of one true ring, and of `owned` the account in which most of its
            money came to rest is among the three that are named; `owners_seen` are those any link names.
        named: accounts named as fund owners, in all rings found; `named_innocent` of them took no such money.

    """

    mules: int
    missed: int
    innocent: int
    rings: int
    true_rings: int
    precision: float
    recall: float
    owners: int = 0
    owned: int = 0
    owners_seen: int = 0
    named: int = 0
    named_innocent: int = 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def measured(
    world: World, begins_us: int, loaded: Bundle, rules: Policy, *, missing: float = 0.0, seed: int = 0
) -> Found:
    """Score a world, look for rings among what the policy would delay, and compare with the truth.

    Beside the alerts there are the traces that the victims' reports begin, in time (`ring_traces`).
    `missing` is the share of links that are left out, drawn by `seed`.
    """
    return _judged(world, begins_us, without(_known(world, begins_us, loaded, rules), missing, seed))


def oracle(world: World, begins_us: int, *, missing: float = 0.0, seed: int = 0) -> Found:
    """Look for rings by the same rules among what really was a scam or laundering, and nothing else."""
    payments, truth = world.payments, world.truth
    rows = zip(payments.to_pylist(), truth["scam"].to_pylist(), truth["laundering"].to_pylist(), strict=True)
    links = in_order(
        _link("credit" if scam else "debit", of["txn_id"], of)
        for of, scam, laundering in rows
        if of["accepted_at_us"] >= begins_us and (scam or laundering)
    )
    suspected = frozenset(account for accounts in _true(world, begins_us) for account in accounts)
    known = Known(links, suspected, links[-1].at_us if links else 0)
    return _judged(world, begins_us, without(known, missing, seed))


def without(known: Known, share: float, seed: int) -> Known:
    """Leave out a share of links, drawn by `seed`; whom no link that ties names any more is not suspected.

    Traces are drawn last, so that what is left of all others is the same with and without them.
    """
    if not share:
        return known
    drawn = sorted(known.links, key=lambda link: link.traced)
    kept = np.random.default_rng(seed).random(len(drawn)) >= share
    some = in_order(link for link, keep in zip(drawn, kept, strict=True) if keep)
    ends = {end for link in some if not link.traced for end in (link.left, link.right)}
    return Known(some, known.suspected & ends, known.at_us)


def _judged(world: World, begins_us: int, known: Known) -> Found:
    true = _true(world, begins_us)
    each = components(known, leiden)
    found = [component.accounts for component in each]
    ring_of = {account: number for number, accounts in enumerate(true) for account in accounts}
    suspected = [accounts & known.suspected for accounts in true]
    together = _pairs(found)
    right = _pairs(suspected)
    hit = len(together & right)
    return Found(
        mules=sum(map(len, suspected)),
        missed=len(ring_of) - sum(map(len, suspected)),
        innocent=sum(account not in ring_of for accounts in found for account in accounts),
        rings=len(found),
        true_rings=sum(len(accounts) > 1 for accounts in suspected),
        precision=hit / len(together) if together else 1.0,
        recall=hit / len(right) if right else 1.0,
        **_owners(world, begins_us, true, zip(each, rings_of(each, {}, known.at_us), strict=True)),
    )


def _owners(
    world: World, begins_us: int, true: list[set[str]], rings: Iterable[tuple[Component, Ring]]
) -> dict[str, int]:
    """Count rings found that are mostly of one true ring, and those of which the fund owner is named.

    The fund owner is the account with the largest net inflow of a ring's scam and laundering payments.
    """
    place = {account: number for number, accounts in enumerate(true) for account in accounts}
    net: dict[int, Counter[str]] = defaultdict(Counter)
    columns = (
        *(
            world.payments[n]
            for n in ("accepted_at_us", "debtor_account", "creditor_account", "amount_minor")
        ),
        *(world.truth[name] for name in ("scam", "laundering")),
    )
    for at_us, debtor, creditor, amount, scam, laundering in zip(
        *(each.to_pylist() for each in columns), strict=True
    ):
        number = place.get(creditor if scam else debtor)
        if at_us >= begins_us and (scam or laundering) and number is not None:
            net[number][creditor] += amount
            if not scam:
                net[number][debtor] -= amount
    judged = right = seen = 0
    touched = {account for each in net.values() for account in each}
    named: list[str] = []
    for component, ring in rings:
        named += ring.fund_owners
        of = Counter(place.get(member.account_token, -1) for member in ring.members)
        mostly, count = of.most_common(1)[0]
        if mostly < 0 or 2 * count <= len(ring.members):
            continue
        judged += 1
        owner = _most(net[mostly])
        right += owner in ring.fund_owners
        seen += any(owner in {link.left, link.right} for link in component.links)
    innocent = sum(account not in touched for account in named)
    return {
        "owners": judged,
        "owned": right,
        "owners_seen": seen,
        "named": len(named),
        "named_innocent": innocent,
    }


def _most(net: Counter[str]) -> str:
    """Return who has most of it."""
    return max(net, key=lambda name: (net[name], name), default="")


def _pairs(sets: Iterable[Iterable[str]]) -> set[tuple[str, str]]:
    return {pair for accounts in sets for pair in combinations(sorted(accounts), 2)}


def _known(world: World, begins_us: int, loaded: Bundle, rules: Policy) -> Known:
    legs = of_world(world, rules, begins_us)
    payments = {
        txn_id: place
        for place, txn_id in enumerate(world.payments["txn_id"].to_pylist())
    }  # fmt: skip
    columns = {
        name: world.payments[name].to_pylist()
        for name in (
            "debtor",
            "debtor_account",
            "creditor_account",
            "amount_minor",
            "currency",
            "accepted_at_us",
        )
    }
    found = []
    for leg in LEGS:
        rows, model = legs[leg].rows, loaded.leg(leg)
        least = policy.thresholds(getattr(rules, leg), model.thresholds)[DELAY - 1]
        flagged = np.flatnonzero(model.score(rows.columns(model.features)) >= least)
        for txn_id in rows.txn_id[flagged].tolist():
            at = payments[txn_id.decode()]
            found.append(_link(leg, txn_id.decode(), {name: column[at] for name, column in columns.items()}))
    suspected = {link.right if link.kind == "DECEIVED" else link.left for link in found}
    alerted: dict[LinkKey, Link] = {(link.kind, link.left, link.txn_id): link for link in found}
    tied = with_traces(alerted, traces(world, begins_us, rules)).values()
    ordered = in_order([*tied, *calls(clues(world.clues), found)])
    return Known(ordered, frozenset(suspected), ordered[-1].at_us if ordered else 0)


def _link(leg: str, txn_id: str, of: dict[str, Any]) -> Link:
    deceived = leg == "credit"
    return Link(
        kind="DECEIVED" if deceived else "PAID",
        left=of["debtor"] if deceived else of["debtor_account"],
        right=of["creditor_account"],
        at_us=of["accepted_at_us"],
        cause_id=f"{txn_id}.{leg}",
        txn_id=txn_id,
        amount_minor=of["amount_minor"],
        currency=of["currency"],
    )


def _true(world: World, begins_us: int) -> list[set[str]]:
    """Return who really worked together: accounts that victims paid or that passed scam money on, by ring."""
    tied = UnionFind()
    by_case: defaultdict[str, set[str]] = defaultdict(set)
    columns = (
        *(world.payments[name] for name in ("accepted_at_us", "debtor_account", "creditor_account")),
        *(world.truth[name] for name in ("scam", "laundering", "case_id")),
    )
    for at_us, debtor, creditor, scam, laundering, case in zip(
        *(each.to_pylist() for each in columns), strict=True
    ):
        if at_us >= begins_us and (scam or laundering):
            by_case[case].add(creditor if scam else debtor)
    for accounts in by_case.values():
        first, *others = sorted(accounts)
        tied.find(first)
        for other in others:
            tied.tie(first, other)
    return tied.sets()
