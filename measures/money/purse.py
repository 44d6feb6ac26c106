"""The money of one account, and whose money a debit is taken to spend.

A purse is lots in order of arrival. A lot has one origin: a victim's transfer, or clean (the holder's own).
Which lots a debit takes is a presumption for each pair: between the holder and the victims, whose money
they mixed with their own, and among the victims, who are all innocent. A country file names one:

- `FIFO` all alike, the oldest first (Clayton's case, 1816, applied to everybody);
- `LIFO` all alike, the newest first;
- `PRO_RATA` all alike, in proportion;
- `LIBR` the holder's own money first (Re Hallett's Estate, 1880), so that victims keep the lowest
  intermediate balance (Roscoe v Winder, 1915); among victims in proportion to what is left of each;
- `LIBR_FIFO` the holder's own money first; among victims the oldest first (Clayton's case).

What came at one instant has no order and is taken in proportion. An overdraft swallows what comes next: money
that repays a debt is gone (Bishopsgate v Homan, 1995). Amounts are integer minor units; no unit is lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from measures.money.rounding import proportion

Method = Literal["FIFO", "LIFO", "PRO_RATA", "LIBR", "LIBR_FIFO"]
CLEAN = ""


class Presumption(NamedTuple):
    """Whether the holder's own money is taken to leave first, and which victim's money next."""

    own_first: bool
    among: Literal["FIFO", "LIFO", "PRO_RATA"]


PRESUMPTIONS: Mapping[Method, Presumption] = {
    "FIFO": Presumption(False, "FIFO"),
    "LIFO": Presumption(False, "LIFO"),
    "PRO_RATA": Presumption(False, "PRO_RATA"),
    "LIBR": Presumption(True, "PRO_RATA"),
    "LIBR_FIFO": Presumption(True, "FIFO"),
}


class Lot(NamedTuple):
    """Money of one origin.

    `hop` counts accounts since the first one the victim paid (0); `tied_us` is the instant of arrival where
    money of other transfers arrived at the same one.
    """

    amount_minor: int
    origin: str = CLEAN
    hop: int = 0
    tied_us: int | None = None


class Purse(NamedTuple):
    """An account's lots, and by how much it is overdrawn."""

    lots: Sequence[Lot] = ()
    debt_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What the lots add up to."""
        return sum(lot.amount_minor for lot in self.lots)


def opened(balance_minor: int) -> Purse:
    """Give the purse of an account with this balance of the holder's own, or this overdraft."""
    return Purse([Lot(balance_minor)] if balance_minor > 0 else [], max(0, -balance_minor))


def credited(purse: Purse, arriving: Sequence[Sequence[Lot]], at_us: int) -> tuple[Purse, list[Lot]]:
    """Put in the lots of the transfers that arrive at one instant.

    Returns the purse and the lots that an overdraft swallowed, in proportion to what arrived.
    """
    tied = at_us if len(arriving) > 1 else None
    lots = [lot._replace(tied_us=tied) for lots in arriving for lot in lots]
    amounts = [lot.amount_minor for lot in lots]
    gone = proportion(min(purse.debt_minor, sum(amounts)), amounts)
    stays, swallowed = _split(lots, gone)
    return Purse([*purse.lots, *stays], purse.debt_minor - sum(gone)), swallowed


def debited(purse: Purse, amounts: Sequence[int], method: Method) -> tuple[Purse, list[list[Lot]]]:
    """Take the debits of one instant out of an account whose balance is known; what it lacks is owed.

    Returns the purse and what each debit carries: of every lot a part in proportion, for they have no order.
    """
    total = sum(amounts)
    stays, leaves = debit(purse.lots, total, method)
    carried = []
    open_ = list(amounts)
    parts = [_share_out(lot.amount_minor, open_) for lot in leaves]
    for place in range(len(amounts)):
        found = (lot._replace(amount_minor=row[place]) for lot, row in zip(leaves, parts, strict=True))
        carried.append([lot for lot in found if lot.amount_minor])
    return Purse(stays, purse.debt_minor + max(0, total - purse.total_minor)), carried


def paid_out(purse: Purse, amount_minor: int, origin: str) -> Purse:
    """Return money to the victim `origin`: their own lots first, then the rest in proportion."""
    own = sum(lot.amount_minor for lot in purse.lots if lot.origin == origin)
    mine = [lot.amount_minor if lot.origin == origin else 0 for lot in purse.lots]
    rest = [lot.amount_minor if lot.origin != origin else 0 for lot in purse.lots]
    short = amount_minor - min(own, amount_minor)
    takes = zip(_in_turn(mine, amount_minor), proportion(min(short, sum(rest)), rest), strict=True)
    stays, _ = _split(purse.lots, [first + then for first, then in takes])
    return Purse(stays, purse.debt_minor + max(0, short - sum(rest)))


def debit(purse: Sequence[Lot], amount_minor: int, method: Method) -> tuple[list[Lot], list[Lot]]:
    """Take `amount_minor` out of lots.

    Returns what stays and what leaves. What the lots do not hold was never seen and leaves clean.
    """
    takes = [0] * len(purse)
    wanted = amount_minor
    for tier in _tiers(purse, PRESUMPTIONS[method]):
        sizes = [purse[place].amount_minor for place in tier]
        for place, take in zip(tier, proportion(min(wanted, sum(sizes)), sizes), strict=True):
            takes[place] = take
            wanted -= take
    stays, leaves = _split(purse, takes)
    return stays, [*leaves, *([Lot(wanted)] if wanted else [])]


def taint_of(purse: Iterable[Lot]) -> dict[str, int]:
    """Sum the tainted lots by origin."""
    found: dict[str, int] = {}
    for lot in purse:
        if lot.origin != CLEAN:
            found[lot.origin] = found.get(lot.origin, 0) + lot.amount_minor
    return found


def _share_out(total: int, room: list[int]) -> list[int]:
    """Share `total` in proportion to `room`, and leave that much less room."""
    shares = proportion(total, room)
    room[:] = (left - share for left, share in zip(room, shares, strict=True))
    return shares


def _tiers(purse: Sequence[Lot], presumption: Presumption) -> list[list[int]]:
    """List places in the order they are taken; places of one tier are taken in proportion."""
    places = range(len(purse))
    if presumption.among == "PRO_RATA":
        tiers = [list(places)]
    else:
        by_instant = groupby(
            places, lambda place: (purse[place].tied_us, purse[place].tied_us is None and place)
        )
        tiers = [list(tier) for _, tier in by_instant]
    if presumption.among == "LIFO":
        tiers.reverse()
    if not presumption.own_first:
        return tiers
    own = [place for place in places if purse[place].origin == CLEAN]
    return [own, *([place for place in tier if purse[place].origin != CLEAN] for tier in tiers)]


def _split(lots: Sequence[Lot], takes: Sequence[int]) -> tuple[list[Lot], list[Lot]]:
    """Cut lots in what stays and what is taken; empty lots are left out."""
    pairs = list(zip(lots, takes, strict=True))
    stays = (lot._replace(amount_minor=lot.amount_minor - take) for lot, take in pairs)
    taken = (lot._replace(amount_minor=take) for lot, take in pairs)
    return [lot for lot in stays if lot.amount_minor], [lot for lot in taken if lot.amount_minor]


def _in_turn(amounts: Sequence[int], wanted: int) -> list[int]:
    takes = []
    for amount in amounts:
        takes.append(min(amount, wanted))
        wanted -= takes[-1]
    return takes
