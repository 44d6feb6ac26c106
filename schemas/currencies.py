"""Currencies of ISO 4217 and how many digits their minor unit has."""

from functools import cache

from iso4217 import Currency


@cache
def digits_of(currency: str) -> int | None:
    """Return the digits of a currency's minor unit, None if ISO 4217 has no such currency or no minor unit.

    >>> digits_of("CNY"), digits_of("JPY"), digits_of("cny"), digits_of("XAU")
    (2, 0, None, None)
    """
    try:
        digits: int | None = Currency(currency).exponent if currency.isupper() else None
    except ValueError:
        return None
    return digits
