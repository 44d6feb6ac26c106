"""Identifiers derived from their cause, so that a retry or a replay names the same thing."""

import hashlib
from itertools import product

SEPARATOR = "\x1f"

#: Base32 in lower case (RFC 4648), as in tokens.
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TRIPLES = ["".join(letters) for letters in product(LETTERS, repeat=3)]

#: Letters come in threes, of 15 bits: four of them before, five in so many bits.
_LOW_BITS = 75
_LOW = (1 << _LOW_BITS) - 1


def base32(bits: int) -> str:
    """Return 128 bits as 26 letters of lower-case base32 without padding; the last letter holds three bits.

    >>> base32(1)
    'aaaaaaaaaaaaaaaaaaaaaaaaae'
    """
    bits <<= 7  # two bits fill the last letter, five are one more
    high, low, of = bits >> _LOW_BITS, bits & _LOW, _TRIPLES  # in halves: long numbers are slow
    first = of[high >> 45] + of[high >> 30 & 32_767] + of[high >> 15 & 32_767] + of[high & 32_767]
    rest = of[low >> 60] + of[low >> 45 & 32_767] + of[low >> 30 & 32_767] + of[low >> 15 & 32_767]
    return first + rest + of[low & 32_767][:2]


def derived_id(kind: str, *causes: object) -> str:
    """Name the thing of `kind` that `causes` brought about.

    Returns `kind_` followed by 26 base32 characters (128 bits of SHA-256 over the causes).

    >>> derived_id("alert", "tx-1", "policy-a") == derived_id("alert", "tx-1", "policy-a")
    True
    >>> derived_id("hold", "ab", "c") == derived_id("hold", "a", "bc")
    False
    """
    return f"{kind}_{derived_token(kind, *causes)}"


def derived_token(kind: str, *causes: object) -> str:
    """Return the 26 letters of `derived_id` alone; for what is invented and has no clear value to hide.

    >>> derived_id("hold", "ab", "c") == f"hold_{derived_token('hold', 'ab', 'c')}"
    True
    """
    text = SEPARATOR.join((kind, *map(str, causes)))
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base32(int.from_bytes(digest, "big"))
