"""Who gets how much of a frozen account back (domain.md 1.9).

A country file names the methods in order; the first that applies decides:

- `DIRECT` all money that came in came from one victim;
- `TRACE_FIFO` the oldest money leaves first, the holder's own and the victims' alike;
- `LIBR` lowest intermediate balance: the holder's own money leaves first, then the victims' in proportion;
- `LIBR_FIFO` the holder's own money leaves first, then the victims' in order of time;
- `PRO_RATA` each victim's loss over all losses.

A method that applies decides even if nobody gets anything: where nothing of the victims' money is left, the
rest is the holder's. What time cannot separate, because money of several came at one instant or before the
movements known, goes on to the next method, no more than that. Amounts are integer minor units. Nobody gets
more than is still missing, the shares never exceed the pot, and ids and order of input change nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from measures.money.purse import (
    CLEAN,
    PRESUMPTIONS,
    Lot,
    Method,
    Purse,
    credited,
    debited,
    opened,
    paid_out,
    taint_of,
)
from measures.money.rounding import proportion
from measures.money.tracing import instants
from schemas.order import Direction, Flow

#: How each method that traces takes debits.
TRACES: Mapping[str, Method] = {"TRACE_FIFO": "FIFO", "LIBR": "LIBR", "LIBR_FIFO": "LIBR_FIFO"}

#: Origin of an older balance that may hold victims' money.
OLDER = "?"


class Allocation(NamedTuple):
    """The method that decided, and each victim's share in minor units (every claimant is named)."""

    method: str
    shares: Mapping[str, int]


class Pot(NamedTuple):
    """A frozen amount, the account's movements, and which incoming transaction is whose.

    `opening_minor` is the balance before the first movement, negative for an overdraft. Among the movements
    are those by which victims were paid (purpose DISBURSEMENT, counterparty the victim). `repaid` is what
    each victim got back before and elsewhere.
    """

    frozen_minor: int
    flows: Sequence[Flow] = ()
    victims: Mapping[str, str] = {}
    opening_minor: int = 0
    repaid: Mapping[str, int] = {}
    inseparable: "Inseparable | None" = None


class Inseparable(NamedTuple):
    """What is each victim's by time, and money of several that is still there but nobody can say whose.

    `together` lists sums with the victims who share them; nobody is in two.
    """

    separate: Mapping[str, int]
    together: Sequence[tuple[int, frozenset[str]]]


#: What a method says: shares (none is an answer), money it cannot separate, or None where it does not apply.
Found = Mapping[str, int] | Inseparable | None


def allocate(methods: Iterable[str], pot: Pot, losses: Mapping[str, int]) -> Allocation:
    """Share a pot among losses (minor units by victim) by the first method that applies.

    Raises ValueError if none applies; `PRO_RATA` always does.
    """
    missing = {victim: max(0, loss - pot.repaid.get(victim, 0)) for victim, loss in losses.items()}
    for method in methods:
        found = METHODS[method](pot, missing)
        if isinstance(found, Inseparable):
            pot = pot._replace(inseparable=found)
        elif found is not None:
            return Allocation(method, {victim: found.get(victim, 0) for victim in sorted(losses)})
    raise ValueError("no allocation method applies; a country file should end its list with PRO_RATA")


def presumption(methods: Iterable[str]) -> Method:
    """Give how a country's methods take debits; the oldest first where none of them traces."""
    return next((TRACES[method] for method in methods if method in TRACES), "FIFO")


def reimburse(
    loss_minor: int,
    cap_minor: int,
    split_percent: Sequence[int],
    *,
    excess_minor: int = 0,
    vulnerable: bool = False,
    repatriated_minor: int = 0,
) -> list[int]:
    """Share a capped loss among the institutions that bear it, less the excess and what came back.

    >>> reimburse(100000, 8500000, [50, 50], excess_minor=10000)
    [45000, 45000]
    """
    covered = min(loss_minor, cap_minor)
    owed = covered - (0 if vulnerable else min(excess_minor, covered))
    return proportion(max(0, owed - repatriated_minor), split_percent)


def _direct(pot: Pot, missing: Mapping[str, int]) -> Found:
    senders = {pot.victims.get(flow.txn_id, CLEAN) for flow in _credits(pot)}
    if pot.opening_minor or len(senders) != 1 or not senders <= set(missing):
        return None
    (victim,) = senders
    return {victim: min(missing[victim], pot.frozen_minor)}


