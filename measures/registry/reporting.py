"""What institutions owe an authority about their own suspected, by the calendar of a country file."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from measures.law.calendar import Term
from measures.law.jurisdiction import Jurisdiction
from measures.law.registry_rules import ReportColumn, ReportRule, SuspicionRule
from measures.tables import comma_separated
from schemas.errors import ConfigError
from schemas.subject import Counters, SubjectSource, Suspicion


class Period(NamedTuple):
    """From when until when (not included), and by when the report is due; microseconds UTC."""

    name: str
    from_us: int
    until_us: int
    due_us: int


def rule_of(law: Jurisdiction, at_us: int) -> ReportRule:
    """Return what is owed at a time.

    Raises:
        ConfigError: the country's law asks for no such report.

    """
    rule: SuspicionRule | None = law.on(at_us).suspicion
    if rule is None or rule.report is None:
        raise ConfigError(f"the country file of {law.id} has no report under suspicion; VN and BR have one")
    return rule.report


def period_of(law: Jurisdiction, rule: ReportRule, at_us: int) -> Period:
    """Return the newest period that had ended at a time, in the country's local time."""
    calendar, months = law.calendar, rule.period.months
    local = calendar.local(at_us).replace(tzinfo=None)
    month = (local.month - 1) // months * months + 1
    until_us = calendar.instant(datetime(local.year, month, 1))
    from_us = calendar.subtract(until_us, Term(months=months))
    begun = calendar.local(from_us)
    name = f"{begun:%Y-%m}" if months == 1 else f"{begun:%Y-%m}/{calendar.local(until_us - 1):%Y-%m}"
    return Period(name, from_us, until_us, calendar.add(until_us, rule.due) if rule.due else until_us)


def rows(known: Iterable[Suspicion], rule: ReportRule, period: Period, institution: str) -> list[list[str]]:
    """Return a line of each subject of an institution that was suspected in the period, by token."""
    mine = (
        each
        for each in known
        if each.institution == institution
        and each.kind in rule.kinds
        and each.since_us < period.until_us
        and each.valid_to_us > period.from_us
    )
    return [
        [_said(each, column, period) for column in rule.columns]
        for each in sorted(mine, key=lambda each: (each.kind, each.token))
    ]


def csv(rule: ReportRule, lines: Iterable[Iterable[str]]) -> str:
    """Return the report in the layout of the country file; no cell is a formula."""
    return comma_separated([each.name for each in rule.columns], lines)


def own_columns(rule: ReportRule) -> list[str]:
    """Return the columns that only the institution can fill."""
    return [each.name for each in rule.columns if each.says == "OWN"]


def _said(known: Suspicion, column: ReportColumn, period: Period) -> str:
    text = _SAYS[column.says](known, column, period)
    return text[: column.longest]


def _reason(known: Suspicion, column: ReportColumn, _: Period) -> str:
    if any(each.authority for each in known.sources) and "AUTHORITY" in column.codes:
        return column.codes["AUTHORITY"]
    found = (column.codes[each.reason_code] for each in _newest(known) if each.reason_code in column.codes)
    return next(found, column.codes.get("OTHER", _newest(known)[0].reason_code if known.sources else ""))


def _newest(known: Suspicion) -> list[SubjectSource]:
    return sorted(known.sources, key=lambda each: -each.at_us)


def _note(known: Suspicion, _: ReportColumn, period: Period) -> str:
    said = ((each.reason_code, " (authority)" * each.authority, _day(each.at_us)) for each in _newest(known))
    return "; ".join(f"{reason}{by} {day}" for reason, by, day in said)


def _day(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d}"


def _state(known: Suspicion, column: ReportColumn, _: Period) -> str:
    return column.codes.get(known.state, column.codes.get("OTHER", known.state))


def _counted(name: str) -> Callable[[Suspicion, ReportColumn, Period], str]:
    def count(known: Suspicion, column: ReportColumn, period: Period) -> str:
        counters: Counters = known.counters(period.until_us - 1, column.days)
        return str(getattr(counters, name))

    return count


_SAYS: Mapping[str, Callable[[Suspicion, ReportColumn, Period], str]] = {
    "TOKEN": lambda known, column, period: known.token,
    "KIND": lambda known, column, period: column.codes.get(known.kind, known.kind),
    "TIER": lambda known, column, period: str(known.tier),
    "MARKER": lambda known, column, period: known.marker,
    "STATE": _state,
    "SINCE": lambda known, column, period: _day(known.since_us),
    "UNTIL": lambda known, column, period: _day(known.valid_to_us),
    "REASON": _reason,
    "NOTE": _note,
    "OWN": lambda known, column, period: "",
    **{name.upper(): _counted(name) for name in Counters.__struct_fields__},
}
