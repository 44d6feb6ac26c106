"""What a country file means, beyond the form of its parts: cross-checks, and a dry run of every rule."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from measures.law import notices
from measures.law.calendar import Calendar, Term
from measures.law.jurisdiction import Jurisdiction
from measures.law.notices import Told
from measures.law.registry_rules import ListingRule
from measures.law.rule_base import Rule
from measures.law.rules import (
    FreezeRule,
    HoldRule,
    LineSuspendRule,
    MessageRule,
    RestrictRule,
    ReverifyRule,
    StopRule,
)
from measures.law.warning_rules import LADDERS, WarningRule
from schemas.currencies import digits_of
from schemas.order import MeasureKind, Scope
from schemas.strict_yaml import Place
from schemas.units import DAY_US

#: Rules whose basis is quoted to people.
_QUOTED = (
    StopRule, FreezeRule, HoldRule, RestrictRule, LineSuspendRule, ReverifyRule, ListingRule, WarningRule,
)  # fmt: skip

#: Instants that terms begin at in the dry run: a leap day, clock changes, the turn of a year, a Saturday.
_STARTS = tuple(
    int(datetime(*day, 23, 30, tzinfo=UTC).timestamp()) * 1_000_000
    for day in ((2024, 2, 29), (2026, 3, 28), (2026, 10, 24), (2026, 12, 31), (2027, 1, 30))
)

#: No term that begins today ends later.
_MOST_US = 51 * 366 * DAY_US


def faults_of(law: Jurisdiction, stem: str) -> Iterator[tuple[Place, str]]:
    """Yield place and fault of everything that a file called `stem`.yaml says and cannot mean."""
    found = [
        *_calendar_faults(law),
        *_version_faults(law),
        *_word_faults(law),
        *_remember_faults(law),
        *_protective_faults(law),
        *(fault for place, rule in _rules(law) for fault in _rule_faults(place, rule)),
        *(fault for place, rule in _rules(law) for fault in _term_faults(law.calendar, place, rule)),
    ]
    yield from found or [*_name_faults(law, stem), *_notice_faults(law)]


def currency_faults(currency: Any, minor_digits: Any) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with a file's currency; amounts in it are read by these two."""
    digits = digits_of(currency) if isinstance(currency, str) else None
    if isinstance(currency, str) and digits is None and not currency.startswith("X"):
        yield ("currency",), f"{currency!r} is no currency of ISO 4217; invented ones begin with X"
    elif digits is not None and digits != minor_digits:
        yield ("minor_digits",), f"{currency} has {digits} decimals (ISO 4217), not {minor_digits}"


def _rules(law: Jurisdiction) -> Iterator[tuple[Place, Rule]]:
    for place, versions in law.versions().items():
        for index, rule in enumerate(versions):
            yield (*place, index), rule


def _name_faults(law: Jurisdiction, stem: str) -> Iterator[tuple[Place, str]]:
    if stem.lower() != law.id.lower():
        yield ("id",), f"the file is called {stem}.yaml and holds {law.id!r}; name it {law.id.lower()}.yaml"


def _calendar_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    for field in ("weekend", "holidays", "workdays", "languages"):
        values = getattr(law, field)
        if twice := [value for value in values if values.count(value) > 1]:
            yield (field,), f"{twice[0]} stands twice; keep one"
    if both := sorted(set(law.holidays) & set(law.workdays)):
        yield ("workdays",), f"{both[0]} is a holiday too; keep it in one of the lists"
    for weekday in law.monthly_off:
        if not 0 <= weekday <= 6 or weekday in law.weekend:
            yield ("monthly_off",), f"{weekday} is no weekday outside the weekend; 0 is Monday, 6 Sunday"
    for authority_id, authority in law.authorities.items():
        if authority.subdivision and law.holiday_calendar:
            try:
                law.holiday_calendar.days(authority.subdivision)
            except ValueError as error:
                yield ("authorities", authority_id, "subdivision"), str(error)


