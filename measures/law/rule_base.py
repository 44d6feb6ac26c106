"""What the rules of a country file are made of: dates, terms, amounts and sources, each read by its form."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationInfo as Info

from measures.law.calendar import Term
from schemas.order import Actor

_SOURCE = re.compile(r"[VMECDU]( S\d+[a-z]?(,S\d+[a-z]?)*)?: \S.*")
_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]+))? ([A-Z]{3})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _term(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a term; write it like P6M, P30D, PT48H, P3BD or P4BD@EOD")
    return Term.parse(value)


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f"{value!r} is not a date; write it like 2026-03-31")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a date: {error}") from error


def _hour(value: str) -> str:
    if not _HOUR.fullmatch(value):
        raise ValueError(f"{value!r} is not a time of day; write it in quotes, like '20:00'")
    return value


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a value that stands twice, ValueError."""
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands twice; keep one")
    return values


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


TermField = Annotated[Term, BeforeValidator(_term)]
Day = Annotated[date, BeforeValidator(_day)]
Hour = Annotated[str, AfterValidator(_hour)]
Flag = Annotated[bool, Field(strict=True)]
Times = Annotated[int, Field(strict=True, ge=1, le=1_000)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]

Amount = Annotated[int, BeforeValidator(_amount)]
Citation = Annotated[str, AfterValidator(_source)]


class Data(BaseModel):
    """Base of everything in a country file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rule(Data):
    """One version of a rule, in force from the local midnight of `since`.

    `basis` is quoted to people: one text, or one for each language of the country. With `own_term` the length
    of the term is the institution's own, and the notice says so.
    """

    since: Day
    basis: Annotated[str, Field(min_length=1)] | dict[str, str]
    sources: tuple[Citation, ...] = Field(min_length=1)
    own_term: Flag = False

    def basis_in(self, language: str) -> str:
        """Give the legal basis in a language of the country."""
        return self.basis if isinstance(self.basis, str) else self.basis[language]


class OrderedRule(Rule):
    """A rule that names who may order or take the measure.

    Rules with a term name what it runs from (`starts`): the measure's EXECUTION, the RECEIPT of the payment
    order by the institution, or the victim's REPORT to the police.
    """

    actors: Annotated[tuple[Actor, ...], AfterValidator(distinct), Field(min_length=1)]
