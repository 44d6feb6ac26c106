"""Identifiers derived from their cause, so that a retry or a replay names the same thing."""

import base64
import hashlib

SEPARATOR = "\x1f"


def derived_id(kind: str, *causes: object) -> str:
    """Name the thing of `kind` that `causes` brought about.

    Returns `kind_` followed by 26 base32 characters (128 bits of SHA-256 over the causes).

    >>> derived_id("alert", "tx-1", "policy-a") == derived_id("alert", "tx-1", "policy-a")
    True
    >>> derived_id("hold", "ab", "c") == derived_id("hold", "a", "bc")
    False
    """
    text = SEPARATOR.join((kind, *map(str, causes)))
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return f"{kind}_{base64.b32encode(digest).decode().rstrip('=').lower()}"
