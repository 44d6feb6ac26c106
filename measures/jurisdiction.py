"""What the law of one country allows: the typed form of `jurisdictions/<id>.yaml`.

Every rule is a list of versions, each with its date of force, its legal basis and the sources it rests
on, marked as in domain.md (V seen in a source, M from memory, E estimate, D design). `Jurisdiction.on`
picks the versions in force at an instant: the regime. The engine knows no country.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationInfo as Info

from measures.calendar import Calendar, Term
from schemas.measure import Notice
from schemas.order import Actor, ApprovalLevel, MeasureKind, Scope

_SOURCE = re.compile(r"[VMECDU]( S\d+[a-z]?(,S\d+[a-z]?)*)?: \S.*")
_AMOUNT = re.compile(r"(\d+)(?:\.(\d+))? ([A-Z]{3})")


def _term(value: object) -> object:
    return Term.parse(value) if isinstance(value, str) else value


def _amount(value: object, info: Info) -> object:
    """Read `"2000000 CNY"` as minor units of the file's currency."""
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    context = info.context or {}
    if match is None or match[3] != context.get("currency"):
        raise ValueError(f"{value!r} is not an amount; write it like '50000 {context.get('currency')}'")
    digits = int(context["minor_digits"])
    if len(match[2] or "") > digits:
        raise ValueError(f"{value!r} has more than {digits} decimals")
    return int(match[1] + (match[2] or "").ljust(digits, "0"))


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError(f"{value!r} is not a source; write it like 'V S1,S2: what it says'")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone")
    return value


TermField = Annotated[Term, BeforeValidator(_term)]
Amount = Annotated[int, BeforeValidator(_amount)]
Source = Annotated[str, AfterValidator(_source)]
Texts = dict[str, str]


class Data(BaseModel):
    """Base of everything in a country file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rule(Data):
    """One version of a rule, in force from the local midnight of `since`."""

    since: date
    basis: str = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1)


class OrderedRule(Rule):
    """A rule that names who may order or take the measure."""

    actors: tuple[Actor, ...]


class StopRule(OrderedRule):
    """Emergency stop-payment (domain.md 1.3)."""

    term: TermField
    max_times: int = Field(1, ge=1)
    scope: Scope = Scope.ALL_OUTFLOW
    match: tuple[Literal["NAME", "ACCOUNT", "AMOUNT", "TIME"], ...]
    match_within: TermField = Term(minutes=10)
    papers: tuple[str, ...] = ()


class Verification(Data):
    """A clock of a freeze: `REVIEW` asks a person, `RELEASE` frees what nobody verified."""

    whole_or_linked: bool
    after: TermField
    then: Literal["REVIEW", "RELEASE"]


class Bulk(Data):
    """Sizes from which a freeze needs a legal review and a higher approval."""

    batch: int
    cumulative: int
    whole_batch: int
    whole_cumulative: int
    amount: Amount
    level: ApprovalLevel


class FreezeRule(OrderedRule):
    """Freeze, lien or order-backed hold (domain.md 1.4)."""

    needs_case: bool
    scope: Scope
    term: TermField
    major_term: TermField | None = None
    major_level: ApprovalLevel = ApprovalLevel.CITY
    max_times: int | None = None
    renew_before: TermField | None = None
    renewal_review: bool = False
    verify: tuple[Verification, ...] = ()
    bulk: Bulk | None = None
    papers: tuple[str, ...] = ()


class HoldRule(Rule):
    """A delay the institution sets itself (domain.md 1.6)."""

    scope: Scope
    term: TermField
    cancellable: bool = False
    cancel_until_before: TermField | None = None
    min_amount: Amount = 0
    min_balance: Amount = 0


class RestrictRule(OrderedRule):
    """Suspended functions of an account (domain.md 1.7); `cure` means re-verification restores them."""

    functions: tuple[str, ...]
    exempt: tuple[str, ...] = ()
    scope: Scope = Scope.FUNCTIONS
    term: TermField | None = None
    max_times: int = 1
    grace: TermField | None = None
    cure: bool = False


class Punishment(Data):
    """What one ground of listing brings: each function is cut for its own term."""

    functions: dict[str, TermField]
    exempt: tuple[str, ...] = ()


class ListingRule(OrderedRule):
    """Joint punishment of listed persons (domain.md 1.7)."""

    grounds: dict[str, Punishment]
    acknowledge: TermField


class QueryRule(OrderedRule):
    """Queries and dynamic queries (domain.md 1.5)."""

    max_term: TermField


class Tier(Data):
    """One instance of appeal: what it may lift and how long it may take."""

    name: str
    decide: TermField
    may_lift: tuple[MeasureKind, ...]


class AppealRule(Rule):
    """Appeals (domain.md 1.8); with `deemed_lift` silence of the last tier lifts the measure."""

    tiers: tuple[Tier, ...] = Field(min_length=1)
    acknowledge: TermField | None = None
    deemed_lift: bool = False


class Reimbursement(Data):
    """Loss made good by the institutions, whatever was frozen."""

    cap: Amount
    split_percent: tuple[int, ...]


class RefundRule(Rule):
    """Return of frozen money (domain.md 1.9)."""

    methods: tuple[Literal["DIRECT", "TRACE_FIFO", "LIBR", "PRO_RATA"], ...]
    notice: TermField | None = None
    pay_within: TermField
    administrative_below: Amount | None = None
    reimbursement: Reimbursement | None = None


class PeopleRule(Rule):
    """Human rules: officers per order, four eyes, small sums."""

    officers: int = Field(ge=0)
    four_eyes_from: Amount
    small_sum: Amount = 0


class MessageRule(Rule):
    """How long orders are good, parked and remembered (domain.md 1.10)."""

    valid_for: TermField
    clock_skew: TermField
    park_for: TermField
    remember: dict[MeasureKind, TermField]
    resend_after: TermField
    attempts: int = Field(ge=1)


class TraceRule(Rule):
    """How far taint is followed without fresh evidence."""

    hop_limit: int = Field(ge=1)


class WarningRule(Rule):
    """Warnings to victims: grades, senders, cool-down (domain.md 2)."""

    grades: dict[int, str]
    hotline: str
    sms_sender: str = ""
    links_allowed: bool = False
    cooldown: TermField
    per_day: int = Field(ge=1)


R = TypeVar("R", bound=Rule)


class Jurisdiction(Data):
    """One country's file; `on` gives the law of a day."""

    id: str = Field(pattern=r"^[A-Z]{2}$")
    name: str
    timezone: Annotated[str, AfterValidator(_zone)]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    minor_digits: int = Field(ge=0, le=4)
    languages: tuple[str, ...] = Field(min_length=1)
    report_channels: tuple[str, ...]
    weekend: tuple[int, ...] = (5, 6)
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    stop: tuple[StopRule, ...] = ()
    freeze: tuple[FreezeRule, ...] = ()
    hold: dict[str, tuple[HoldRule, ...]] = {}
    restrict: dict[str, tuple[RestrictRule, ...]] = {}
    listing: tuple[ListingRule, ...] = ()
    query: tuple[QueryRule, ...] = ()
    appeal: tuple[AppealRule, ...] = Field(min_length=1)
    refund: tuple[RefundRule, ...] = Field(min_length=1)
    people: tuple[PeopleRule, ...] = Field(min_length=1)
    messages: tuple[MessageRule, ...] = Field(min_length=1)
    tracing: tuple[TraceRule, ...] = Field(min_length=1)
    warning: tuple[WarningRule, ...] = Field(min_length=1)
    reasons: dict[str, dict[str, str]]
    remedy: dict[str, str]
    documents: dict[str, tuple[str, ...]]

    @cached_property
    def calendar(self) -> Calendar:
        """Local time and business days."""
        return Calendar(
            ZoneInfo(self.timezone),
            frozenset(self.weekend),
            frozenset(self.holidays),
            frozenset(self.workdays),
        )

    def versions(self) -> dict[tuple[str, ...], tuple[Rule, ...]]:
        """List every rule's versions by its place in the file."""
        found: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, tuple) and value and isinstance(value[0], Rule):
                found[(field,)] = value
            elif field in ("hold", "restrict"):
                found |= {(field, name): versions for name, versions in value.items()}
        return found

    @cached_property
    def _regimes(self) -> tuple[list[int], list["Regime"]]:
        days = sorted({version.since for versions in self.versions().values() for version in versions})
        midnights = [self.calendar.instant(datetime.combine(day, time())) for day in days]
        return midnights[1:], [Regime.of(self, day) for day in days]

    def on(self, at_us: int) -> "Regime":
        """Give the law in force at an instant; before the first date of force, the first regime."""
        starts, regimes = self._regimes
        return regimes[bisect_right(starts, at_us)]

    def notice(self, reason_code: str, basis: str, language: str) -> Notice:
        """Say to the holder why, on what ground, where to object and with which papers."""
        language = language if language in self.languages else self.languages[0]
        return Notice(
            reason_code=reason_code,
            reason=self.reasons[reason_code][language],
            legal_basis=basis,
            remedy_channel=self.remedy[language],
            documents_needed=self.documents[language],
            language=language,
        )


