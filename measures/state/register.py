"""The register of order numbers: one live order per (authority, number), across all accounts.

Accounts are kept apart, so an order number used a second time for *another* account is noticed only here.
Key the register by `schemas.order.order_key`.
"""

from typing import Literal

from schemas.order import Record

NumberStatus = Literal["NEW", "SAME", "CONFLICT"]


class Registered(Record, frozen=True, kw_only=True):
    """What an order number stands for: the hash of the first body seen, and until when it is kept."""

    body_hash: str
    forget_at_us: int


def register(
    known: Registered | None, body_hash: str, *, forget_at_us: int, now: int
) -> tuple[Registered, NumberStatus]:
    """Give the entry to keep and whether the order is new, the same again, or another under the same number.

    >>> first, _ = register(None, "h1", forget_at_us=10, now=0)
    >>> register(first, "h2", forget_at_us=20, now=1)[1]
    'CONFLICT'
    """
    if known is None or now >= known.forget_at_us:
        return Registered(body_hash=body_hash, forget_at_us=forget_at_us), "NEW"
    return known, "SAME" if known.body_hash == body_hash else "CONFLICT"
