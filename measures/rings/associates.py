"""Who or what else has a part in a ring: where its money came to rest, who recruits, where it works from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from measures.rings.components import Component
from measures.rings.money import accounts_said, said, written
from schemas.ring import Associate, AssociateKind, AssociateRole, Link

#: Accounts named as fund owners, at most.
OWNERS = 3
#: Holders or victims that one recruiter or den reaches, at least; devices need one more.
SEVERAL = 2

_DENS: Mapping[str, tuple[AssociateKind, int, str]] = {
    "SAME_ORIGID": ("TRUNK", SEVERAL, "{} people of the ring were called by this trunk"),
    "SHARED_DEVICE": ("DEVICE", SEVERAL + 1, "{} accounts or people of the ring are run from this device"),
    "SHARED_IP24": ("DEVICE", SEVERAL + 1, "{} accounts or people of the ring are run from these addresses"),
}


def of_component(component: Component) -> tuple[Associate, ...]:
    """Return everyone and everything suspected of a part in it, fund owners first."""
    return (
        *fund_owners(component.links, component.accounts),
        *_platforms(component),
        *_recruiters(component),
        *_dens(component.links),
    )


def fund_owners(links: Iterable[Link], accounts: frozenset[str]) -> list[Associate]:
    """Return where most of a ring's money came to rest, in it or outside: largest net inflow first.

    Of several currencies each account counts by its largest share of one.
    """
    net: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    payers: defaultdict[str, set[str]] = defaultdict(set)
    for link in links:
        if (link.kind == "DECEIVED" and link.right in accounts) or (
            link.kind == "PAID" and link.left in accounts
        ):
            net[link.right][link.currency] += link.amount_minor
            payers[link.right].add(link.left)
        if link.kind == "PAID" and link.left in accounts:
            net[link.left][link.currency] -= link.amount_minor
    total: defaultdict[str, int] = defaultdict(int)
    for by_currency in net.values():
        for currency, amount in by_currency.items():
            total[currency] += max(amount, 0)
    share = {
        name: max(amount / total[currency] for currency, amount in by.items() if amount > 0)
        for name, by in net.items()
        if any(amount > 0 for amount in by.values())
    }
    ranked = sorted(share, key=lambda name: (-share[name], name))[:OWNERS]
    return [_owner(name, net[name], share[name], len(payers[name])) for name in ranked]


def _owner(name: str, net: Mapping[str, int], share: float, payers: int) -> Associate:
    more = said({currency: amount for currency, amount in net.items() if amount > 0})
    text = f"{more} more came in than went out, {share:.0%} of what came to rest, from {_payers(payers)}"
    return _associate("ACCOUNT", name, "FUND_OWNER", text)


def _payers(count: int) -> str:
    return "1 payer" if count == 1 else f"{count} payers"


def _platforms(component: Component) -> list[Associate]:
    found = []
    for name, groups in component.platforms:
        mine = [link for link in component.links if link.kind == "PAID" and link.right == name]
        payers = {link.left for link in mine}
        found.append(
            _associate(
                "ACCOUNT", name, "PLATFORM",
                f"{groups} groups of accounts that nothing else ties pay it; {accounts_said(len(payers))} of "
                f"this ring paid it {written(mine)}",
            )
        )  # fmt: skip
    return found


def _recruiters(component: Component) -> list[Associate]:
    """Return numbers that called holders of several accounts, and whom reports name as recruiters."""
    links = component.links
    held_by = _right_of(links, "SAME_HOLDER")
    called = _right_of(links, "CALLED")
    found = []
    for name, people in called.items():
        holders = people & held_by.keys()
        if len(holders) >= SEVERAL:
            text = f"this number called holders of {len(holders)} accounts of the ring before money left"
            found.append(_associate("CALLER", name, "RECRUITER", text))
    for name, brought in _right_of(links, "RECRUITED").items():
        kind: AssociateKind = "ACCOUNT" if name in component.accounts else "PERSON"
        text = f"a report that people stand by says that it brought {len(brought)} of the ring"
        found.append(_associate(kind, name, "RECRUITER", text))
    return found


def _dens(links: Sequence[Link]) -> list[Associate]:
    return [
        _associate(kind, name, "DEN", text.format(len(reached)))
        for link_kind, (kind, least, text) in _DENS.items()
        for name, reached in _right_of(links, link_kind).items()
        if len(reached) >= least
    ]


def _right_of(links: Iterable[Link], kind: str) -> dict[str, set[str]]:
    """Return whom each left end of a kind of link reaches, by name."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.kind == kind:
            found[link.left].add(link.right)
    return dict(sorted(found.items()))


def _associate(kind: AssociateKind, token: str, role: AssociateRole, why: str) -> Associate:
    return Associate(kind=kind, token=token, role=role, reason=f"suspected: {why}")