@dataclass(frozen=True, eq=False)
class Regime:
    """The versions of a jurisdiction's rules in force on one day; None where the law gives no power."""

    id: str
    law: Jurisdiction
    stop: StopRule | None
    freeze: FreezeRule | None
    hold: Mapping[str, HoldRule]
    restrict: Mapping[str, RestrictRule]
    listing: ListingRule | None
    query: QueryRule | None
    appeal: AppealRule
    refund: RefundRule
    people: PeopleRule
    messages: MessageRule
    tracing: TraceRule
    warning: WarningRule

    @classmethod
    def of(cls, law: Jurisdiction, day: date) -> "Regime":
        """Pick the versions in force on `day`; housekeeping rules apply before their first date too."""
        return cls(
            id=f"{law.id}@{day.isoformat()}",
            law=law,
            stop=_in_force(law.stop, day),
            freeze=_in_force(law.freeze, day),
            hold=_named_in_force(law.hold, day),
            restrict=_named_in_force(law.restrict, day),
            listing=_in_force(law.listing, day),
            query=_in_force(law.query, day),
            appeal=_in_force(law.appeal, day) or law.appeal[0],
            refund=_in_force(law.refund, day) or law.refund[0],
            people=_in_force(law.people, day) or law.people[0],
            messages=_in_force(law.messages, day) or law.messages[0],
            tracing=_in_force(law.tracing, day) or law.tracing[0],
            warning=_in_force(law.warning, day) or law.warning[0],
        )

    @property
    def calendar(self) -> Calendar:
        """Local time and business days."""
        return self.law.calendar


def _in_force(versions: tuple[R, ...], day: date) -> R | None:
    return next((version for version in reversed(versions) if version.since <= day), None)


def _named_in_force(rules: Mapping[str, tuple[R, ...]], day: date) -> dict[str, R]:
    picked = {name: _in_force(versions, day) for name, versions in rules.items()}
    return {name: version for name, version in picked.items() if version is not None}
