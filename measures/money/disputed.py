"""What an order disputes on an account: which incoming transfers, and how much."""

from typing import NamedTuple

from measures.state.account import Account
from schemas.order import Direction, Flow, Order, VictimTransfer


class Disputed(NamedTuple):
    """The sum in dispute (None if an order names none), and the account's transactions that brought it."""

    amount_minor: int | None
    txn_ids: tuple[str, ...]


def disputed(order: Order, account: Account) -> Disputed:
    """Read an order's transactions, else the victim's transfer, else its amount."""
    sent, named = order.victim_transfer, order.freeze.disputed_txn_ids if order.freeze else ()
    came = {flow.txn_id: flow.amount_minor for flow in account.flows if flow.direction is Direction.CREDIT}
    found = sum(came.get(txn_id, 0) for txn_id in set(named))
    if found:
        return Disputed(found, named)
    if sent is None:
        return Disputed(order.amount_minor, named)
    credit = credit_of(sent, account)
    return Disputed(sent.amount_minor, named or ((credit.txn_id,) if credit else ()))


def narrowed(order: Order, about: Disputed) -> int | None:
    """Give what an order over a sum may hold: of two figures in one message the smaller one."""
    return min((each for each in (order.amount_minor, about.amount_minor) if each), default=None)


def credit_of(sent: VictimTransfer, account: Account) -> Flow | None:
    """Find the victim's transfer among an account's credits: by its id, else by amount, payer and time."""
    credits = [flow for flow in account.flows if flow.direction is Direction.CREDIT]
    by_id = [flow for flow in credits if sent.txn_id and flow.txn_id == sent.txn_id]
    alike = by_id or [flow for flow in credits if flow.amount_minor == sent.amount_minor]

    def distance(flow: Flow) -> tuple[bool, int, int]:
        other_payer = bool(flow.counterparty_token) and flow.counterparty_token != sent.account_token
        return other_payer, abs(flow.at_us - sent.transferred_at_us), -flow.at_us

    return min(alike, key=distance, default=None)
