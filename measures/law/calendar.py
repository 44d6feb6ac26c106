"""Terms of law as calendar arithmetic in an authority's time zone.

Years and months move the local date and clamp at the end of the month; days keep the local time of day;
hours and minutes are elapsed time; business days skip weekends and holidays. `@EOD` and `@SOD` move the
result to the end or the start of its local day.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SATURDAY_SUNDAY = frozenset({5, 6})

_TERM = re.compile(
    r"P(?:(?P<business>\d+)BD|(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?)(?:@(?P<edge>SOD|EOD))?"
)


@dataclass(frozen=True)
class Term:
    """A length of time as a law states it."""

    months: int = 0
    days: int = 0
    minutes: int = 0
    business_days: int = 0
    edge: str = ""

    @classmethod
    def parse(cls, text: str) -> "Term":
        """Read `P6M`, `P1Y`, `P30D`, `PT48H`, `P1DT12H`, `P3BD`, `P4BD@EOD`, `P1D@SOD`.

        Raises ValueError on anything else.

        >>> Term.parse("P1Y6M") == Term(months=18)
        True
        """
        match = _TERM.fullmatch(text)
        if match is None or not any(map(str.isdigit, text)) or text.endswith("T"):
            raise ValueError(f"{text!r} is not a term; write it like P6M, P30D, PT48H, P3BD or P4BD@EOD")
        part = {name: int(value or 0) for name, value in match.groupdict().items() if name != "edge"}
        return cls(
            months=12 * part["years"] + part["months"],
            days=part["days"],
            minutes=60 * part["hours"] + part["minutes"],
            business_days=part["business"],
            edge=match["edge"] or "",
        )


@dataclass(frozen=True)
class Calendar:
    """Local time of one jurisdiction.

    `workdays` are weekend days declared working days. Holidays are known only as far as the file lists
    them; later years count weekends alone.
    """

    zone: ZoneInfo
    weekend: frozenset[int] = SATURDAY_SUNDAY
    holidays: Collection[date] = frozenset()
    workdays: Collection[date] = frozenset()

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
        return day.weekday() not in self.weekend and day not in self.holidays

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
    """
    return (datetime.fromisoformat(text) - EPOCH) // MICROSECOND
