"""When a person may be warned again (domain.md 2.4).

At most one warning about one thing (a kind of scam, a case family) in the country's cool-down, and so many a
day about anything; a graver warning than all of the last day always passes.
"""

import msgspec

from measures.law.jurisdiction import Regime
from schemas.units import DAY_US


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A warning that went out: when, how grave (1 to 4), and what it was about."""

    at_us: int
    severity: int
    about: str


def recent(said: tuple[Said, ...], now_us: int) -> tuple[Said, ...]:
    """Return what was said in the last day; what is older no longer counts."""
    return tuple(each for each in said if now_us - each.at_us < DAY_US)


def may_warn(said: tuple[Said, ...], asked: Said, regime: Regime) -> bool:
    """Tell whether a warning may go out after those `said` in the last day, in whatever order they came."""
    if all(asked.severity > earlier.severity for earlier in said):
        return True
    rule, add = regime.warning, regime.calendar.add
    repeats = any(
        earlier.about == asked.about
        and earlier.severity >= asked.severity
        and add(min(earlier.at_us, asked.at_us), rule.cooldown) > max(earlier.at_us, asked.at_us)
        for earlier in said
    )
    return not repeats and len(said) < rule.per_day
