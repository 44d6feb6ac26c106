"""Looking subjects up: who asks for what is not there runs out soon, as in Brazil's directory.

An answer has tier, reason code and what is cut, never who said so.
"""

from typing import NamedTuple

from measures.registry.listed import in_force
from schemas.order import Record
from schemas.subject import ListedSubject, Suspicion
from schemas.units import MINUTE_US

#: What a look-up costs: of somebody who is known, and of somebody who is not.
FOUND_COST, UNKNOWN_COST = 1, 20


class Policy(NamedTuple):
    """How many look-ups fit into a caller's bucket, and how many a minute come back."""

    size: int
    per_minute: int


#: A person, and a firm.
PERSON, FIRM = Policy(100, 2), Policy(1_000, 20)


class Bucket(Record, frozen=True, kw_only=True):
    """What a caller may still ask, in millionths of a look-up, and when that was counted."""

    left_millionths: int
    at_us: int


class Answer(Record, frozen=True, kw_only=True):
    """What is known of a subject, without its source."""

    tier: int = 0
    effect: str = "NONE"
    reason_code: str = ""
    marker: str = ""
    cuts: tuple[str, ...] = ()
    until_us: int = 0


def asked(bucket: Bucket | None, policy: Policy, at_us: int, *, known: bool) -> tuple[Bucket, bool]:
    """Return the bucket after a look-up, and whether it is answered; a refused one costs nothing.

    Who could not pay for somebody unknown is refused whoever is asked for: that must not tell who is there.

    >>> bucket, allowed = None, True
    >>> for count in range(7):
    ...     bucket, allowed = asked(bucket, PERSON, 0, known=False)
    >>> allowed, bucket.left_millionths
    (False, 0)
    """
    whole = policy.size * 1_000_000
    now = bucket or Bucket(left_millionths=whole, at_us=at_us)
    back = max(0, at_us - now.at_us) * policy.per_minute * 1_000_000 // MINUTE_US
    left = min(whole, now.left_millionths + back)
    cost = (FOUND_COST if known else UNKNOWN_COST) * 1_000_000
    allowed = left >= UNKNOWN_COST * 1_000_000
    return Bucket(left_millionths=left - cost if allowed else left, at_us=max(now.at_us, at_us)), allowed


def again_us(bucket: Bucket, policy: Policy) -> int:
    """Return when a look-up is answered again, if none is until then."""
    lacks = max(0, UNKNOWN_COST * 1_000_000 - bucket.left_millionths)
    return bucket.at_us + -(-lacks * MINUTE_US // (policy.per_minute * 1_000_000))


def answer(suspected: Suspicion | None, listed: ListedSubject | None, at_us: int) -> Answer | None:
    """Return what is known of a subject at a time; None if nothing is in force."""
    cuts = tuple(sorted(in_force(listed, at_us))) if listed else ()
    effect = suspected.effect(at_us) if suspected else "NONE"
    if not cuts and effect == "NONE":
        return None
    until = [listed.listing.listed_to_us] if listed and cuts else []
    until += [suspected.valid_to_us] if suspected and effect != "NONE" else []
    return Answer(
        tier=suspected.tier if suspected and effect != "NONE" else 0,
        effect=effect,
        reason_code="LISTED" if cuts else "SCAM_REPORTED",
        marker=suspected.marker if suspected and effect != "NONE" else "",
        cuts=cuts,
        until_us=max(until),
    )
