"""What the registry says of a subject as one number, so that many can be looked up at once.

The two planes stay apart: a suspicion has a tier and nothing of a listing, a listing cuts functions and has
no tier. Outlets and insiders are the supervisor's business: no payment is judged by them.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from schemas.subject import EFFECTS, SubjectKind

#: Tiers, each with those below it: of two numbers the union has the higher tier.
TIER_BITS = {0: 0, 1: 0b001, 2: 0b011, 3: 0b111}
TIER_MASK = 0b111

#: A listing is in force, whatever it cuts.
LISTED = 1 << 3

#: What a listing may cut of payments, and on which channels.
REMOTE, DIGITAL, ATM, CARD, ALL_OUT, ALL_IN = (1 << place for place in range(4, 10))
CHANNELS_OF: Mapping[int, tuple[str, ...]] = {
    REMOTE: ("OTHER", "MOBILE", "WEB", "ATM", "POS", "QR", "API"),
    DIGITAL: ("MOBILE", "WEB", "QR", "API"),
    ATM: ("ATM",),
    CARD: ("POS",),
    ALL_OUT: ("OTHER", "MOBILE", "WEB", "COUNTER", "ATM", "POS", "QR", "API"),
}

#: Function of a country file -> what that is of payments; others (new accounts, lines, credit) are none.
FUNCTIONS: Mapping[str, int] = {
    "NON_COUNTER": REMOTE, "NON_COUNTER_OUT": REMOTE, "DIGITAL_BANKING": DIGITAL, "ATM": ATM,
    "CASH_OUT": ATM, "CARD_PAYMENT": CARD, "TRANSFER_OUT": ALL_OUT, "TRANSFER_IN": ALL_IN,
}  # fmt: skip

#: Kinds of subjects that a payment or a call can be of.
LOOKED_UP: frozenset[SubjectKind] = frozenset({"PERSON", "ORG", "ACCOUNT", "CARD", "SIM", "MERCHANT"})

Plane = Literal["suspicions", "listings"]


class Spoken(NamedTuple):
    """What a state says of a subject: a number, and until when, microseconds UTC; 0 says nothing any more."""

    kind: SubjectKind
    token: str
    version: int
    codes: tuple[tuple[int, int], ...]


class _Suspicion(msgspec.Struct, frozen=True):
    kind: SubjectKind
    token: str
    tier: int
    state: str
    valid_to_us: int
    review_due_us: int = 0
    version: int = 1


class _Cut(msgspec.Struct, frozen=True):
    function: str
    until_us: int


class _Listing(msgspec.Struct, frozen=True):
    state: str
    cuts: tuple[_Cut, ...]
    listed_to_us: int


class _Listed(msgspec.Struct, frozen=True):
    kind: SubjectKind
    token: str
    listing: _Listing
    version: int = 1


_SUSPICION = msgspec.json.Decoder(_Suspicion).decode
_LISTED = msgspec.json.Decoder(_Listed).decode
_LIVE = ("LISTED", "APPLIED", "UNDER_APPEAL")


def suspected(value: bytes) -> Spoken:
    """Read a state of topic `suspicions`; a hold that waits for a person falls by itself when that is over.

    Raises:
        ValueError: it is none.

    """
    state = _SUSPICION(value)
    running = state.state in ("ACTIVE", "IN_REVIEW") and state.tier in EFFECTS
    codes = []
    if running and state.state == "IN_REVIEW":
        codes.append((TIER_BITS[state.tier], min(state.review_due_us, state.valid_to_us)))
        codes.append((TIER_BITS[min(state.tier, 2)], state.valid_to_us))
    elif running and state.tier:
        codes.append((TIER_BITS[state.tier], state.valid_to_us))
    return Spoken(state.kind, state.token, state.version, tuple(codes))


def listed(value: bytes) -> Spoken:
    """Read a state of topic `listings`: each function by its own term.

    Raises:
        ValueError: it is none.

    """
    state = _LISTED(value)
    now = state.listing
    if now.state not in _LIVE:
        return Spoken(state.kind, state.token, state.version, ())
    cuts = [(FUNCTIONS[cut.function] | LISTED, cut.until_us) for cut in now.cuts if cut.function in FUNCTIONS]
    return Spoken(state.kind, state.token, state.version, ((LISTED, now.listed_to_us), *cuts))
