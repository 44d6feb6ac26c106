"""Terms of law as calendar arithmetic in an authority's time zone.

Years and months move the local date and clamp at the end of the month; days keep the local time of day;
hours and minutes are elapsed time; business days skip weekends and holidays. Edges move the result, in
this order: `@NBD` to the next business day if its day is none (Korean Civil Act art. 161, Thai Civil and
Commercial Code s. 193/8), then `@EOD` or `@SOD` to the end or the start of its local day.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SATURDAY_SUNDAY = frozenset({5, 6})

_TERM = re.compile(
    r"P(?:(?P<business>[0-9]+)BD|(?:(?P<years>[0-9]+)Y)?(?:(?P<months>[0-9]+)M)?(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?)?)(?P<next>@NBD)?(?:@(?P<edge>SOD|EOD))?",
    re.ASCII,
)

#: No term of law is longer; longer ones are slips of the pen, and overflow what a date can hold.
MOST_MONTHS, MOST_DAYS, MOST_BUSINESS_DAYS = 600, 18_300, 1_000


@dataclass(frozen=True)
class Term:
    """A length of time as a law states it."""

    months: int = 0
    days: int = 0
    minutes: int = 0
    business_days: int = 0
    edge: str = ""
    next_business_day: bool = False

    @property
    def needs_calendar(self) -> bool:
        """Whether its end depends on holidays."""
        return bool(self.business_days or self.next_business_day)

    @classmethod
    def parse(cls, text: str) -> "Term":
        """Read `P6M`, `P1Y`, `P30D`, `PT48H`, `P1DT12H`, `P3BD`, `P4BD@EOD`, `P1D@SOD`, `P14D@NBD@EOD`.

        Raises ValueError on anything else, on a term without length and on one longer than 50 years.

        >>> Term.parse("P1Y6M") == Term(months=18)
        True
        """
        match = _TERM.fullmatch(text)
        if match is None or not any(map(str.isdigit, text)) or text.endswith("T"):
            raise ValueError(f"{text!r} is not a term; write it like P6M, P30D, PT48H, P3BD or P4BD@EOD")
        names = ("business", "years", "months", "days", "hours", "minutes")
        if any(len(match[name] or "") > 7 for name in names):
            raise ValueError(f"{text[:20]!r} is longer than 50 years; no law gives so long a term")
        part = {name: int(match[name] or 0) for name in names}
        term = cls(
            months=12 * part["years"] + part["months"],
            days=part["days"],
            minutes=60 * part["hours"] + part["minutes"],
            business_days=part["business"],
            edge=match["edge"] or "",
            next_business_day=bool(match["next"]),
        )
        if not any(part.values()) and not term.edge:
            raise ValueError(f"{text!r} has no length; a term lasts at least a minute")
        if (
            term.months > MOST_MONTHS
            or term.days + term.minutes // 1440 > MOST_DAYS
            or term.business_days > MOST_BUSINESS_DAYS
        ):
            raise ValueError(f"{text!r} is longer than 50 years; no law gives so long a term")
        return term


@dataclass(frozen=True)
class Calendar:
    """Local time of one jurisdiction.

    `weekend` are weekdays from 0 for Monday; `monthly_off` those that are off on some of their days of a
    month only (5: {2, 4} is every second and fourth Saturday). `workdays` are worked whatever else is said.
    Holidays are certain up to `known_until`; later ones are a forecast.
    """

    zone: ZoneInfo
    weekend: frozenset[int] = SATURDAY_SUNDAY
    holidays: Collection[date] = frozenset()
    workdays: Collection[date] = frozenset()
    monthly_off: Mapping[int, Collection[int]] = field(default_factory=dict)
    known_until: date = date.max

    def local(self, at_us: int) -> datetime:
        """Local date and time of an instant."""
        return (EPOCH + at_us * MICROSECOND).astimezone(self.zone)

    def instant(self, local: datetime) -> int:
        """Microseconds UTC of a local time; a time skipped by a clock change counts as before the change."""
        return (local.replace(tzinfo=self.zone).astimezone(UTC) - EPOCH) // MICROSECOND

    def is_business_day(self, day: date) -> bool:
        """Whether offices work on `day`."""
        if day in self.workdays:
            return True
        weekday, nth = day.weekday(), (day.day + 6) // 7
        off = weekday in self.weekend or nth in self.monthly_off.get(weekday, ())
        return not off and day not in self.holidays

    def foresees(self, at_us: int, term: Term) -> bool:
        """Whether the end of a term that began at `at_us` rests on holidays that are certain."""
        return not term.needs_calendar or self.local(self.add(at_us, term) - 1).date() <= self.known_until

    def business_days(self, since_us: int, until_us: int) -> int:
        """Count the business days after that of `since_us` up to that of `until_us`."""
        day, last, found = self.local(since_us).date(), self.local(until_us).date(), 0
        while day < last:
            day += timedelta(days=1)
            found += self.is_business_day(day)
        return found

    def add(self, at_us: int, term: Term) -> int:
        """Give the instant `term` after `at_us`."""
        return self._shift(at_us, term, 1)

    def subtract(self, at_us: int, term: Term) -> int:
        """Give the instant `term` before `at_us`."""
        return self._shift(at_us, term, -1)

    def _shift(self, at_us: int, term: Term, sign: int) -> int:
        moved = at_us
        if term.months or term.days or term.business_days:
            local = self.local(at_us).replace(tzinfo=None)
            local = add_months(local, sign * term.months) + timedelta(days=sign * term.days)
            for _ in range(term.business_days):
                local += timedelta(days=sign)
                while not self.is_business_day(local.date()):
                    local += timedelta(days=sign)
            moved = self.instant(local)
        moved += sign * term.minutes * 60_000_000
        if term.next_business_day:
            local = self.local(moved).replace(tzinfo=None)
            while not self.is_business_day(local.date()):
                local += timedelta(days=sign)
            moved = self.instant(local)
        if term.edge:
            midnight = self.local(moved).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
            moved = self.instant(midnight + timedelta(days=term.edge == "EOD"))
        return moved


def add_months(local: datetime, months: int) -> datetime:
    """Move by whole months; a day the target month lacks becomes its last day.

    >>> add_months(datetime(2027, 8, 31), 6)
    datetime.datetime(2028, 2, 29, 0, 0)
    """
    year, month0 = divmod(local.year * 12 + local.month - 1 + months, 12)
    return local.replace(year=year, month=month0 + 1, day=min(local.day, days_in_month(year, month0 + 1)))


def days_in_month(year: int, month: int) -> int:
    """Count the days of a month."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def from_iso(text: str) -> int:
    """Microseconds UTC of an ISO 8601 time with an offset.

    >>> from_iso("1970-01-01T08:00:01+08:00")
    1000000

    Raises ValueError if it is none.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write it like 2026-01-01T00:00:00+08:00")
    return (at - EPOCH) // MICROSECOND
