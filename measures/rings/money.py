"""What a ring's accounts took, hold and lost, how long money rests in them, and what each seems to do."""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.currencies import decimal, digits_of
from schemas.ring import PAYMENTS, Link, Member, Role, Sum
from schemas.units import HOUR_US

#: Paying on to so many different accounts is a fan-out.
FAN_OUT = 5


class Passing(NamedTuple):
    """An account's money of one currency: what came from whom, what went to whom, by time."""

    came: tuple[Link, ...]
    left: tuple[Link, ...]


def passings(accounts: Iterable[str], links: Iterable[Link]) -> dict[str, dict[str, Passing]]:
    """Return each account's money by currency."""
    mine = {
        account: defaultdict[str, tuple[list[Link], list[Link]]](lambda: ([], [])) for account in accounts
    }
    for link in links:
        if link.right in mine and link.kind in PAYMENTS:
            mine[link.right][link.currency][0].append(link)
        if link.left in mine and link.kind == "PAID":
            mine[link.left][link.currency][1].append(link)
    return {
        account: {
            currency: Passing(tuple(came), tuple(left)) for currency, (came, left) in sorted(by.items())
        }
        for account, by in mine.items()
    }


def rests(passing: Passing) -> list[tuple[int, int]]:
    """Return how long money rested, first in first out: (microseconds, minor units) of what left."""
    waiting: deque[tuple[int, int]] = deque((link.at_us, link.amount_minor) for link in passing.came)
    found = []
    for link in passing.left:
        ahead = link.amount_minor
        while ahead and waiting and waiting[0][0] <= link.at_us:
            at_us, amount = waiting.popleft()
            taken = min(amount, ahead)
            found.append((link.at_us - at_us, taken))
            ahead -= taken
            if amount > taken:
                waiting.appendleft((at_us, amount - taken))
    return found


class Resting:
    """How long money rested before it left, over many accounts: the share still there after a time."""

    def __init__(self, observed: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(observed)
        self._at = [us for us, _ in ordered]
        self._sum = [0]
        for _, amount in ordered:
            self._sum.append(self._sum[-1] + amount)

    def leaves_within(self, age_us: int, span_us: int) -> float:
        """Return the share of money that rested `age_us` and left within `span_us`; 0 if none is known."""
        total, here, after = (
            self._sum[-1],
            self._sum[bisect_right(self._at, age_us)],
            self._sum[bisect_right(self._at, age_us + span_us)],
        )
        return (after - here) / (total - here) if total > here else 0.0


def sums(
    passing: Mapping[str, Passing], held: Mapping[str, int], resting: Resting, now_us: int
) -> tuple[Sum, ...]:
    """Return an account's money by currency; `held` is what measures hold, by currency."""
    return tuple(
        _sum(currency, each, held.get(currency, 0), resting, now_us) for currency, each in passing.items()
    )


def _sum(currency: str, passing: Passing, held: int, resting: Resting, now_us: int) -> Sum:
    came, left = (sum(link.amount_minor for link in links) for links in passing)
    here = standing(came, left, held)
    age_us = now_us - max((link.at_us for link in passing.came), default=now_us)
    return Sum(
        currency=currency,
        stolen_minor=sum(link.amount_minor for link in passing.came if link.kind == "DECEIVED"),
        held_minor=here.held_minor,
        freezable_minor=here.freezable_minor,
        at_risk_minor=round(here.freezable_minor * resting.leaves_within(age_us, HOUR_US)),
    )


class Standing(NamedTuple):
    """Of money that is still on an account: what measures hold, and what nothing holds; minor units."""

    held_minor: int
    freezable_minor: int


def standing(came_minor: int, left_minor: int, held_minor: int, balance_minor: int | None = None) -> Standing:
    """Share what of the money that came is still there, by the balance too where the bank tells it."""
    here = max(came_minor - left_minor, 0)
    if balance_minor is not None:
        here = min(here, max(balance_minor, 0))
    held = min(held_minor, here)
    return Standing(held, here - held)


def together(members: Iterable[Member]) -> tuple[Sum, ...]:
    """Add up a ring: what was stolen and is neither held nor there is lost."""
    found: dict[str, list[Sum]] = {}
    for member in members:
        for each in member.sums:
            found.setdefault(each.currency, []).append(each)
    return tuple(_total(currency, each) for currency, each in sorted(found.items()))


def _total(currency: str, each: list[Sum]) -> Sum:
    stolen = sum(one.stolen_minor for one in each)
    held = min(sum(one.held_minor for one in each), stolen)
    freezable = min(sum(one.freezable_minor for one in each), stolen - held)
    return Sum(
        currency=currency,
        stolen_minor=stolen,
        held_minor=held,
        freezable_minor=freezable,
        lost_minor=stolen - held - freezable,
        at_risk_minor=min(sum(one.at_risk_minor for one in each), freezable),
    )


def role(passing: Mapping[str, Passing], accounts: frozenset[str]) -> tuple[Role, str]:
    """Say what an account is suspected to do, and why."""
    came = [link for each in passing.values() for link in each.came]
    left = [link for each in passing.values() for link in each.left]
    victims = {link.left for link in came if link.kind == "DECEIVED"}
    payees = {link.right for link in left}
    out = f"paid {written(left)} on to {accounts_said(len(payees))}"
    if victims:
        people = (
            f"{len(victims)} payer{'s' * (len(victims) > 1)} who seem{'s' * (len(victims) == 1)} deceived"
        )
        return "COLLECTOR", f"suspected: took {written(came)} from {people}" + (f", {out}" if left else "")
    if len(payees) >= FAN_OUT:
        return "FAN_OUT", f"suspected: {out}"
    if payees & accounts:
        return "LAYER", f"suspected: {out}, {len(payees & accounts)} of them in the ring"
    if came and left:
        return "CASH_OUT", f"suspected: took {written(came)} of the ring's money, {out}, none in the ring"
    return "LINKED", "suspected: " + (f"took {written(came)} of the ring's money" if came else out)


def written(links: Iterable[Link]) -> str:
    """Write what links say was paid, by currency."""
    amounts: defaultdict[str, int] = defaultdict(int)
    for link in links:
        amounts[link.currency] += link.amount_minor
    return said(amounts)


def said(amounts: Mapping[str, int]) -> str:
    """Write minor units by currency."""
    return " and ".join(
        f"{decimal(amount, digits_of(currency) or 0)} {currency}"
        for currency, amount in sorted(amounts.items())
    )


def accounts_said(count: int) -> str:
    """Write how many accounts."""
    return "1 account" if count == 1 else f"{count} accounts"