def _traced(method: Method) -> Callable[[Pot, Mapping[str, int]], Found]:
    """Give each what of their money is still on the account, at most what is missing and the pot."""

    def found(pot: Pot, missing: Mapping[str, int]) -> Found:
        if not _credits(pot):
            return None
        older = pot.opening_minor > 0 and bool(_came_before(pot, missing))
        left = taint_of(_purse(pot, method, older).lots)
        entitled = {victim: min(loss, left.get(victim, 0)) for victim, loss in missing.items()}
        groups = _together(pot, missing, method, older)
        if groups:
            alone = missing.keys() - frozenset().union(*groups)
            separate = {victim: entitled[victim] for victim in alone}
            sums = [(sum(left.get(each, 0) for each in group), group & missing.keys()) for group in groups]
            return Inseparable(separate, sums)
        return _shared(pot.frozen_minor, entitled)

    return found


def _pro_rata(pot: Pot, missing: Mapping[str, int]) -> Found:
    """Share by loss: all of the pot, or what a tracing method could not separate."""
    if pot.inseparable is None:
        return _shared(pot.frozen_minor, missing)
    entitled = dict(pot.inseparable.separate)
    for amount, victims in pot.inseparable.together:
        entitled |= _shared(amount, {victim: missing[victim] for victim in victims})
    return _shared(pot.frozen_minor, entitled)


METHODS: Mapping[str, Callable[[Pot, Mapping[str, int]], Found]] = {
    "DIRECT": _direct,
    **{name: _traced(method) for name, method in TRACES.items()},
    "PRO_RATA": _pro_rata,
}


def _shared(frozen_minor: int, entitled: Mapping[str, int]) -> dict[str, int]:
    """Share what is frozen in proportion to what each may get at most."""
    victims = sorted(entitled)
    weights = [entitled[victim] for victim in victims]
    return dict(zip(victims, proportion(min(frozen_minor, sum(weights)), weights), strict=True))


def _purse(pot: Pot, method: Method, older: bool) -> Purse:
    """Play the account's movements; what was there before is the holder's own, unless it may be `older`."""
    purse = opened(pot.opening_minor)
    if older:
        purse = purse._replace(lots=[lot._replace(origin=OLDER) for lot in purse.lots])
    for at_us, credits, debits in instants(pot.flows):
        lots = (Lot(flow.amount_minor, pot.victims.get(flow.txn_id, CLEAN)) for flow in credits)
        arriving = sorted(lots, key=attrgetter("origin", "amount_minor"))
        purse, _ = credited(purse, [[lot] for lot in arriving], at_us)
        for flow in debits:
            if flow.purpose == "DISBURSEMENT":
                purse = paid_out(purse, flow.amount_minor, flow.counterparty_token)
        spent = [flow.amount_minor for flow in debits if flow.purpose != "DISBURSEMENT"]
        purse, _ = debited(purse, [sum(spent)], method)
    return purse


def _came_before(pot: Pot, missing: Mapping[str, int]) -> set[str]:
    """Name the claimants with a transfer older than the movements known."""
    known = {flow.txn_id for flow in _credits(pot)}
    return {victim for txn_id, victim in pot.victims.items() if victim in missing and txn_id not in known}


def _together(pot: Pot, missing: Mapping[str, int], method: Method, older: bool) -> list[frozenset[str]]:
    """Group origins that time does not tell apart: of one instant, or from before the movements known.

    A method that takes victims' money in proportion needs no order of what came at one instant.
    """
    own_first, among = PRESUMPTIONS[method]
    groups = [frozenset({OLDER, *_came_before(pot, missing)})] if older else []
    for _, credits, _ in instants(pot.flows) if among != "PRO_RATA" else ():
        origins = frozenset(pot.victims.get(flow.txn_id, CLEAN) for flow in credits)
        origins -= {CLEAN} if own_first else set()
        if len(origins) > 1 and not origins.isdisjoint(missing):
            origins = frozenset(origin for origin in origins if origin == OLDER or origin in missing)
            meets = [group for group in groups if not group.isdisjoint(origins)]
            groups = [group for group in groups if group not in meets] + [origins.union(*meets)]
    return groups


def _credits(pot: Pot) -> list[Flow]:
    return [flow for flow in pot.flows if flow.direction is Direction.CREDIT]
