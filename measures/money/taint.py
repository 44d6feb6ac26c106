"""Taint of live accounts: what of a case's money lies where, and what a debit takes on.

The facts are moves: an order states one (victim to first account), every traced transfer is one. What is
left on an account follows from the set of its moves alone, so it does not matter in which order or how
often they are heard of: per counterparty the larger of what was traced and what orders state came in, less
what went out in the same way. No unit is made: a move takes no more than was left.

How a debit takes from the account is LIBR, the lowest intermediate balance: clean money leaves first, and as
much taint as the balance after the debit can hold is still there. Where the balance is not known, the
tainted money leaves first.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from measures.money.purse import Lot
from measures.money.rounding import proportion
from schemas.ids import derived_id
from schemas.journal import JournalEntry, MeasureChanged, Reported
from schemas.measure import Measure, MeasureState
from schemas.order import MeasureKind
from schemas.trace import case_name, trace_id

#: Less than this of a case's money in one transfer is not followed, minor units.
LEAST_MINOR = 100


class TaintedMove(NamedTuple):
    """Tainted money of one case that went from one account to another.

    `stated`: an order says so, at `stated_us`; the newest statement holds, of one instant that of the newest
    `version`. `hop` is the creditor's.
    """

    move_id: str
    case: str
    debtor: str
    creditor: str
    amount_minor: int
    currency: str
    at_us: int
    hop: int
    stated: bool = False
    version: int = 0
    followed: bool = True
    clearing_serial: str = ""
    stated_us: int = 0


class Debit(NamedTuple):
    """Money that leaves an account; `balance_after_minor` is -1 where it is not known."""

    txn_id: str
    at_us: int
    debtor: str
    creditor: str
    amount_minor: int
    currency: str
    balance_after_minor: int
    clearing_serial: str = ""


class Limits(NamedTuple):
    """Where following ends, and accounts that hold other people's money.

    Attributes:
        hop_limit: hops without fresh evidence (the country file's).
        least_minor: less of a case's money in one transfer is left where it is.
        good_faith: accounts at which a trace ends.
        pooled: accounts of wallets and the like, where money leaves only by the serial it came with.

    """

    hop_limit: int
    least_minor: int = LEAST_MINOR
    good_faith: Collection[str] = ()
    pooled: Collection[str] = ()


def statements(entry: JournalEntry) -> list[TaintedMove]:
    """Return what a journal entry says about tainted money.

    A stop or freeze states the victim's transfer it is about, nothing if it was lifted, and less by what was
    paid back. The onward trace of an emptied account names the next accounts.
    """
    found, ordered = [], {}
    for event in entry.events:
        if isinstance(event, MeasureChanged) and event.measure.kind in (MeasureKind.STOP, MeasureKind.FREEZE):
            ordered[event.measure.authority_id, event.measure.order_no] = event.measure
            found += _stated(event)
        elif isinstance(event, Reported) and event.cause == "ONWARD_TRACE":
            measure = ordered.get((event.authority_id, event.order_no))
            found += _onward(measure, event) if measure else []
    return found


def _stated(event: MeasureChanged) -> list[TaintedMove]:
    measure, cause = event.measure, event.cause
    sent = measure.victim_transfer
    if sent is None:
        return []
    ended = measure.state is MeasureState.LIFTED or (
        measure.state is MeasureState.RELEASED and cause != "TIMER"
    )
    return [
        TaintedMove(
            derived_id("taint", measure.measure_id),
            case_name(measure.case_family),
            sent.account_token,
            measure.account_token,
            0 if ended else max(0, sent.amount_minor - measure.disbursed_minor),
            sent.currency,
            sent.transferred_at_us,
            0,
            stated=True,
            version=event.version,
            stated_us=event.at_us,
        )
    ]


def _onward(measure: Measure, event: Reported) -> list[TaintedMove]:
    flow, case = event.flow, case_name(measure.case_family)
    moved = (event.account_token, flow.counterparty_token, flow.amount_minor)
    serial = flow.clearing_serial
    name = trace_id(case, flow.txn_id)
    return [TaintedMove(name, case, *moved, measure.currency, flow.at_us, 1, clearing_serial=serial)]


def left(moves: Iterable[TaintedMove], account: str, at_us: int) -> list[Lot]:
    """Return the tainted money on `account` that had arrived by `at_us`, a lot per case.

    All moves are of one currency. A lot's hop is the least of its arrivals; where an order states that money
    arrived it is 0, and everything of that case on the account counts, followed or not.
    """
    lots = []
    by_case: dict[str, list[TaintedMove]] = {}
    for move in moves:
        by_case.setdefault(move.case, []).append(move)
    for case, own in sorted(by_case.items()):
        into = [
            move for move in own if move.creditor == account and move.at_us <= at_us and move.amount_minor
        ]
        stated = any(move.stated for move in into)
        into = [move for move in into if stated or move.followed]
        out_of = [move for move in own if move.debtor == account]
        amount = _sum(into, [move.debtor for move in into])
        amount -= _sum(out_of, [move.creditor for move in out_of])
        if amount > 0:
            lots.append(Lot(amount, case, 0 if stated else min(move.hop for move in into)))
    return lots


def carried(debit: Debit, moves: Sequence[TaintedMove], limits: Limits) -> list[TaintedMove]:
    """Return what a debit takes on of the tainted money of its account: a move per case, not known before.

    `moves` are those into and out of the account.
    """
    own = [move for move in moves if move.currency == debit.currency]
    stays = max(0, debit.balance_after_minor)
    if debit.debtor in limits.pooled:
        serial, stays = debit.clearing_serial or None, 0
        own = [move for move in own if move.clearing_serial == serial]
    lots = left(own, debit.debtor, debit.at_us)
    if not lots or debit.debtor == debit.creditor:
        return []
    known = {move.move_id: move.amount_minor for move in own}
    names = [trace_id(lot.origin, debit.txn_id) for lot in lots]
    before = sum(known.get(trace_id(case, debit.txn_id), 0) for case in {move.case for move in own})
    free = [0 if name in known else lot.amount_minor for name, lot in zip(names, lots, strict=True)]
    leaves = min(debit.amount_minor - before, sum(lot.amount_minor for lot in lots) - stays, sum(free))
    found = []
    for name, lot, part in zip(names, lots, proportion(max(0, leaves), free), strict=True):
        if part < max(1, limits.least_minor):
            continue
        home = any(m.stated and m.case == lot.origin and m.debtor == debit.creditor for m in own)
        good_faith = home or debit.creditor in limits.good_faith
        moved = (debit.debtor, debit.creditor, part, debit.currency, debit.at_us, lot.hop + 1)
        followed = not good_faith and lot.hop + 1 <= limits.hop_limit
        found.append(
            TaintedMove(name, lot.origin, *moved, followed=followed, clearing_serial=debit.clearing_serial)
        )
    return found


def _sum(moves: Sequence[TaintedMove], others: Sequence[str]) -> int:
    """Add up moves with `others`: with each the larger of what was traced and what orders state.

    Orders of several authorities may state the same transfer; transfers are told apart by their time.
    """
    traced: dict[str, int] = {}
    stated: dict[str, dict[int, int]] = {}
    for move, other in zip(moves, others, strict=True):
        if move.stated:
            by_time = stated.setdefault(other, {})
            by_time[move.at_us] = max(by_time.get(move.at_us, 0), move.amount_minor)
        else:
            traced[other] = traced.get(other, 0) + move.amount_minor
    names = traced.keys() | stated.keys()
    return sum(max(traced.get(name, 0), sum(stated.get(name, {}).values())) for name in names)
