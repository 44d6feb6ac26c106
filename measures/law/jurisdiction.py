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

from pydantic import AfterValidator, Field, create_model

from measures.law.calendar import Calendar
from measures.law.rules import (
    KIND_RULES,
    NAMED,
    AppealRule,
    Data,
    ListingRule,
    MessageRule,
    PeopleRule,
    RefundRule,
    Rule,
    TraceRule,
    WarningRule,
)
from schemas.measure import Notice


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone")
    return value


R = TypeVar("R", bound=Rule)


class Jurisdiction(Data):
    """One country's file; `on` gives the law of a day. Kinds of measures add their rules (`CountryFile`)."""

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
    listing: tuple[ListingRule, ...] = ()
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
    kinds: Mapping[type[Rule], Mapping[str, Rule]]
    listing: ListingRule | None
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

    def rule(self, kind: type[R], name: str = "") -> R | None:
        """Give the rule of a kind of measure; of a kind whose rules have names the one called `name`."""
        return self.named(kind).get(name)

    def named(self, kind: type[R]) -> Mapping[str, R]:
        """Give all rules of a kind of measure by name; the name is empty where a kind has one rule."""
        return cast(Mapping[str, R], self.kinds[kind])


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