def _version_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    for place, versions in law.versions().items():
        if not versions:
            yield place, "a rule has at least one version"
        for index, (earlier, later) in enumerate(pairwise(versions), start=1):
            if later.since <= earlier.since:
                yield (*place, index, "since"), "versions must stand in order of their date of force"


def _word_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    for place, rule in _rules(law):
        if isinstance(rule, _QUOTED):
            yield from _spoken(law, (*place, "basis"), rule.basis)
        if isinstance(rule, WarningRule):
            yield from _spoken(law, (*place, "hotline"), rule.hotline, one_for_all=True)
        for function in _functions(rule):
            for language in law.languages:
                own = law.functions.get(function, {})
                if language not in own and function not in law.words[language].functions:
                    yield (
                        place,
                        f"function {function} has no name in {language!r}; give it one under `functions`",
                    )
    for code, texts in law.reasons.items():
        yield from _spoken(law, ("reasons", code), texts)
    for field in ("remedy", "functions"):
        for name, texts in getattr(law, field).items():
            yield from _spoken(law, (field, name), texts)
    if law.documents:
        yield from _spoken(law, ("documents",), law.documents)


def _spoken(
    law: Jurisdiction, place: Place, given: str | Mapping[str, Any], *, one_for_all: bool = False
) -> Iterator[tuple[Place, str]]:
    if isinstance(given, str):
        if len(law.languages) > 1 and not one_for_all:
            yield place, f"needs a text in each of {', '.join(law.languages)}; write {law.languages[0]}: ..."
        return
    for language in law.languages:
        if not given.get(language):
            yield place, f"{'.'.join(map(str, place[-2:]))} needs a text in {language!r}"
    for language in given:
        if language not in law.languages:
            yield (*place, language), f"{language!r} is none of the country's languages"


def _functions(rule: Rule) -> set[str]:
    if isinstance(rule, RestrictRule | LineSuspendRule):
        return set(rule.functions)
    if isinstance(rule, ReverifyRule):
        return {*rule.functions, *rule.unverified}
    if isinstance(rule, ListingRule):
        return {name for punishment in rule.grounds.values() for name in punishment.functions}
    return set()


def _remember_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    """Ask for every kind of measure that the country has rules for."""
    sections = [str(place[0]).upper() for place in law.versions()]
    wanted = [kind for kind in MeasureKind if any(kind.startswith(section) for section in sections)]
    for index, rule in enumerate(law.messages):
        for kind in wanted:
            if kind not in rule.remember:
                said = f"{kind} is missing; say how long its orders are remembered"
                yield ("messages", index, "remember"), said


def _message_faults(place: Place, rule: MessageRule) -> Iterator[tuple[Place, str]]:
    for kind in rule.remember:
        if _length(rule.remember[kind]) < _length(rule.valid_for):
            said = f"an order of kind {kind} would be forgotten while it is good; at least valid_for"
            yield (*place, "remember", kind), said


def _warning_faults(place: Place, rule: WarningRule) -> Iterator[tuple[Place, str]]:
    if sorted(rule.grades) != [1, 2, 3, 4]:
        yield (*place, "grades"), "grades 1, 2, 3 and 4 need a word each"
    for severity, rungs in rule.ladders.items():
        if severity not in LADDERS or not rungs:
            yield (*place, "ladders", severity), "severities are 1 to 4, and each ladder has a rung"
    if rule.quiet.start == rule.quiet.end:
        yield (*place, "quiet"), "start and end are the same; use up_to: 0 for no quiet hours"
    try:
        re.compile(rule.sender)
    except re.error as error:
        yield (*place, "sender"), f"is no regular expression: {error}"


def _protective_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    """Ask that a stop on a victim's own accounts has a rule, an end, and something that stays open."""
    restrictions: Mapping[str, tuple[RestrictRule, ...]] = getattr(law, "restrict", {})
    for index, rule in enumerate(law.warning):
        if not (name := rule.protective_stop):
            continue
        place: Place = ("warning", index, "protective_stop")
        versions = restrictions.get(name, ())
        if not versions:
            yield place, f"there is no restriction {name!r}; name one under `restrict`"
        elif any(each.term is None or not (each.exempt or each.on_request) for each in versions):
            yield place, f"restriction {name} needs a term, and something left open: exempt or on_request"


