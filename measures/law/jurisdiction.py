"""What the law of one country allows: the typed form of `countries/<id>.yaml`.

`Jurisdiction.on` picks the versions of the rules in force at an instant: the regime. The engine knows no
country.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, create_model, model_validator

from measures.law.calendar import Calendar
from measures.law.holidays import DaysOff, days_off
from measures.law.registry_rules import ListingRule, SuspicionRule
from measures.law.rule_base import Data, Day, Rule
from measures.law.rules import (
    KIND_RULES,
    NAMED,
    AppealRule,
    HoldRule,
    MessageRule,
    PeopleRule,
    RefundRule,
    TraceRule,
)
from measures.law.warning_rules import WarningRule
from measures.law.words import LANGUAGE, Decider, Plain, RemedyText, Words


def _zone(value: str) -> str:
    """Accept `Area/City` alone: `localtime` and the like mean another zone on another machine."""
    if "/" not in value or value.startswith(("posix/", "right/")) or value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone; write it like Europe/London")
    return value


Zone = Annotated[str, AfterValidator(_zone)]
Weekday = Annotated[int, Field(strict=True, ge=0, le=6)]


R = TypeVar("R", bound=Rule)


class HolidayCalendar(Data):
    """Which calendar of the library `holidays` a country's banks keep.

    `financial` is a market (ISO 10383) in place of a country (ISO 3166) with subdivision and categories. Days
    after `known_until` are a forecast: nobody has announced them yet.
    """

    country: str = ""
    subdivision: str = ""
    categories: tuple[str, ...] = ()
    financial: str = ""
    known_until: Day

    @model_validator(mode="after")
    def _exists(self) -> "HolidayCalendar":
        if bool(self.country) == bool(self.financial):
            raise ValueError("a calendar names a country or a financial market, one of them")
        self.days()
        return self

    def days(self, subdivision: str = "") -> DaysOff:
        """Return its days off, or those of another subdivision of the country."""
        return days_off(self.country, subdivision or self.subdivision, self.financial, self.categories)


class Authority(Data):
    """What is known of one authority: its name in one or more languages, its number, its own local time."""

    name: str | dict[str, str] = ""
    phone: str = ""
    timezone: Zone | None = None
    subdivision: str = ""


class Jurisdiction(Data):
    """One country's file; `on` gives the law of a day. Kinds of measures add their rules (`CountryFile`).

    Attributes:
        weekend: weekdays off, from 0 for Monday; `monthly_off` those off on some of their days of a month.
        holidays: days off besides those of `calendar`.
        workdays: days worked whatever else is said of them.
        authorities: what is known of single authorities, by their id.
        reasons: texts in place of those of the words, by reason code and language.
        remedy: how to object, by who can lift the measure and language.
        words: the sentences of each language; they stand in files of their own.

    """

    id: str = Field(pattern=r"^[A-Z]{2}$")
    name: str = Field(min_length=1)
    timezone: Zone
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    minor_digits: Annotated[int, Field(strict=True, ge=0, le=4)]
    languages: tuple[Annotated[str, Field(pattern=LANGUAGE)], ...] = Field(min_length=1)
    report_channels: tuple[str, ...]
    weekend: Annotated[tuple[Weekday, ...], Field(max_length=3)] = (5, 6)
    monthly_off: dict[int, tuple[Annotated[int, Field(strict=True, ge=1, le=5)], ...]] = Field(
        default_factory=dict
    )
    holiday_calendar: HolidayCalendar | None = Field(None, alias="calendar")
    holidays: tuple[Day, ...] = ()
    workdays: tuple[Day, ...] = ()
    authorities: dict[str, Authority] = Field(default_factory=dict)
    listing: tuple[ListingRule, ...] = ()
    suspicion: tuple[SuspicionRule, ...] = ()
    appeal: tuple[AppealRule, ...] = Field(min_length=1)
    refund: tuple[RefundRule, ...] = Field(min_length=1)
    people: tuple[PeopleRule, ...] = Field(min_length=1)
    messages: tuple[MessageRule, ...] = Field(min_length=1)
    tracing: tuple[TraceRule, ...] = Field(min_length=1)
    warning: tuple[WarningRule, ...] = Field(min_length=1)
    reasons: dict[str, dict[str, Plain]] = Field(default_factory=dict)
    remedy: dict[Decider, dict[str, RemedyText]] = Field(default_factory=dict)
    documents: dict[str, tuple[Plain, ...]] = Field(default_factory=dict)
    functions: dict[str, dict[str, Plain]] = Field(default_factory=dict)
    words: dict[str, Words] = Field(exclude=True)

    @cached_property
    def calendar(self) -> Calendar:
        """Local time and business days."""
        return self._calendar(self.timezone, "")

    def calendar_of(self, authority_id: str) -> Calendar:
        """Local time and business days of one authority: its own where the file gives them."""
        of = self.authorities.get(authority_id)
        if of is None or not (of.timezone or of.subdivision):
            return self.calendar
        return self._calendar(of.timezone or self.timezone, of.subdivision)

    def _calendar(self, zone: str, subdivision: str) -> Calendar:
        kept = self.holiday_calendar
        days = kept.days(subdivision) if kept else DaysOff(frozenset(), frozenset())
        years = [day.year for day in self.holidays]
        return Calendar(
            ZoneInfo(zone),
            frozenset(self.weekend),
            days.off | frozenset(self.holidays),
            days.worked | frozenset(self.workdays),
            self.monthly_off,
            kept.known_until if kept else date(max(years), 12, 31) if years else date.min,
        )

    def phone_of(self, authority_id: str) -> str:
        """Give an authority's number, or "" where the file has none."""
        return self.authorities[authority_id].phone if authority_id in self.authorities else ""

    def authority_in(self, authority_id: str, language: str) -> str:
        """Give an authority's name in a language; its id where the file has no name."""
        name = self.authorities[authority_id].name if authority_id in self.authorities else ""
        return (name if isinstance(name, str) else name.get(language, "")) or authority_id

    def function_in(self, function: str, language: str) -> str:
        """Give the name of a suspended function in a language."""
        own: str = self.functions.get(function, {}).get(language, "")
        return own or self.words[language].functions[function]

    def versions(self) -> dict[tuple[str, ...], tuple[Rule, ...]]:
        """List every rule's versions by its place in the file."""
        found: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, tuple) and value and isinstance(value[0], Rule):
                found[(field,)] = value
            elif field in NAMED:
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


