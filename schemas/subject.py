"""Subjects of the registry, in two planes that never mix (topics `suspicions`, `listings`; domain.md 4.7).

A suspicion is of a bank or a model: it ends after twelve months at the latest, warns, delays, or holds until
a person has looked, at most half an hour. A listing is an authority's decision: a law's term, functions that
are cut, others that stay.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.contract import (
    TEXT_PATTERN,
    Count,
    Country,
    CountryOrNone,
    Event,
    Id,
    IdOrNone,
    Micros,
    Name,
    SealOrNone,
    Text,
    Token,
    Word,
)
from schemas.measure import Notice
from schemas.names import how_many
from schemas.order import Record
from schemas.units import DAY_US

SubjectKind = Literal[
    "PERSON",
    "ORG",
    "ACCOUNT",
    "CARD",
    "SIM",
    "DEVICE",
    "MERCHANT",
    "OUTLET",
    "INSIDER",
    "DOCUMENT",
    "SOCIAL_ID",
]
Role = Literal["UNKNOWN", "RENTED", "SOLD", "COERCED", "UNWITTING", "ORGANISER"]
SuspicionState = Literal["ACTIVE", "IN_REVIEW", "CLEARED", "EXPIRED", "ENDED"]
Effect = Literal["NONE", "WARN", "DELAY", "HOLD_FOR_REVIEW"]

SUBJECT_KINDS = get_args(SubjectKind)

Tier = Annotated[int, Meta(ge=1, le=3)]

#: What a tier does by itself where no law says otherwise; nothing of it is a listing's.
EFFECTS: dict[int, Effect] = {0: "NONE", 1: "WARN", 2: "DELAY", 3: "HOLD_FOR_REVIEW"}

#: Counters are over so many days (Brazil's directory: 90 days, 12 and 60 months).
WINDOWS_DAYS = {"90d": 90, "12m": 365, "60m": 1_826}


class SubjectSource(Event, frozen=True, kw_only=True):
    """Who suspects, and why; each reporter once."""

    reporter: Name
    authority: bool = False
    report_id: IdOrNone = ""
    reason_code: Name = "SCAM_REPORTED"
    tier: Tier = 1
    citizen: bool = False
    at_us: Micros = 0


class Happened(Event, frozen=True, kw_only=True):
    """One thing the counters count."""

    at_us: Micros
    what: Literal["REPORTED", "CONFIRMED", "REJECTED"]
    reporter: Name
    report_id: IdOrNone = ""


class Day(Event, frozen=True, kw_only=True):
    """Settled payments of a day since 1970, and accounts."""

    day: Count
    settlements: Count
    accounts: Count = 0


class Counters(Event, frozen=True, kw_only=True):
    """What happened to a subject in a window."""

    settlements: Count = 0
    accounts: Count = 0
    reports: Count = 0
    distinct_reporters: Count = 0
    confirmed: Count = 0
    rejected: Count = 0


class Proposal(Event, frozen=True, kw_only=True):
    """People of an institution ask an authority to list a subject, once for each country and ground."""

    institution: Name
    jurisdiction: Country
    ground: Name
    by: tuple[Name, ...]
    reason: Text
    at_us: Micros


class Suspicion(Event, frozen=True, kw_only=True):
    """What is suspected of a subject; version 1. Message key: `subject_id`.

    Attributes:
        subject_id: derived from kind and token.
        kind: what it is.
        token: who it is.
        tier: 1 warns, 2 delays, 3 holds until a person has looked; 0 does nothing.
        state: IN_REVIEW has tier 3 and waits for a person until `review_due_us`, then falls to tier 2.
        sources: who suspects, each reporter once.
        role: its part.
        institution: who keeps it.
        since_us: since when it is suspected without a gap.
        valid_to_us: until when, at most twelve months after the newest source.
        review_due_us: by when a person looks, 0 if nobody must.
        reviewed_by: who confirmed it; of an unconfirmed suspicion nobody.
        tainted_minor: traced money that reached it, in `currency`.
        history: what the counters count, newest last.
        days: settled payments by day.
        forgotten: how much of the history is no longer remembered.
        ended_why: why it ended.
        proposals: who asks which authority to list it; without effect.
        jurisdiction: under whose law it was suspected first, "" if nobody said.
        effects: what tiers 1 to 3 bring by that law, empty where it says nothing.
        marker: what the country's register calls it, "" while nothing is confirmed.
        version: counts the changes.
        seal: of the job that wrote it.

    """

    subject_id: Id
    kind: SubjectKind
    token: Token
    tier: Annotated[int, Meta(ge=0, le=3)]
    state: SuspicionState
    since_us: Micros
    valid_to_us: Micros
    sources: tuple[SubjectSource, ...] = ()
    role: Role = "UNKNOWN"
    institution: Annotated[str, Meta(max_length=35, pattern=TEXT_PATTERN)] = ""
    review_due_us: Micros = 0
    reviewed_by: tuple[Name, ...] = ()
    tainted_minor: Count = 0
    currency: Word = ""
    traces: tuple[IdOrNone, ...] = ()
    history: tuple[Happened, ...] = ()
    days: tuple[Day, ...] = ()
    forgotten: Count = 0
    ended_why: Text = ""
    proposals: tuple[Proposal, ...] = ()
    jurisdiction: CountryOrNone = ""
    effects: tuple[Effect, ...] = ()
    marker: Word = ""
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its id."""
        return self.subject_id

    def effect(self, at_us: int) -> Effect:
        """Return what it does by itself at a time."""
        running = self.state in ("ACTIVE", "IN_REVIEW") and at_us < self.valid_to_us
        if not running or not self.tier:
            return "NONE"
        return self.effects[self.tier - 1] if self.effects else EFFECTS[self.tier]

    def counters(self, at_us: int, days: int) -> Counters:
        """Count the `days` before a time."""
        since = at_us - days * DAY_US
        happened = [each for each in self.history if since < each.at_us <= at_us]
        settled = [each for each in self.days if since < each.day * DAY_US <= at_us]
        reported = [each for each in happened if each.what == "REPORTED"]
        return Counters(
            settlements=sum(each.settlements for each in settled),
            accounts=max((each.accounts for each in settled), default=0),
            reports=len(reported),
            distinct_reporters=how_many(each.reporter for each in reported),
            confirmed=sum(each.what == "CONFIRMED" for each in happened),
            rejected=sum(each.what == "REJECTED" for each in happened),
        )