def _hold_faults(place: Place, rule: HoldRule) -> Iterator[tuple[Place, str]]:
    if rule.cancel_until_before and _length(rule.cancel_until_before) >= _length(rule.term):
        yield (*place, "cancel_until_before"), "is not shorter than the term: nobody could cancel"
    if bool(rule.instead_of) != bool(rule.between):
        yield (*place, "between"), "instead_of and between belong together"
    if rule.extends and (rule.scope is not Scope.AMOUNT or rule.starts != "EXECUTION"):
        yield (*place, "extends"), "only a hold over an amount that starts with its execution extends another"
    if rule.grounds_within and rule.starts == "EXECUTION":
        yield (*place, "grounds_within"), "needs a start before the execution, such as RECEIPT"


def _freeze_faults(place: Place, rule: FreezeRule) -> Iterator[tuple[Place, str]]:
    for index, check in enumerate(rule.verify):
        if _length(check.after) >= _length(rule.term):
            yield (*place, "verify", index, "after"), "is not shorter than the term: it would never run out"
    if rule.renew_before and _length(rule.renew_before) >= _length(rule.term):
        yield (*place, "renew_before"), "is not shorter than the term: nobody could renew"
    if rule.major_term and _length(rule.major_term) < _length(rule.term):
        yield (*place, "major_term"), "is shorter than the term of ordinary cases"


def _restrict_faults(place: Place, rule: RestrictRule) -> Iterator[tuple[Place, str]]:
    if rule.needs_period and rule.term is None:
        yield (*place, "term"), "a period that is named needs a term that bounds it"


_CHECKS: Mapping[type[Rule], Callable[[Place, Any], Iterator[tuple[Place, str]]]] = {
    MessageRule: _message_faults,
    WarningRule: _warning_faults,
    HoldRule: _hold_faults,
    FreezeRule: _freeze_faults,
    RestrictRule: _restrict_faults,
}


def _rule_faults(place: Place, rule: Rule) -> Iterator[tuple[Place, str]]:
    """Compare the parts of one rule with each other."""
    check = _CHECKS.get(type(rule))
    return check(place, rule) if check else iter(())


def _length(term: Term) -> float:
    """Return about how many days a term lasts."""
    return term.months * 30.4 + term.days + term.minutes / 1440 + term.business_days * 1.4


def _term_faults(calendar: Calendar, place: Place, part: BaseModel) -> Iterator[tuple[Place, str]]:
    """Run every term of a rule from instants of every kind."""
    for name in type(part).model_fields:
        yield from _dry_run(calendar, (*place, name), getattr(part, name))


def _dry_run(calendar: Calendar, place: Place, value: Any) -> Iterator[tuple[Place, str]]:
    if isinstance(value, BaseModel):
        yield from _term_faults(calendar, place, value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _dry_run(calendar, (*place, key), each)
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _dry_run(calendar, (*place, index), each)
    elif isinstance(value, Term):
        for start in _STARTS:
            try:
                lasts = calendar.add(start, value) - start
                calendar.subtract(start, value)
            except (OverflowError, ValueError):
                lasts = 0
            if not 0 < lasts < _MOST_US:
                day = calendar.local(start).date()
                yield place, f"a term that begins on {day} would not end after it, or not within 50 years"
                return


def _notice_faults(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    """Write a notice of every rule in every language."""
    for place, rule in _rules(law):
        if not isinstance(rule, _QUOTED) or isinstance(rule, WarningRule):
            continue
        scope = getattr(rule, "scope", Scope.FUNCTIONS)
        told = Told(scope, 100, law.currency, _STARTS[0], functions=_functions(rule))
        for language in law.languages:
            said = notices.notice(law, next(iter(law.words[language].reasons)), rule, language, told)
            if not all((said.reason, said.legal_basis, said.remedy_channel, said.documents_needed)):
                yield place, f"its notice in {language!r} is empty"
