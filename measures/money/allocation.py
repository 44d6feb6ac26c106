"""Who gets how much of a frozen account back (domain.md 1.9).

A country file names the methods in order; the first that applies decides:

- `DIRECT` all money that came in came from one victim;
- `TRACE_FIFO` time order separates the victims' money (no two incoming records share an instant);
- `LIBR` lowest intermediate balance: the holder's own money is taken to leave first;
- `PRO_RATA` each victim's loss over all losses.

Amounts are integer minor units. Nobody gets more than the loss, the shares never exceed the pot, and the
same input always gives the same shares.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from measures.money.rounding import proportion
from measures.money.tracing import CLEAN, Lot, debit, taint_of
from schemas.order import Direction, Flow


class Allocation(NamedTuple):
    """The method that decided, and each victim's share in minor units (every claimant is named)."""

    method: str
    shares: Mapping[str, int]


class Pot(NamedTuple):
    """A frozen amount, the account's movements, and which incoming transaction is whose.

    `opening_minor` is the balance before the first movement.
    """

    frozen_minor: int
    flows: Sequence[Flow] = ()
    victims: Mapping[str, str] = {}
    opening_minor: int = 0


def allocate(methods: Iterable[str], pot: Pot, losses: Mapping[str, int]) -> Allocation:
    """Share a pot among losses (minor units by victim) by the first method that applies.

    Raises ValueError if none applies; `PRO_RATA` always does.
    """
    for method in methods:
        shares = METHODS[method](pot, losses)
        if shares is not None:
            return Allocation(method, {victim: shares.get(victim, 0) for victim in sorted(losses)})
    raise ValueError("no allocation method applies; a country file should end its list with PRO_RATA")


def reimburse(loss_minor: int, cap_minor: int, split_percent: Sequence[int]) -> list[int]:
    """Share a capped loss among the institutions that bear it, whatever was frozen.

    >>> reimburse(10001, 8500000, [50, 50])
    [5001, 5000]
    """
    return proportion(min(loss_minor, cap_minor), split_percent)


def _direct(pot: Pot, losses: Mapping[str, int]) -> dict[str, int] | None:
    senders = {pot.victims.get(f.txn_id, CLEAN) for f in pot.flows if f.direction is Direction.CREDIT}
    if pot.opening_minor or len(senders) != 1 or not senders <= set(losses):
        return None
    (victim,) = senders
    return {victim: min(losses[victim], pot.frozen_minor)}


def _trace_fifo(pot: Pot, losses: Mapping[str, int]) -> dict[str, int] | None:
    credits = [f.at_us for f in pot.flows if f.direction is Direction.CREDIT]
    if not credits or len(set(credits)) < len(credits):
        return None
    return _remaining(pot, losses, "FIFO")


def _libr(pot: Pot, losses: Mapping[str, int]) -> dict[str, int] | None:
    return _remaining(pot, losses, "LIBR") if pot.flows else None


def _pro_rata(pot: Pot, losses: Mapping[str, int]) -> dict[str, int] | None:
    victims = sorted(losses)
    total = sum(losses.values())
    shares = proportion(min(pot.frozen_minor, total), [losses[victim] for victim in victims])
    return dict(zip(victims, shares, strict=True))


def _remaining(pot: Pot, losses: Mapping[str, int], method: str) -> dict[str, int] | None:
    """Give what of each victim's money is still on the account, at most the loss and the pot."""
    purse = [Lot(pot.opening_minor)] if pot.opening_minor else []
    for flow in sorted(pot.flows, key=lambda f: (f.at_us, f.direction is Direction.DEBIT, f.txn_id)):
        if flow.direction is Direction.CREDIT:
            purse.append(Lot(flow.amount_minor, pot.victims.get(flow.txn_id, CLEAN)))
        else:
            purse, _ = debit(purse, flow.amount_minor, "FIFO" if method == "FIFO" else "LIBR")
    left = taint_of(purse)
    entitled = {victim: min(loss, left.get(victim, 0)) for victim, loss in losses.items()}
    if not any(entitled.values()):
        return None
    victims = sorted(entitled)
    total = min(pot.frozen_minor, sum(entitled.values()))
    shares = proportion(total, [entitled[victim] for victim in victims])
    return dict(zip(victims, shares, strict=True))


METHODS = {"DIRECT": _direct, "TRACE_FIFO": _trace_fifo, "LIBR": _libr, "PRO_RATA": _pro_rata}
