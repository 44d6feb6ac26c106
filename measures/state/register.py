"""The register of order numbers: one live order per (authority, number), across all accounts.

Accounts are kept apart, so an order number used a second time for *another* account is noticed only here.
Key the register by `schemas.order.order_key`.
"""

from typing import Literal

from schemas.order import Record

NumberStatus = Literal["NEW", "SAME", "CONFLICT"]


class Registered(Record, frozen=True, kw_only=True):
    """Whose order a number is: the first account it was used on, and until when that is kept."""

    account_token: str
    forget_at_us: int


def register(
    known: Registered | None, account_token: str, *, forget_at_us: int, now: int
) -> tuple[Registered, NumberStatus]:
    """Give the entry to keep and whether the number is new, in use on this account, or on another one.

    >>> first, _ = register(None, "a", forget_at_us=10, now=0)
    >>> register(first, "b", forget_at_us=20, now=1)[1]
    'CONFLICT'
    """
    if known is None or now >= known.forget_at_us:
        return Registered(account_token=account_token, forget_at_us=forget_at_us), "NEW"
    return known, "SAME" if known.account_token == account_token else "CONFLICT"
