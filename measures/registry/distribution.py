"""A country's list as institutions take it: whole, or what changed, signed, with a digest of the list after.

The first line is a JWS of the head (RFC 7515, Ed25519), the others are one subject each. A client applies a
change only to the version it is from, compares the digest, and otherwise takes the whole.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from joserfc.jwk import OKPKey

from measures.authority.signing import KeyRing, open_payload, sign_payload
from measures.refusal import Refusal
from measures.registry.listing import LIVE
from schemas.order import Record
from schemas.subject import ListedSubject

TYPE = "stopline-list+jws"


class Head(Record, frozen=True, kw_only=True):
    """What a file is: `since` is the version it changes, "" of a whole list; `digest` is of the list."""

    jurisdiction: str
    version: str
    since: str
    digest: str
    lines: int


class Row(Record, frozen=True, kw_only=True):
    """One subject: what is cut until when, and what goes on; without cuts it is on the list no more."""

    kind: str
    token: str
    cuts: dict[str, int] = msgspec.field(default_factory=dict)
    exempt: tuple[str, ...] = ()


class ListCopy(NamedTuple):
    """A list as a client holds it."""

    version: str
    rows: Mapping[tuple[str, str], Row]


NOTHING = ListCopy("", {})

_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_ROW = msgspec.json.Decoder(Row).decode
_HEAD = msgspec.json.Decoder(Head).decode


def rows(listed: Iterable[ListedSubject]) -> dict[tuple[str, str], Row]:
    """Return the list of what is in force, by kind and token."""
    return {
        (each.kind, each.token): Row(
            kind=each.kind, token=each.token, exempt=each.listing.exempt,
            cuts={cut.function: cut.until_us for cut in each.listing.cuts},
        )
        for each in listed
        if each.listing.state in LIVE
    }  # fmt: skip


def digest(held: Mapping[tuple[str, str], Row]) -> str:
    """Return the SHA-256 of a list, hexadecimal, in order of kind and token."""
    return hashlib.sha256(b"\n".join(_ENCODE(held[name]) for name in sorted(held))).hexdigest()


def file(now: ListCopy, before: ListCopy, jurisdiction: str, private: OKPKey, key_id: str) -> bytes:
    """Return the signed change from one version to another; from `NOTHING` it is the whole list."""
    changed = [row for name, row in now.rows.items() if before.rows.get(name) != row]
    gone = [Row(kind=kind, token=token) for kind, token in before.rows if (kind, token) not in now.rows]
    lines = sorted(_ENCODE(each) for each in (*changed, *gone))
    head = Head(
        jurisdiction=jurisdiction, version=now.version, since=before.version, digest=digest(now.rows),
        lines=len(lines),
    )  # fmt: skip
    signed = sign_payload(_ENCODE(head), private, key_id, TYPE)
    return b"\n".join([signed, *lines]) + b"\n"


def applied(held: ListCopy, given: bytes, ring: KeyRing, at_us: int) -> ListCopy | Refusal | None:
    """Return a list after a file; None if it is for another version: take the whole; a forgery is refused."""
    signed, *lines = given.splitlines()
    opened = open_payload(signed, ring, at_us, TYPE)
    if isinstance(opened, Refusal):
        return opened
    head = _HEAD(opened[0])
    if head.since not in ("", held.version):
        return None
    after = dict(held.rows) if head.since else {}
    for line in lines:
        row = _ROW(line)
        if row.cuts:
            after[row.kind, row.token] = row
        else:
            after.pop((row.kind, row.token), None)
    return ListCopy(head.version, after) if digest(after) == head.digest else None
