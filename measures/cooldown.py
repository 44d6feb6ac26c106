"""When a victim may be warned again (domain.md 2.4): cool-down per person and case family.

A higher severity always passes; otherwise one warning per cool-down (a day at most) and so many a day.
"""

from measures.jurisdiction import Regime
from schemas.order import Record

DAY_US = 86_400_000_000


class Warned(Record, frozen=True, kw_only=True):
    """Warnings given to one person in one case family: (instant, severity), latest last."""

    given: tuple[tuple[int, int], ...] = ()


def may_warn(warned: Warned, severity: int, now: int, regime: Regime) -> bool:
    """Whether a warning of this severity (1 to 4) may go out now."""
    rule, add = regime.warning, regime.calendar.add
    as_grave = [at_us for at_us, earlier in warned.given if earlier >= severity and at_us > now - DAY_US]
    cooling = any(add(at_us, rule.cooldown) > now for at_us in as_grave)
    return not cooling and len(as_grave) < rule.per_day


def note(warned: Warned, severity: int, now: int) -> Warned:
    """Remember a warning; what is older than a day no longer counts."""
    kept = tuple(entry for entry in warned.given if entry[0] > now - DAY_US)
    return Warned(given=(*kept, (now, severity)))
