"""The rules of the registry: what a listing brings, what is only suspected, what is reported of it."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from measures.law.calendar import Term
from measures.law.rule_base import Data, OrderedRule, Rule, TermField
from schemas.subject import Effect, SubjectKind
from schemas.subject import Role as SubjectRole


class Punishment(Data):
    """What one ground of listing brings: each function is cut for its own term."""

    functions: dict[str, TermField] = Field(min_length=1)
    exempt: tuple[str, ...] = ()


class ListingRule(OrderedRule):
    """Joint punishment of listed persons (domain.md 1.7); `max_term` bounds listings one after another."""

    grounds: dict[str, Punishment] = Field(min_length=1)
    acknowledge: TermField
    max_term: TermField | None = None


#: What a column of a report says of a subject (`measures.registry.reporting`).
Said = Literal[
    "TOKEN", "KIND", "TIER", "MARKER", "STATE", "SINCE", "UNTIL", "REASON", "NOTE", "OWN",
    "SETTLEMENTS", "REPORTS", "DISTINCT_REPORTERS", "CONFIRMED", "REJECTED", "ACCOUNTS",
]  # fmt: skip


class ReportColumn(Data):
    """One column: its name in the authority's layout, what it says, of counters over how many days.

    What is OWN only the institution knows, such as a name: it stays empty. `codes` are in place of words:
    of a reason by its code, AUTHORITY where an authority says so, OTHER else.
    """

    name: str = Field(min_length=1, max_length=64)
    says: Said
    days: Annotated[int, Field(ge=0, le=3_660)] = 0
    codes: dict[str, str] = Field(default_factory=dict)
    longest: Annotated[int, Field(ge=1, le=1_000)] = 1_000


class ReportRule(Data):
    """A report that institutions owe of their suspected for every `period`, `due` at its end or later."""

    period: TermField
    due: TermField | None = None
    kinds: tuple[SubjectKind, ...] = Field(min_length=1)
    columns: tuple[ReportColumn, ...] = Field(min_length=1)

    @field_validator("period")
    @classmethod
    def _of_months(cls, period: Term) -> Term:
        if period not in {Term(months=months) for months in (1, 2, 3, 4, 6, 12)}:
            raise ValueError("a period is P1M, P2M, P3M, P4M, P6M or P12M: several make up a year")
        return period


class SuspicionRule(Rule):
    """What is only suspected of a subject of the registry: never what an authority's listing brings.

    `effects` are those of tiers 1 to 3 by themselves, for `term` after the newest source and at most twelve
    months. `markers` is what the country's register calls a subject by its part once that is confirmed.
    `report` is what institutions owe an authority about their own, by the calendar.
    """

    effects: tuple[Effect, Effect, Effect]
    term: TermField
    markers: dict[SubjectRole, Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,64}$")]] = Field(
        default_factory=dict
    )
    report: ReportRule | None = None