class FunctionCut(Record, frozen=True, kw_only=True):
    """One function the subject may not use, until when."""

    function: str
    until_us: int


class Listing(Record, frozen=True, kw_only=True):
    """One listing; states LISTED, APPLIED, UNDER_APPEAL, LIFTED, EXPIRED, REMOVED.

    `acknowledged` holds the institutions that applied it, `removed` those that took it back.
    """

    listing_id: str
    subject_token: str
    ground: str
    state: str
    regime: str
    authority_id: str
    decision_no: str
    cuts: tuple[FunctionCut, ...]
    exempt: tuple[str, ...]
    institutions: frozenset[str]
    listed_from_us: int
    listed_to_us: int
    notice: Notice
    due_us: int | None
    acknowledged: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    ended_why: str = ""
    ended_by: tuple[str, ...] = ()


class Seen(Record, frozen=True, kw_only=True):
    """When an institution applied the listing and removed it, microseconds UTC; 0 if it has not."""

    institution: str
    applied_us: int = 0
    removed_us: int = 0


class ListedSubject(Event, frozen=True, kw_only=True):
    """What authorities decided about a subject (topic `listings`); version 1. Message key: `subject_id`.

    Attributes:
        subject_id: derived from kind and token.
        kind: what it is.
        token: who it is.
        jurisdiction: whose law.
        listing: the newest one.
        earlier: those before it: listed again is listed for longer, never silently.
        seen: when institutions applied and removed the newest one: the proof.
        ended_us: when the newest one ended, 0 while it is in force.
        wrongful_us: for how long it was listed that should not have been, microseconds.
        version: counts the changes.
        seal: of the job that wrote it.

    """

    subject_id: Id
    kind: SubjectKind
    token: Token
    jurisdiction: Country
    listing: Listing
    earlier: tuple[Listing, ...] = ()
    seen: tuple[Seen, ...] = ()
    ended_us: Micros = 0
    wrongful_us: Micros = 0
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its id."""
        return self.subject_id


class ListChange(Event, frozen=True, kw_only=True):
    """A listing came onto a list (`listed`), or went from it, as the change of a number."""

    number: Count
    subject_id: Id
    listing_id: Id
    listed: bool
    at_us: Micros


class ListVersions(Event, frozen=True, kw_only=True):
    """The newest changes of a country's list (topic `list_versions`); version 1. Message key: `jurisdiction`.

    Attributes:
        jurisdiction: whose list.
        number: of the newest change.
        named: the opaque name of the version with it.
        changes: the newest ones, oldest first.
        applied: up to which change each institution has applied the list, before its newest word and with it.
        version: counts the changes of this record.
        seal: of the job that wrote it.

    """

    jurisdiction: Country
    number: Count
    named: Id
    changes: tuple[ListChange, ...] = ()
    applied: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its country."""
        return self.jurisdiction
