"""The file of authority keys: who may sign, with which public key, from when until when.

A JSON list of `KeyEntry`; public keys are JWKs (RFC 8037). Rotation is a second entry of the same
authority whose window overlaps the first.
"""

import base64
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Meta

from measures.authority.signing import AuthorityKey, KeyRing
from measures.law.calendar import from_iso
from measures.law.country_file import SHIPPED, Laws
from measures.law.jurisdiction import Jurisdiction
from schemas import strict_json
from schemas.contract import Id
from schemas.errors import ConfigError
from schemas.order import Actor, Record

_LOGGER = logging.getLogger(__name__)

#: Encodings of the points of small order without the sign bit (RFC 7748 section 7; as in libsodium).
_SMALL_ORDER = frozenset(
    {
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    }
)

_MAKE = "make one with: stopline lifecycle keygen"


class KeyEntry(Record, frozen=True, kw_only=True):
    """One public key; times are ISO 8601 with an offset."""

    authority_id: Id
    key_id: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z")]
    actor: Actor
    jurisdiction: str
    public: dict[str, str]
    good_from: str
    good_until: str


def read_keys(path: Path, laws: Laws = SHIPPED) -> tuple[KeyEntry, ...]:
    """Read and check a key file.

    Raises ConfigError naming the file and what is wrong.
    """
    try:
        entries = msgspec.json.decode(strict_json.read(path), type=tuple[KeyEntry, ...])
    except ConfigError as error:
        raise ConfigError(f"key file {error}; {_MAKE}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"key file {path} is not a list of keys: {error}; {_MAKE}") from error
    ids = [entry.key_id for entry in entries]
    if twice := next((key_id for key_id in ids if ids.count(key_id) > 1), None):
        raise ConfigError(f"key file {path} names key {twice!r} twice; key ids are unique")
    for entry in entries:
        try:
            laws.of(entry.jurisdiction)
            _key(entry)
        except (ConfigError, JoseError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"key file {path}, key {entry.key_id!r}: {error}") from error
    return entries


def law_of_keys(entries: Iterable[KeyEntry], laws: Laws) -> list[Jurisdiction]:
    """Return the law of each country that has a key, and of every country of an owner's folder."""
    countries = {*(entry.jurisdiction for entry in entries), *laws.own}
    return [laws.of(country) for country in sorted(countries)]


def ring_of(entries: Iterable[KeyEntry]) -> KeyRing:
    """Build the ring that signatures are checked with."""
    return KeyRing(_key(entry) for entry in entries)


def is_weak(x: str) -> bool:
    """Whether a public key (base64url, as in a JWK) is one of the points of small order, in any encoding."""
    point = bytearray(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
    point[-1] &= 0x7F
    return point.hex() in _SMALL_ORDER


class FollowedKeys:
    """The ring of a key file, read again when the file is replaced; a bad one is refused aloud."""

    def __init__(self, entries: Iterable[KeyEntry], path: Path | None, laws: Laws = SHIPPED) -> None:
        """Begin with `entries`; without a path they stay."""
        self._ring = ring_of(entries)
        self._path, self._laws = path, laws
        self._seen: tuple[int, int, int] | None = None

    def ring(self) -> KeyRing:
        """Return the ring of the file as it stands now; the one before where the file cannot be used."""
        if self._path is None:
            return self._ring
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            seen = (-1, -1, -1)
        if seen != self._seen:
            self._seen = seen
            try:
                self._ring = ring_of(read_keys(self._path, self._laws))
            except ConfigError as error:
                _LOGGER.error("the keys stay as they were: %s", error)
        return self._ring


def write_keys(path: Path, entries: Iterable[KeyEntry], laws: Laws = SHIPPED) -> None:
    """Write a key file whole or not at all: a job that follows it never reads a part."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(list(entries))))
    read_keys(part, laws)
    part.replace(path)


def public_entry(
    private: OKPKey,
    *,
    authority_id: str,
    key_id: str,
    actor: Actor,
    country: str,
    good_from: str,
    good_until: str,
) -> KeyEntry:
    """Describe the public half of a private key for the key file."""
    return KeyEntry(
        authority_id=authority_id,
        key_id=key_id,
        actor=actor,
        jurisdiction=country,
        public={name: str(value) for name, value in private.as_dict(private=False).items()},
        good_from=good_from,
        good_until=good_until,
    )


def _key(entry: KeyEntry) -> AuthorityKey:
    public = OKPKey.import_key({"kty": "OKP", **entry.public})
    if public.is_private or public.curve_name != "Ed25519":
        raise ValueError("a key file holds public Ed25519 keys only")
    if is_weak(str(public.as_dict(private=False)["x"])):
        raise ValueError("the point is of small order: such a key opens what nobody signed")
    good_from, good_until = from_iso(entry.good_from), from_iso(entry.good_until)
    if good_until <= good_from:
        raise ValueError("the key ends before it begins")
    return AuthorityKey(
        entry.authority_id, entry.key_id, entry.actor, entry.jurisdiction, public, good_from, good_until
    )
