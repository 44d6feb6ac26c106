"""Following the money: taint enters an account, leaves by its debits, and arrives at the next.

An account's money is a purse of lots in order of arrival. A lot has one origin: a victim's transfer, or
clean. How a debit takes from the lots is the method:

- `FIFO` the oldest first, `LIFO` the newest first;
- `LIBR` (lowest intermediate balance) clean money first, so that taint never exceeds the balance;
- `PRO_RATA` every lot in proportion.

All amounts are integer minor units and every debit takes exactly its amount: no unit is lost.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from measures.money.rounding import proportion
from schemas.order import Direction, Flow

Method = Literal["FIFO", "LIFO", "LIBR", "PRO_RATA"]
CLEAN = ""


class Lot(NamedTuple):
    """Money of one origin; `hop` counts accounts since the first one the victim paid (0)."""

    amount_minor: int
    origin: str = CLEAN
    hop: int = 0


class Transfer(NamedTuple):
    """Money that moved between two accounts, or one leg of it seen at a pooled account."""

    txn_id: str
    at_us: int
    debtor: str
    creditor: str
    amount_minor: int
    clearing_serial: str = ""


class Hop(NamedTuple):
    """Tainted money of one origin that arrived at `creditor`.

    `freezable` is False where a good-faith holder or the hop limit stops the trace.
    """

    txn_id: str
    at_us: int
    debtor: str
    creditor: str
    origin: str
    amount_minor: int
    hop: int
    freezable: bool


class Trace(NamedTuple):
    """All hops in time order, and the taint that remains by account and origin."""

    hops: tuple[Hop, ...]
    remaining: Mapping[str, Mapping[str, int]]


def debit(purse: Sequence[Lot], amount_minor: int, method: Method) -> tuple[list[Lot], list[Lot]]:
    """Take `amount_minor` out of a purse.

    Returns what stays and what leaves. What the purse does not hold was never seen and leaves clean.
    """
    total = sum(lot.amount_minor for lot in purse)
    if amount_minor >= total:
        unseen = amount_minor - total
        return [], [*purse, *([Lot(unseen)] if unseen else [])]
    if method == "FIFO":
        takes = _in_turn([lot.amount_minor for lot in purse], amount_minor)
    elif method == "LIFO":
        takes = _in_turn([lot.amount_minor for lot in reversed(purse)], amount_minor)[::-1]
    elif method == "LIBR":
        clean = [lot.amount_minor if lot.origin == CLEAN else 0 for lot in purse]
        takes = _in_turn(clean, amount_minor)
        short = amount_minor - sum(takes)
        tainted = [lot.amount_minor if lot.origin != CLEAN else 0 for lot in purse]
        takes = [a + b for a, b in zip(takes, proportion(short, tainted), strict=True)]
    else:
        takes = proportion(amount_minor, [lot.amount_minor for lot in purse])
    stays = [_part(lot, lot.amount_minor - take) for lot, take in zip(purse, takes, strict=True)]
    leaves = [_part(lot, take) for lot, take in zip(purse, takes, strict=True)]
    return [lot for lot in stays if lot.amount_minor], [lot for lot in leaves if lot.amount_minor]


def trace(
    transfers: Iterable[Transfer],
    seeds: Mapping[str, str],
    *,
    method: Method = "FIFO",
    hop_limit: int,
    good_faith: Collection[str] = (),
    evidence: Collection[str] = (),
    opening: Mapping[str, int] | None = None,
) -> Trace:
    """Follow the victims' transfers (`seeds`: txn_id to origin) through any number of accounts.

    `opening` gives balances before the first transfer. Fresh `evidence` against an account starts the hop
    count anew there and overrides its good faith.
    """
    purses: dict[str, list[Lot]] = {account: [Lot(sum_)] for account, sum_ in (opening or {}).items() if sum_}
    hops: list[Hop] = []
    for transfer in sorted(transfers, key=lambda t: (t.at_us, t.txn_id)):
        kept, leaving = debit(purses.get(transfer.debtor, []), transfer.amount_minor, method)
        purses[transfer.debtor] = kept
        if transfer.txn_id in seeds:
            leaving = [Lot(transfer.amount_minor, seeds[transfer.txn_id], -1)]
        arriving = []
        for lot in leaving:
            hop = 0 if transfer.creditor in evidence else lot.hop + 1
            freezable = transfer.creditor in evidence or (
                transfer.creditor not in good_faith and hop <= hop_limit
            )
            if lot.origin == CLEAN:
                arriving.append(Lot(lot.amount_minor))
                continue
            moved = (transfer.txn_id, transfer.at_us, transfer.debtor, transfer.creditor)
            hops.append(Hop(*moved, lot.origin, lot.amount_minor, hop, freezable))
            arriving.append(Lot(lot.amount_minor, lot.origin, hop) if freezable else Lot(lot.amount_minor))
        purses.setdefault(transfer.creditor, []).extend(arriving)
    remaining = {account: taint for account, purse in purses.items() if (taint := taint_of(purse))}
    return Trace(tuple(hops), remaining)


def taint_of(purse: Iterable[Lot]) -> dict[str, int]:
    """Sum the tainted lots by origin."""
    found: dict[str, int] = {}
    for lot in purse:
        if lot.origin != CLEAN:
            found[lot.origin] = found.get(lot.origin, 0) + lot.amount_minor
    return found


def join_legs(legs: Iterable[Transfer], pooled: Collection[str]) -> list[Transfer]:
    """Make one transfer of a bank leg into a pooled account and the wallet leg with the same serial.

    The joined transfer keeps the bank leg's id and time and the arriving amount. Legs without a partner
    stay as they are.
    """
    into: dict[str, Transfer] = {}
    out_of: dict[str, Transfer] = {}
    rest: list[Transfer] = []
    for leg in sorted(legs, key=lambda leg: (leg.at_us, leg.txn_id)):
        side = into if leg.creditor in pooled else out_of if leg.debtor in pooled else None
        if side is None or not leg.clearing_serial or leg.clearing_serial in side:
            rest.append(leg)
        else:
            side[leg.clearing_serial] = leg
    for serial, first in into.items():
        second = out_of.pop(serial, None)
        rest.append(
            first._replace(creditor=second.creditor, amount_minor=second.amount_minor) if second else first
        )
    return sorted([*rest, *out_of.values()], key=lambda leg: (leg.at_us, leg.txn_id))


def onward(flows: Sequence[Flow], balance_minor: int, credit: Flow) -> tuple[Flow, ...]:
    """Debits of one account that carried money of `credit` on, each cut to that money (FIFO).

    `balance_minor` is the balance after all `flows`.
    """
    moved = sum(f.amount_minor if f.direction is Direction.CREDIT else -f.amount_minor for f in flows)
    opening = max(0, balance_minor - moved)
    purse: list[Lot] = [Lot(opening)] if opening else []
    found = []
    for flow in sorted(flows, key=lambda f: (f.at_us, f.txn_id)):
        if flow.direction is Direction.CREDIT:
            purse.append(Lot(flow.amount_minor, flow.txn_id if flow is credit else CLEAN))
            continue
        purse, leaving = debit(purse, flow.amount_minor, "FIFO")
        carried = sum(lot.amount_minor for lot in leaving if lot.origin != CLEAN)
        if carried:
            found.append(_cut(flow, carried))
    return tuple(found)


def _cut(flow: Flow, amount_minor: int) -> Flow:
    return Flow(
        txn_id=flow.txn_id,
        at_us=flow.at_us,
        direction=flow.direction,
        amount_minor=amount_minor,
        counterparty_token=flow.counterparty_token,
        counterparty_institution=flow.counterparty_institution,
        clearing_serial=flow.clearing_serial,
    )


def _in_turn(amounts: Sequence[int], wanted: int) -> list[int]:
    takes = []
    for amount in amounts:
        take = min(amount, wanted)
        takes.append(take)
        wanted -= take
    return takes


def _part(lot: Lot, amount_minor: int) -> Lot:
    return lot._replace(amount_minor=amount_minor)
