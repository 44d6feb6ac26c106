"""Days off of a country, from the `holidays` library: its public calendar or that of its financial market."""

from datetime import date
from functools import cache
from typing import Any, NamedTuple

import holidays

#: Years in which terms may begin or end.
YEARS = range(2010, 2036)


class DaysOff(NamedTuple):
    """Days off that are no weekend, and weekend days that are worked instead."""

    off: frozenset[date]
    worked: frozenset[date]


@cache
def days_off(country: str, subdivision: str, financial: str, categories: tuple[str, ...]) -> DaysOff:
    """Return the days of a country (ISO 3166) and subdivision, or of a financial market (ISO 10383).

    Raises ValueError, in one sentence, if the library has no such calendar.
    """
    try:
        found: Any = (
            holidays.financial_holidays(financial, years=YEARS)
            if financial
            else holidays.country_holidays(
                country, subdiv=subdivision or None, years=YEARS, categories=categories or None
            )
        )
    except (NotImplementedError, ValueError, AttributeError) as error:
        wanted = financial or "/".join(filter(None, (country, subdivision, *categories)))
        raise ValueError(f"the library `holidays` has no calendar {wanted!r}: {error}") from error
    worked = frozenset(getattr(found, "weekend_workdays", ()))
    return DaysOff(frozenset(found), worked)
