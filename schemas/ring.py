"""Rings: suspected accounts that money, victims or telephone numbers tie together (topic `cases`).

Every role is a suspicion with its reason; a ring is work for people, never the ground of a measure.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.contract import Count, Currency, Event, Id, IdOrNone, Micros, MinorUnits, Token, TokenOrNone

Role = Literal["COLLECTOR", "LAYER", "FAN_OUT", "CASH_OUT", "LINKED"]
Change = Literal["BEGAN", "CHANGED", "MERGED", "SPLIT", "ENDED"]
LinkKind = Literal[
    "PAID", "DECEIVED", "CALLED", "SAME_ORIGID", "SAME_HOLDER", "SHARED_DEVICE", "SHARED_IP24",
    "SAME_TEMPLATE", "SAME_KIT", "CASHED_AT", "RECRUITED",
]  # fmt: skip
#: Links that are payments; all others have no amount.
PAYMENTS = ("PAID", "DECEIVED")
AssociateRole = Literal["FUND_OWNER", "PLATFORM", "RECRUITER", "DEN"]
AssociateKind = Literal["ACCOUNT", "CALLER", "TRUNK", "DEVICE", "PERSON"]


class Link(Struct, frozen=True, kw_only=True):
    """One tie between two things: dated, with its evidence.

    Attributes:
        kind: PAID account -> account, DECEIVED party -> account it paid, CALLED number -> party,
            SAME_ORIGID trunk of a call -> party, SAME_HOLDER party -> account it holds; the others as a
            report names them, from what is shared (device, address, template, site, till) or who recruits.
        left: token on the acting side, or what is shared.
        right: token on the other.
        at_us: event time.
        cause_id: alert, trace, clue or report it was read from.
        txn_id: the payment, "" if it is none.
        amount_minor: what was paid; of a trace, its tainted part.
        currency: of the amount, "" if there is none.
        traced: read from a trace alone: it tells where money went, and ties nobody.

    """

    kind: LinkKind
    left: str
    right: str
    at_us: Micros
    cause_id: Annotated[str, Meta(min_length=1, max_length=64)]
    txn_id: str = ""
    amount_minor: MinorUnits = 0
    currency: str = ""
    traced: bool = False


class Sum(Event, frozen=True, kw_only=True):
    """Money of one currency, minor units: `stolen` = `lost` + `held` + `freezable`.

    Attributes:
        currency: ISO 4217.
        stolen_minor: what payers who were probably deceived paid in.
        held_minor: what measures hold of it.
        freezable_minor: what is still there by the facts known and held by nothing.
        lost_minor: the rest: it has left the suspected accounts.
        at_risk_minor: of the freezable, what leaves within the next hour if money rests as it did so far.

    """

    currency: Currency
    stolen_minor: MinorUnits = 0
    held_minor: MinorUnits = 0
    freezable_minor: MinorUnits = 0
    lost_minor: MinorUnits = 0
    at_risk_minor: MinorUnits = 0


class Member(Event, frozen=True, kw_only=True):
    """A suspected account of a ring.

    Attributes:
        account_token: the account.
        role: what it is suspected to do: COLLECTOR is paid by victims, LAYER passes on, FAN_OUT passes on
            to five or more, CASH_OUT pays only out of the ring, LINKED has a victim or number in common.
        reason: why, in words and figures.
        sums: its money, by currency; `stolen_minor` is what victims paid into it.

    """

    account_token: Token
    role: Role
    reason: str
    sums: tuple[Sum, ...] = ()


class Associate(Event, frozen=True, kw_only=True):
    """Who or what is suspected of a part in a ring without being one of the accounts that hang together.

    Attributes:
        kind: what `token` is: an account, a number that calls, the trunk of calls (`origid`), a device or
            range of addresses, a person.
        token: which one.
        role: FUND_OWNER: much of the money came to rest there. PLATFORM: rings that nothing else ties pay
            it. RECRUITER: called or brought holders of its accounts. DEN: its calls or its accounts come
            from there.
        reason: why, in words and figures.

    """

    kind: AssociateKind
    token: Annotated[str, Meta(min_length=1, max_length=2048)]
    role: AssociateRole
    reason: str


class Ring(Event, frozen=True, kw_only=True):
    """One ring as it stands after a change; version 1. Message key: `ring_id`.

    Attributes:
        ring_id: stable while most of its accounts stay together.
        change: what happened; ENDED rings name in `into` where their accounts are now, if in one.
        at_us: event time of the newest fact that was known.
        first_us: event time of its first link.
        last_us: event time of its last link.
        members: suspected accounts, by token.
        victims: parties who were probably deceived.
        numbers: telephone numbers that called two or more of its victims.
        sums: money by currency: the sums of the members, held and freezable at most what was stolen.
        fund_owners: the accounts in which most of its money came to rest, or to which it left; at most three.
        from_rings: the rings that its accounts were in before, if others.
        into: see `change`.
        hubs: things that were left out because more than fifty share them.
        evidence: ids of the alerts, traces, clues and reports it rests on.
        associates: who or what else is suspected of a part in it, each with its reason.

    """

    ring_id: Id
    change: Change
    at_us: Micros
    first_us: Micros = 0
    last_us: Micros = 0
    members: tuple[Member, ...] = ()
    victims: Count = 0
    numbers: tuple[Token, ...] = ()
    sums: tuple[Sum, ...] = ()
    fund_owners: tuple[TokenOrNone, ...] = ()
    from_rings: tuple[str, ...] = ()
    into: IdOrNone = ""
    hubs: Count = 0
    evidence: tuple[str, ...] = ()
    associates: tuple[Associate, ...] = ()

    @property
    def key(self) -> str:
        """Its id."""
        return self.ring_id
