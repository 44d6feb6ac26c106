"""The registry as one file that a machine loads in seconds: a signed head, then the columns as they are.

The head (a JWS, RFC 7515, Ed25519) names the version, how far topics were read for it, and the SHA-256 of the
columns; what does not match is not loaded.
"""

import hashlib
from typing import NamedTuple

import msgspec
import numpy as np
from joserfc.jwk import OKPKey

from measures.authority.signing import KeyRing, open_payload, sign_payload
from measures.refusal import Refusal
from measures.registry.table import Entries
from schemas.order import Record
from schemas.reply import Why

TYPE = "stopline-registry+jws"


class Head(Record, frozen=True, kw_only=True):
    """What a file is.

    Attributes:
        version: of what is looked up, a number that says nothing.
        rows: how many.
        digest: SHA-256 of the columns, hexadecimal.
        read: how far each partition of the topics was read, `topic/partition` -> offset.
        written_us: when.

    """

    version: int
    rows: int
    digest: str
    read: dict[str, int]
    written_us: int


class Snapshot(NamedTuple):
    """A head and the entries it is of."""

    head: Head
    entries: Entries


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_HEAD = msgspec.json.Decoder(Head).decode


def written(
    entries: Entries, private: OKPKey, key_id: str, *, version: int, read: dict[str, int], at_us: int
) -> bytes:
    """Return the file of entries."""
    columns = b"".join(column.tobytes() for column in entries)
    head = Head(
        version=version, rows=len(entries.codes), digest=hashlib.sha256(columns).hexdigest(), read=read,
        written_us=at_us,
    )  # fmt: skip
    return sign_payload(_ENCODE(head), private, key_id, TYPE) + b"\n" + columns


def opened(given: bytes, ring: KeyRing, at_us: int) -> Snapshot | Refusal:
    """Return what a file holds; a forgery, or a file that is cut short or changed, is refused."""
    signed, _, columns = given.partition(b"\n")
    payload = open_payload(signed, ring, at_us, TYPE)
    if isinstance(payload, Refusal):
        return payload
    head = _HEAD(payload[0])
    if hashlib.sha256(columns).hexdigest() != head.digest:
        return Refusal(why=Why.MALFORMED, detail="its columns are not those that were signed")
    keys, spans = 16 * head.rows, 8 * head.rows
    return Snapshot(
        head,
        Entries(
            np.frombuffer(columns, np.uint64, 2 * head.rows).reshape(-1, 2),
            np.frombuffer(columns, np.uint32, 2 * head.rows, keys).reshape(-1, 2),
            np.frombuffer(columns, np.uint16, head.rows, keys + spans),
        ),
    )
