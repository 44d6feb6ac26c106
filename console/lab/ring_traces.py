"""Traces of a simulated world that orders about reported scams began, followed as the hot path does."""

from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush

import pyarrow.compute as pc

from console.lab.casework import stop_order
from fixtures.stream import reported
from fixtures.world import World
from measures.money.taint import Debit, TaintedMove, carried
from pipelines.hot.tracer import limits, trace_of
from pipelines.policy import Policy
from schemas.ids import derived_id
from schemas.trace import Trace, case_name

_DEBIT = (
    "txn_id", "accepted_at_us", "debtor_account", "creditor_account", "amount_minor", "currency",
    "balance_after_minor", "clearing_serial",
)  # fmt: skip


def traces(world: World, begins_us: int, rules: Policy) -> list[Trace]:
    """Follow the transfers that victims reported, from the orders that were given before the world ends.

    Every order is taken for accepted, and every debit since the transfer for remembered.
    """
    debits = [Debit(*row) for row in zip(*(world.payments[n].to_pylist() for n in _DEBIT), strict=True)]
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, debit in enumerate(debits):
        places[debit.debtor].append(place)
    moves: defaultdict[str, list[TaintedMove]] = defaultdict(list)
    ahead: list[int] = []
    waiting: set[int] = set()

    def moved(move: TaintedMove) -> None:
        """Note a move, and look at what leaves its payee from then on."""
        for account in (move.debtor, move.creditor):
            moves[account].append(move)
        for place in places[move.creditor]:
            if debits[place].at_us >= move.at_us and place not in waiting:
                waiting.add(place)
                heappush(ahead, place)

    for stated in _stated(world, begins_us, debits[-1].at_us if debits else 0):
        moved(stated)
    found = []
    while ahead:  # a debit's place is its order in time
        debit = debits[heappop(ahead)]
        for move in carried(debit, moves[debit.debtor], limits(rules, debit.at_us)):
            found.append(trace_of(debit, move, rules.law.id))
            moved(move)
    return found


def _stated(world: World, begins_us: int, ends_us: int) -> Iterator[TaintedMove]:
    """Yield what the orders of a world state: the victim's transfer to the first account."""
    which = pc.and_(reported(world.truth), pc.greater_equal(world.payments["accepted_at_us"], begins_us))
    told = (world.payments.filter(which).to_pylist(), world.truth.filter(which).to_pylist())
    for row, about in zip(*told, strict=True):
        order = stop_order(row, about)
        sent = order.victim_transfer
        if sent is not None and order.issued_at_us <= ends_us:
            yield TaintedMove(
                derived_id("taint", order.order_no), case_name(order.case_family), sent.account_token,
                order.target.account_token, sent.amount_minor, sent.currency, sent.transferred_at_us, 0,
                stated=True, stated_us=order.issued_at_us,
            )  # fmt: skip
