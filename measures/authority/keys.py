"""The file of authority keys: who may sign, with which public key, from when until when.

A JSON list of `KeyEntry`; public keys are JWKs (RFC 8037). Rotation is a second entry of the same
authority whose window overlaps the first.
"""

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
from schemas.errors import ConfigError
from schemas.order import Actor, Record

_MAKE = "make one with: stopline lifecycle keygen"


class KeyEntry(Record, frozen=True, kw_only=True):
    """One public key; times are ISO 8601 with an offset."""

    authority_id: str
    key_id: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}$")]
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
        except (ConfigError, JoseError, ValueError, TypeError) as error:
            raise ConfigError(f"key file {path}, key {entry.key_id!r}: {error}") from error
    return entries


def law_of_keys(entries: Iterable[KeyEntry], laws: Laws) -> list[Jurisdiction]:
    """Return the law of each country that has a key, and of every country of an owner's folder."""
    countries = {*(entry.jurisdiction for entry in entries), *laws.own}
    return [laws.of(country) for country in sorted(countries)]


def ring_of(entries: Iterable[KeyEntry]) -> KeyRing:
    """Build the ring that signatures are checked with."""
    return KeyRing(_key(entry) for entry in entries)


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
    good_from, good_until = from_iso(entry.good_from), from_iso(entry.good_until)
    if good_until <= good_from:
        raise ValueError("the key ends before it begins")
    return AuthorityKey(
        entry.authority_id, entry.key_id, entry.actor, entry.jurisdiction, public, good_from, good_until
    )
