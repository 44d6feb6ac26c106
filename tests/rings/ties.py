"""Links and rings for tests, by short names."""

from measures.rings.links import Known
from schemas.ids import derived_token
from schemas.ring import PAYMENTS, Link, LinkKind
from schemas.units import MINUTE_US

AT = 1_760_000_000_000_000


def token(name: str) -> str:
    """Name an account, a party or a number."""
    return derived_token("ring-test", name)


def link(left: str, right: str, minutes: int = 0, amount: int = 10_000, kind: LinkKind = "PAID") -> Link:
    """Tie two names."""
    cause = f"{kind}-{left}-{right}-{minutes}"
    return Link(
        kind=kind, left=token(left), right=token(right), at_us=AT + minutes * MINUTE_US, cause_id=cause[:64],
        txn_id=cause[:36] if kind in PAYMENTS else "", amount_minor=amount if kind in PAYMENTS else 0,
        currency="CNY" if kind in PAYMENTS else "",
    )  # fmt: skip


def known(*links: Link, suspected: str = "") -> Known:
    """Put links together; accounts that take from victims or pay are suspected, and those named."""
    named = {token(name) for name in suspected.split()}
    ends = {each.right if each.kind == "DECEIVED" else each.left for each in links if each.kind in PAYMENTS}
    ordered = tuple(sorted(links, key=lambda each: (each.at_us, each.cause_id)))
    return Known(ordered, frozenset(ends | named), max(each.at_us for each in links))
