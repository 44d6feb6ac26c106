"""Signed orders: JWS (RFC 7515) with Ed25519 (RFC 8037, RFC 9864), one set of keys per authority.

A key is good while it is in its window *at the time of receipt*; rotation is two keys whose windows
overlap. No time that an order or its record claims can bring a retired key back.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from measures.refusal import Refusal
from schemas.contract import UNREADABLE, explained
from schemas.order import Actor, Order
from schemas.reply import Why

ALGORITHM = "Ed25519"
TYPE = "stopline-order+jws"
MAX_BYTES = 65_536
_DECODER = msgspec.json.Decoder(Order)
_KEY_ID = re.compile(r"[\x21-\x7e]{1,128}")


class AuthorityKey(NamedTuple):
    """One public key of an authority and when it may be used, microseconds UTC."""

    authority_id: str
    key_id: str
    actor: Actor
    jurisdiction: str
    public: OKPKey
    good_from_us: int
    good_until_us: int


class Opened(NamedTuple):
    """A message whose signature holds."""

    order: Order
    actor: Actor


class KeyRing:
    """The public keys in use, by key id; key ids are unique across authorities."""

    def __init__(self, keys: Iterable[AuthorityKey]) -> None:
        self._keys: Mapping[str, AuthorityKey] = {key.key_id: key for key in keys}

    def good(self, key_id: object, at_us: int) -> AuthorityKey | None:
        """Give the key if it may be used at `at_us`."""
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        return key if key and key.good_from_us <= at_us < key.good_until_us else None


def sign(order: Order, private: OKPKey, key_id: str) -> bytes:
    """Sign an order; returns a compact JWS.

    Raises ValueError if `key_id` is not 1 to 128 printable ASCII characters.
    """
    return sign_payload(msgspec.json.encode(order, order="sorted"), private, key_id)


def sign_payload(payload: bytes, private: OKPKey, key_id: str, kind: str = TYPE) -> bytes:
    """Sign a message of a kind; returns a compact JWS.

    Raises ValueError if `key_id` is not 1 to 128 printable ASCII characters.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError(f"key id {key_id!r} must be 1 to 128 printable ASCII characters without spaces")
    header = {"alg": ALGORITHM, "kid": key_id, "typ": kind}
    return jws.serialize_compact(header, payload, private, algorithms=[ALGORITHM]).encode()


def open_order(message: bytes, ring: KeyRing, received_at_us: int) -> Opened | Refusal:
    """Check a signed message and read its order; every fault is a value, never an exception.

    Refused: another algorithm or type, an unknown or expired key, a broken signature, a key of another
    authority or jurisdiction, numbers and fields against `schemas/json/order.v1.json`.
    """
    opened = open_payload(message, ring, received_at_us)
    if isinstance(opened, Refusal):
        return opened
    payload, key = opened
    try:
        order = _DECODER.decode(payload)
    except UNREADABLE as error:
        return Refusal(why=Why.MALFORMED, detail=explained(error, _DECODER.type))
    if (order.authority_id, order.jurisdiction) != (key.authority_id, key.jurisdiction):
        return Refusal(why=Why.BAD_SIGNATURE, detail="signed with the key of another authority")
    return Opened(order, key.actor)


def open_payload(
    message: bytes, ring: KeyRing, received_at_us: int, kind: str = TYPE
) -> tuple[bytes, AuthorityKey] | Refusal:
    """Check a signed message of a kind; returns what was signed, unread, and the key; a fault is a value."""
    header = _header(message, kind)
    if isinstance(header, Refusal):
        return header
    key = ring.good(header.get("kid"), received_at_us)
    if key is None:
        return Refusal(why=Why.UNKNOWN_KEY, detail="unknown key, or not in its window")
    try:
        return jws.deserialize_compact(message, key.public, algorithms=[ALGORITHM]).payload, key
    except (JoseError, ValueError, TypeError):
        return Refusal(why=Why.BAD_SIGNATURE, detail="the signature does not hold")


def _header(message: bytes, kind: str) -> dict[str, object] | Refusal:
    """Read the protected header before anything is trusted; it may hold nothing but alg, typ and kid."""
    if len(message) > MAX_BYTES:
        return Refusal(why=Why.TOO_LARGE, detail=f"longer than {MAX_BYTES} bytes")
    try:
        header = jws.extract_compact(message).headers()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Refusal(why=Why.MALFORMED, detail="not a compact JWS")
    if header.get("alg") != ALGORITHM or header.get("typ") != kind or set(header) - {"alg", "typ", "kid"}:
        return Refusal(why=Why.BAD_SIGNATURE, detail=f"it is signed with {ALGORITHM}, typ {kind}")
    return dict(header)
