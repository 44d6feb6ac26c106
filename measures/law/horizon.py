"""Where what is known of holidays ends: said at start, before a term runs past it."""

from collections.abc import Iterable

from measures.law.jurisdiction import Jurisdiction
from schemas.units import DAY_US

#: So many days ahead it is said.
AHEAD_DAYS = 60


def calendar_cautions(laws: Iterable[Jurisdiction], now_us: int) -> list[str]:
    """Return a sentence for each country whose holidays are certain for less than `AHEAD_DAYS` from now."""
    said = []
    for law in laws:
        known = law.calendar.known_until
        if known < law.calendar.local(now_us + AHEAD_DAYS * DAY_US).date():
            said.append(
                f"{law.id}: holidays are certain until {known}; terms in business days that end later are a "
                "forecast: add what is announced to the country file and move known_until"
            )
    return said
