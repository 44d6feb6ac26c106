"""Identifiers derived from their cause, so that a retry or a replay names the same thing."""

import hashlib
from itertools import product

SEPARATOR = "\x1f"

#: Base32 in lower case (RFC 4648), as in tokens.
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TRIPLES = ["".join(letters) for letters in product(LETTERS, repeat=3)]
_SHIFTS = range(120, -1, -15)


def base32(bits: int) -> str:
    """Return 128 bits as 26 letters of lower-case base32 without padding; the last letter holds three bits.

    >>> base32(1)
    'aaaaaaaaaaaaaaaaaaaaaaaaae'
    """
    bits <<= 7  # two bits fill the last letter, five are one more
    return "".join([_TRIPLES[bits >> shift & 32_767] for shift in _SHIFTS])[:-1]


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
