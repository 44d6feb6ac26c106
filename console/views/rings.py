"""Rings on a terminal."""

from collections.abc import Sequence

from rich.table import Table

from console.lab.ring_sample import Judged
from console.lab.ring_truth import Found
from console.lab.rings import Looked
from measures.exchange.names import instant
from schemas.currencies import decimal, digits_of
from schemas.ring import Ring, Sum


def overview(looked: Looked) -> Table:
    """Return every ring in a line, those with most money still freezable first."""
    shown = Table(
        "ring", "accounts", "victims", "stolen", "held", "still freezable", "lost", "last seen",
        title="Suspected rings",
    )  # fmt: skip
    ordered = sorted(looked.rings.values(), key=lambda ring: (-_most(ring), ring.ring_id))
    for ring in ordered:
        amounts = (
            _amounts(ring, name) for name in ("stolen_minor", "held_minor", "freezable_minor", "lost_minor")
        )
        shown.add_row(
            ring.ring_id, str(len(ring.members)), str(ring.victims), *amounts, instant(ring.last_us)
        )
    return shown


def one(ring: Ring) -> Table:
    """Return a ring account by account."""
    title = f"Suspected ring {ring.ring_id}: {ring.victims} victims, lost {_amounts(ring, 'lost_minor')}"
    shown = Table("account or other", "role", "held", "still freezable", "at risk in 1 h", "why", title=title)
    for member in ring.members:
        amounts = (_sums(member.sums, name) for name in ("held_minor", "freezable_minor", "at_risk_minor"))
        shown.add_row(member.account_token, member.role, *amounts, member.reason)
    if ring.associates:
        shown.add_section()
    for each in ring.associates:
        shown.add_row(each.token, each.role, "", "", "", each.reason)
    return shown


def said(looked: Looked, *, written: bool) -> str:
    """Say what changed, and what could not be read."""
    changes = ", ".join(f"{ring.ring_id} {ring.change}" for ring in looked.told[:5])
    more = f" and {len(looked.told) - 5} more" if len(looked.told) > 5 else ""
    where = "written to topic cases" if written else "not written; --write sends it to topic cases"
    text = f"{changes}{more}: {where}" if looked.told else "nothing changed since the last look"
    unread = "\n".join(
        f"{count} messages of {topic} cannot be read, the first: {why}"
        for topic, (count, why) in looked.unread.items()
    )
    return f"{text}\n{unread}" if unread else text


def figures(found: Sequence[Found], oracles: Sequence[Found], seed: int) -> Table:
    """Return the figures of each world, and those of who knows every scam and every mule beside them."""
    shown = Table(
        "seed", "mules suspected", "not suspected", "innocent in rings", "rings found", "true rings",
        "precision", "recall", "F1", "fund owner named", "in any link", "innocent named",
        "oracle F1", "oracle fund owner",
        title="Pairs of accounts put together",
    )  # fmt: skip
    for number, (each, best) in enumerate(zip(found, oracles, strict=True), seed):
        shown.add_row(
            *map(str, (number, each.mules, each.missed, each.innocent, each.rings, each.true_rings)),
            f"{each.precision:.2f}", f"{each.recall:.2f}", f"{each.f1:.2f}", f"{each.owned} of {each.owners}",
            str(each.owners_seen), f"{each.named_innocent} of {each.named}", f"{best.f1:.2f}",
            f"{best.owned} of {best.owners}",
        )  # fmt: skip
    return shown


def sample(judged: Judged) -> Table:
    """Return the figures of a public sample."""
    shown = Table(
        "whole rounds", "their accounts", "rings found", "largest", "precision", "recall", "F1",
        title="Pairs of accounts of rounds that are whole; every labelled account suspected",
    )  # fmt: skip
    counts = map(str, (judged.rounds, judged.accounts, judged.rings, judged.largest))
    shown.add_row(*counts, *(f"{each:.2f}" for each in (judged.precision, judged.recall, judged.f1)))
    return shown


def _most(ring: Ring) -> int:
    return max((each.freezable_minor for each in ring.sums), default=0)


def _amounts(ring: Ring, name: str) -> str:
    return _sums(ring.sums, name)


def _sums(sums: Sequence[Sum], name: str) -> str:
    return "\n".join(
        f"{decimal(getattr(each, name), digits_of(each.currency) or 0)} {each.currency}" for each in sums
    )