@dataclass(frozen=True, eq=False)
class Regime:
    """The versions of a jurisdiction's rules in force on one day; None where the law gives no power."""

    id: str
    law: Jurisdiction
    kinds: Mapping[type[Rule], Mapping[str, Rule]]
    listing: ListingRule | None
    suspicion: SuspicionRule | None
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
            kinds={
                rule: _named_in_force(_by_name(law, section), day) for section, rule in KIND_RULES.items()
            },
            listing=_in_force(law.listing, day),
            suspicion=_in_force(law.suspicion, day),
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

    def calendar_of(self, authority_id: str) -> Calendar:
        """Local time and business days of one authority."""
        return self.law.calendar_of(authority_id)

    def rule(self, kind: type[R], name: str = "") -> R | None:
        """Give the rule of a kind of measure; of a kind whose rules have names the one called `name`."""
        return self.named(kind).get(name)

    def hold_at(self, name: str, at_us: int) -> tuple[str, HoldRule] | None:
        """Give the hold rule that serves as `name` at an instant, and its own name; None if there is none."""
        stand_ins = self._stand_ins.get(name)
        if stand_ins:
            clock = self.calendar.local(at_us).strftime("%H:%M")
            for other, rule in stand_ins:
                if rule.between and _between(clock, *rule.between):
                    return other, rule
        named = self.rule(HoldRule, name)
        return None if named is None else (name, named)

    @cached_property
    def _stand_ins(self) -> Mapping[str, list[tuple[str, HoldRule]]]:
        found: dict[str, list[tuple[str, HoldRule]]] = {}
        for name, rule in self.named(HoldRule).items():
            if rule.instead_of:
                found.setdefault(rule.instead_of, []).append((name, rule))
        return found

    def named(self, kind: type[R]) -> Mapping[str, R]:
        """Give all rules of a kind of measure by name; the name is empty where a kind has one rule."""
        return cast(Mapping[str, R], self.kinds[kind])


def _between(clock: str, start: str, end: str) -> bool:
    return start <= clock < end if start <= end else clock >= start or clock < end


def _fields() -> dict[str, Any]:
    """Return the sections of a country file that the kinds of measures bring."""
    fields: dict[str, Any] = {}
    for name, rule in KIND_RULES.items():
        versions: Any = tuple[rule, ...]  # type: ignore[valid-type]
        fields[name] = (dict[str, versions], Field(default_factory=dict)) if name in NAMED else (versions, ())
    return fields


#: A country file whole: `Jurisdiction` and one section for each kind of measure.
CountryFile: type[Jurisdiction] = create_model("CountryFile", __base__=Jurisdiction, **_fields())


def _by_name(law: Jurisdiction, section: str) -> Mapping[str, tuple[Rule, ...]]:
    versions: Any = getattr(law, section)
    named: Mapping[str, tuple[Rule, ...]] = versions if section in NAMED else {"": versions}
    return named


def _in_force(versions: tuple[R, ...], day: date) -> R | None:
    return next((version for version in reversed(versions) if version.since <= day), None)


def _named_in_force(rules: Mapping[str, tuple[R, ...]], day: date) -> dict[str, R]:
    picked = {name: _in_force(versions, day) for name, versions in rules.items()}
    return {name: version for name, version in picked.items() if version is not None}
