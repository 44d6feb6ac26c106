"""The money's way: from the payers over the account of a case to the next ones, layer by layer."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from desk.projections.journal import state_of
from desk.sight import EVERYTHING, Sight
from desk.store import Store, unpacked
from measures.rings.money import standing
from measures.state.account import in_force
from schemas.action import Action
from schemas.topics import TRACES
from schemas.trace import Trace

#: So many layers after the account of the case, and accounts of one layer, are shown.
LAYERS, WIDTH = 5, 12


class Flow(NamedTuple):
    """Money that went from one account to another; `tainted_minor` of it was the case's."""

    source: str
    target: str
    tainted_minor: int
    currency: str
    at_us: int
    txn: str


class Stop(NamedTuple):
    """One account on the way.

    Attributes:
        account: its token.
        case_id: its case, "" if it has none.
        came_minor: of the case's money, what came here.
        left_minor: and what of it has left again, as far as is known.
        held_minor: what measures hold here now.
        freezable_minor: what of it is still here and held by nothing; by the balance where the bank tells it.
        known: whether the bank tells bookings of this account.
        currency: of the amounts.

    """

    account: str
    case_id: str
    came_minor: int
    left_minor: int
    held_minor: int
    freezable_minor: int
    known: bool
    currency: str


class Way(NamedTuple):
    """Layers of accounts, that of the case first, the payers apart, and what went between them."""

    payers: tuple[Flow, ...]
    layers: tuple[tuple[Stop, ...], ...]
    flows: tuple[Flow, ...]
    hidden: int

    @property
    def freezable_minor(self) -> int:
        """What can still be frozen, over all layers."""
        return sum(stop.freezable_minor for layer in self.layers for stop in layer)


def money_way(store: Store, account: str, now_us: int, sight: Sight = EVERYTHING) -> Way:
    """Follow the money of a case by traces and by alerts about money that leaves.

    Accounts that are not seen are counted among the hidden ones, and end the way.
    """
    payers = tuple(_into(store, account))
    layers: list[tuple[str, ...]] = [(account,)]
    seen, flows, hidden = {account}, list[Flow](), 0
    while len(layers) <= LAYERS:
        out = [flow for each in layers[-1] for flow in _out_of(store, each)]
        flows += out
        amounts: dict[str, int] = {}
        for flow in out:
            if flow.target not in seen:
                amounts[flow.target] = amounts.get(flow.target, 0) + flow.tainted_minor
        unseen = {each for each in amounts if not _seen(store, each, sight)}
        hidden += len(unseen)
        seen |= unseen
        for each in unseen:
            del amounts[each]
        if not amounts:
            break
        ranked = sorted(amounts, key=lambda each: (-amounts[each], each))
        hidden += max(len(ranked) - WIDTH, 0)
        layers.append(tuple(ranked[:WIDTH]))
        seen |= amounts.keys()
    shown = {each for layer in layers for each in layer}
    kept = tuple(flow for flow in flows if flow.target in shown)
    every = (*payers, *flows)
    stops = tuple(tuple(_stop(store, each, every, now_us) for each in layer) for layer in layers)
    return Way(payers, stops, kept, hidden)


def _seen(store: Store, account: str, sight: Sight) -> bool:
    return sight is EVERYTHING or bool(
        store.row(f"SELECT 1 FROM cases WHERE account = ? AND {sight.kept()}", account)
    )


def _into(store: Store, account: str) -> Iterable[Flow]:
    """Return what came to an account: by alerts, else as traced, else as somebody reported it."""
    found: dict[str, Flow] = {}
    for row in store.rows("SELECT record FROM facts WHERE topic = ? AND account = ?", TRACES, account):
        trace = _TRACE.decode(unpacked(row["record"]))
        found[trace.txn_id] = Flow(
            trace.debtor_account, account, trace.amount_minor, trace.currency, trace.at_us, trace.txn_id
        )
    for row in store.rows(
        "SELECT txn, min(counterparty) AS counterparty, max(amount_minor) AS amount, "
        "min(currency) AS currency, min(at_us) AS at_us FROM alerts "
        "WHERE account = ? AND leg = 'CREDIT' GROUP BY txn", account,
    ):  # fmt: skip
        found[row["txn"]] = Flow(
            row["counterparty"], account, row["amount"], row["currency"], row["at_us"], row["txn"]
        )
    known = {(flow.source, flow.tainted_minor) for flow in found.values()}
    known |= {("", amount) for _, amount in known}  # who paid may be unknown
    for row in store.rows("SELECT record FROM actions WHERE account = ? AND kind = 'REPORT'", account):
        told = _ACTION.decode(unpacked(row["record"]))
        payer, amount, at = told.terms.get("payer", ""), told.amount_minor, told.at_us
        if amount and (payer, amount) not in known:
            found[told.action_id] = Flow(payer, account, amount, told.currency, at, told.action_id)
    return sorted(found.values(), key=lambda flow: (flow.at_us, flow.txn))


def _out_of(store: Store, account: str) -> list[Flow]:
    """Return what left an account: as traced, else as alerts about its debits say."""
    found: dict[str, Flow] = {}
    for row in store.rows(
        "SELECT txn, min(counterparty) AS counterparty, max(amount_minor) AS amount, "
        "min(currency) AS currency, min(at_us) AS at_us FROM alerts "
        "WHERE account = ? AND leg = 'DEBIT' GROUP BY txn", account,
    ):  # fmt: skip
        found[row["txn"]] = Flow(
            account, row["counterparty"], row["amount"], row["currency"], row["at_us"], row["txn"]
        )
    for row in store.rows("SELECT record FROM facts WHERE topic = ? AND other = ?", TRACES, account):
        trace = _TRACE.decode(unpacked(row["record"]))
        found[trace.txn_id] = Flow(
            account, trace.creditor_account, trace.amount_minor, trace.currency, trace.at_us, trace.txn_id
        )
    return sorted(found.values(), key=lambda flow: (flow.at_us, flow.txn))


def _stop(store: Store, account: str, flows: Iterable[Flow], now_us: int) -> Stop:
    came = {flow.txn: flow for flow in flows if flow.target == account}
    left = {flow.txn: flow for flow in flows if flow.source == account}
    came_minor = sum(flow.tainted_minor for flow in came.values())
    left_minor = sum(flow.tainted_minor for flow in left.values())
    with store.reading() as db:
        state = state_of(db, account)
    known = bool(state and state.account.facts and state.account.facts.balance_minor is not None)
    held = in_force(state.account, now_us).held_minor if state else 0
    balance = state.account.balance_minor if known and state else None
    free = standing(came_minor, left_minor, held, balance).freezable_minor
    row = store.row("SELECT case_id FROM cases WHERE account = ?", account)
    currency = next((flow.currency for flow in (*came.values(), *left.values())), "")
    case_id = row["case_id"] if row else ""
    return Stop(account, case_id, came_minor, left_minor, held, free, known, currency)


_TRACE, _ACTION = msgspec.json.Decoder(Trace), msgspec.json.Decoder(Action)
