"""Following the money: taint enters an account, leaves by its debits, and arrives at the next.

Whose money a debit spends is the presumption of `measures.money.purse`. Bookings of one instant have no order
of their own, least of all that of their ids: a cause comes before its effect, so an account's credits come
before its debits, from account to account.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from measures.money.purse import CLEAN, Lot, Method, Purse, credited, debited, opened, taint_of
from schemas.order import Direction, Flow


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


class Asset(NamedTuple):
    """What a holder of mixed money bought from a seller in good faith, who keeps the price.

    The victim `origin` may claim the thing instead of the money: for `traced_minor`, theirs by the
    presumption, or for up to `mixed_minor`, what of theirs lay on the account (Re Oatway, 1903: nobody may
    say that the holder's own money bought what is left; Foskett v McKeown, 2001).
    """

    txn_id: str
    at_us: int
    buyer: str
    seller: str
    price_minor: int
    origin: str
    traced_minor: int
    mixed_minor: int


class Trace(NamedTuple):
    """All hops in order, the taint that remains by account and origin, what was bought, what is gone.

    `swallowed` is the taint that repaid an overdraft, by account and origin.
    """

    hops: tuple[Hop, ...]
    remaining: Mapping[str, Mapping[str, int]]
    assets: tuple[Asset, ...] = ()
    swallowed: Mapping[str, Mapping[str, int]] = {}


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

    `opening` gives balances before the first transfer, negative ones too: what such an account spends beyond
    them is an overdraft. Of other accounts only what was seen is known; what they spend beyond it is clean.
    Fresh `evidence` against an account starts the hop count anew there and overrides its good faith.
    """
    books = _Books(opening or {})
    hops: list[Hop] = []
    assets: list[Asset] = []
    for at_us, together in groupby(sorted(transfers, key=attrgetter("at_us")), attrgetter("at_us")):
        for debtor, debits in by_cause(list(together), books.holds):
            books.settle(debtor, at_us)
            before = taint_of(books.purse(debtor).lots)
            for transfer, lots in books.spend(debtor, debits, seeds, method):
                if transfer.creditor in good_faith and transfer.creditor not in evidence:
                    assets += _bought(transfer, taint_of(lots), before)
                moved = [_moved(transfer, lot, hop_limit, good_faith, evidence) for lot in lots]
                hops += [hop for hop, _ in moved if hop]
                books.arriving.setdefault(transfer.creditor, []).append([lot for _, lot in moved])
        for account in list(books.arriving):
            books.settle(account, at_us)
    remaining = {account: taint for account, purse in books.purses.items() if (taint := taint_of(purse.lots))}
    gone = {account: taint for account, lots in books.swallowed.items() if (taint := taint_of(lots))}
    return Trace(tuple(hops), remaining, tuple(assets), gone)


def by_cause(
    together: Sequence[Transfer], holds: Callable[[str], int]
) -> Iterator[tuple[str, list[Transfer]]]:
    """Order transfers of one instant: an account pays when all that pays it has, whatever the ids.

    Gives each debtor with all its debits. In a circle the account that needs others' money least begins
    (`holds` tells what it has by now).
    """
    pending: dict[str, list[Transfer]] = {}
    for transfer in sorted(together, key=attrgetter("amount_minor", "creditor", "clearing_serial", "txn_id")):
        pending.setdefault(transfer.debtor, []).append(transfer)
    waits = Counter(t.creditor for t in together if t.creditor in pending and t.creditor != t.debtor)

    def lacks(account: str) -> tuple[int, str]:
        return max(0, sum(t.amount_minor for t in pending[account]) - holds(account)), account

    while pending:
        ready = [account for account in pending if not waits[account]]
        debtor = min(ready or pending, key=lacks)
        debits = pending.pop(debtor)
        waits.subtract(t.creditor for t in debits if t.creditor != debtor)
        yield debtor, debits


def join_legs(legs: Iterable[Transfer], pooled: Collection[str]) -> list[Transfer]:
    """Make transfers from payer to payee of bank legs into a pooled account and wallet legs out of it.

    Legs of one serial belong together, however many there are on either side: the first money in is the
    first out. A joined transfer keeps its bank leg's id and time. What of a leg has no counterpart stays a
    leg to or from the pooled account, like legs without a partner: no account's sum changes.
    """
    into: dict[str, list[Transfer]] = {}
    out_of: dict[str, list[Transfer]] = {}
    rest: list[Transfer] = []
    for leg in sorted(legs, key=attrgetter("at_us", "amount_minor", "debtor", "creditor", "txn_id")):
        side = into if leg.creditor in pooled else out_of if leg.debtor in pooled else None
        if side is None or not leg.clearing_serial or {leg.debtor, leg.creditor} <= set(pooled):
            rest.append(leg)
        else:
            side.setdefault(leg.clearing_serial, []).append(leg)
    for serial in into.keys() | out_of.keys():
        rest += _joined(into.get(serial, []), out_of.get(serial, []))
    return sorted(rest, key=lambda leg: (leg.at_us, leg))


def onward(
    flows: Sequence[Flow], balance_minor: int, credit: Flow, method: Method = "FIFO"
) -> tuple[Flow, ...]:
    """Debits of one account that carried money of `credit` on, each cut to that money.

    `balance_minor` is the balance after all `flows`. Money returned to victims went nowhere else.
    """
    purse = opened(balance_minor - sum(map(signed_minor, flows)))
    found = []
    for at_us, credits, debits in instants(flows):
        arriving = [[Lot(flow.amount_minor, flow.txn_id if flow is credit else CLEAN)] for flow in credits]
        purse, _ = credited(purse, arriving, at_us)
        purse, carried = debited(purse, [flow.amount_minor for flow in debits], method)
        for flow, lots in zip(debits, carried, strict=True):
            part = sum(taint_of(lots).values())
            if part and flow.purpose != "DISBURSEMENT":
                found.append(_cut(flow, part))
    return tuple(found)


def instants(flows: Iterable[Flow]) -> Iterator[tuple[int, list[Flow], list[Flow]]]:
    """Give the credits and the debits of one account, instant by instant."""
    for at_us, together in groupby(sorted(flows, key=attrgetter("at_us")), attrgetter("at_us")):
        found = sorted(together, key=attrgetter("amount_minor", "counterparty_token", "txn_id"))
        credits = [flow for flow in found if flow.direction is Direction.CREDIT]
        yield at_us, credits, [flow for flow in found if flow.direction is Direction.DEBIT]


def signed_minor(flow: Flow) -> int:
    """Give what a flow adds to the balance."""
    return flow.amount_minor if flow.direction is Direction.CREDIT else -flow.amount_minor


class _Books:
    """The accounts of one trace; `arriving` is what the present instant brought them so far."""

    def __init__(self, opening: Mapping[str, int]) -> None:
        self._known = opening
        self.purses = {account: opened(balance) for account, balance in opening.items()}
        self.arriving: dict[str, list[list[Lot]]] = {}
        self.swallowed: dict[str, list[Lot]] = {}

    def purse(self, account: str) -> Purse:
        return self.purses.get(account, Purse())

    def holds(self, account: str) -> int:
        new = sum(lot.amount_minor for lots in self.arriving.get(account, ()) for lot in lots)
        return self.purse(account).total_minor + new - self.purse(account).debt_minor

    def settle(self, account: str, at_us: int) -> None:
        """Put what has arrived into the purse."""
        if account in self.arriving:
            arrived = self.arriving.pop(account)
            self.purses[account], gone = credited(self.purse(account), arrived, at_us)
            self.swallowed.setdefault(account, []).extend(gone)

    def spend(
        self, debtor: str, debits: Sequence[Transfer], seeds: Mapping[str, str], method: Method
    ) -> Iterator[tuple[Transfer, list[Lot]]]:
        """Take an account's debits of one instant out of its purse: each with the lots it carries.

        A victim's own transfer is the victim's money, but for traced money the account had to spend.
        """
        known, purse = debtor in self._known, self.purse(debtor)
        for transfer in (each for each in debits if each.txn_id in seeds):
            lots = [Lot(transfer.amount_minor)]
            if known:
                purse, (lots,) = debited(purse, [transfer.amount_minor], "LIBR")
            seed = seeds[transfer.txn_id]
            yield transfer, [lot if lot.origin else Lot(lot.amount_minor, seed, -1) for lot in lots]
        others = [transfer for transfer in debits if transfer.txn_id not in seeds]
        purse, carried = debited(purse, [transfer.amount_minor for transfer in others], method)
        self.purses[debtor] = purse if known else purse._replace(debt_minor=0)
        yield from zip(others, carried, strict=True)


def _moved(
    transfer: Transfer, lot: Lot, hop_limit: int, good_faith: Collection[str], evidence: Collection[str]
) -> tuple[Hop | None, Lot]:
    """Give the hop of a lot, if it is tainted, and the lot as it arrives: clean where the trace ends."""
    if lot.origin == CLEAN:
        return None, Lot(lot.amount_minor)
    fresh = transfer.creditor in evidence
    hop = 0 if fresh else lot.hop + 1
    freezable = fresh or (transfer.creditor not in good_faith and hop <= hop_limit)
    way = (transfer.txn_id, transfer.at_us, transfer.debtor, transfer.creditor)
    arrived = Lot(lot.amount_minor, lot.origin, hop) if freezable else Lot(lot.amount_minor)
    return Hop(*way, lot.origin, lot.amount_minor, hop, freezable), arrived


def _bought(transfer: Transfer, traced: Mapping[str, int], mixed: Mapping[str, int]) -> Iterator[Asset]:
    way = (transfer.txn_id, transfer.at_us, transfer.debtor, transfer.creditor, transfer.amount_minor)
    for origin, there in sorted(mixed.items()):
        yield Asset(*way, origin, traced.get(origin, 0), min(transfer.amount_minor, there))


def _joined(into: Sequence[Transfer], out_of: Sequence[Transfer]) -> Iterator[Transfer]:
    """Pay the legs out of a pooled account from the legs into it, the first from the first."""
    owed = deque(out_of)
    for bank in into:
        left = bank.amount_minor
        while left and owed:
            wallet = owed.popleft()
            part = min(left, wallet.amount_minor)
            yield bank._replace(creditor=wallet.creditor, amount_minor=part)
            left -= part
            if part < wallet.amount_minor:
                owed.appendleft(wallet._replace(amount_minor=wallet.amount_minor - part))
        if left:
            yield bank._replace(amount_minor=left)
    yield from owed


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
