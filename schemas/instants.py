"""Instants as integers: which unit a number is probably in, for the hint when it is not microseconds."""

#: 2000-01-01 and 2100-01-01, seconds since 1970.
_FROM_S, _TO_S = 946_684_800, 4_102_444_800

_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def unit_of(number: int) -> str:
    """Return the unit in which `number` is an instant of this century, or "" if in none.

    >>> unit_of(1_764_547_200_000), unit_of(1_764_547_200_000_000), unit_of(7)
    ('milliseconds', 'microseconds', '')
    """
    return next((unit for unit, per_s in _UNITS.items() if _FROM_S <= number / per_s < _TO_S), "")


def not_microseconds(number: int) -> str:
    """Say in one clause why `number` is no instant in microseconds UTC; "" if it is one."""
    unit = unit_of(number)
    if unit == "microseconds":
        return ""
    said = f"in {unit}" if unit else "no time of this century"
    return f"{number} is {said}; microseconds since 1970 are expected"
