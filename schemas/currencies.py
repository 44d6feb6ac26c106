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


def decimal(amount_minor: int, digits: int) -> str:
    """Write minor units as a decimal number without separators.

    >>> decimal(123456, 2), decimal(5, 2), decimal(5000, 0), decimal(-195, 2)
    ('1234.56', '0.05', '5000', '-1.95')
    """
    whole, part = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"
