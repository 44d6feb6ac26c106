"""What an authority does: make its key, sign what it says."""

import time
from pathlib import Path

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from measures.authority.keys import KeyEntry, public_entry, read_keys, write_keys
from measures.authority.signing import sign_payload
from measures.law.calendar import EPOCH, MICROSECOND
from measures.law.country_file import Laws
from schemas import strict_json
from schemas.contract import UNREADABLE
from schemas.errors import ConfigError, cause, unquoted
from schemas.order import Actor
from schemas.units import DAY_US

YEAR_US = 365 * DAY_US


def new_key(
    keys: Path, out: Path, *, authority: str, country: str, actor: Actor, years: int, laws: Laws
) -> str:
    """Write a new private key to `out` and add its public half to the key file; returns the key's id.

    Raises:
        ConfigError: there is no such country, or `out` exists.

    """
    laws.of(country)
    known: tuple[KeyEntry, ...] = read_keys(keys, laws) if keys.exists() else ()
    if out.exists():
        raise ConfigError(f"{out} exists; name another file with --out")
    private = OKPKey.generate_key("Ed25519")
    now = time.time_ns() // 1000
    entry = public_entry(
        private,
        authority_id=authority,
        key_id=f"{authority}-{now // 1_000_000}",
        actor=actor,
        country=country,
        good_from=_iso(now),
        good_until=_iso(now + years * YEAR_US),
    )
    out.touch(mode=0o600)
    out.write_bytes(msgspec.json.encode(private.as_dict(private=True) | {"kid": entry.key_id}))
    write_keys(keys, [*known, entry], laws)
    return entry.key_id


def _iso(at_us: int) -> str:
    return (EPOCH + at_us * MICROSECOND).isoformat(timespec="seconds")


def signed(payload: bytes, key: Path, kind: str) -> bytes:
    """Sign a message of a kind with a private key file.

    Raises:
        ConfigError: the key cannot be used.

    """
    private, key_id = private_key(key)
    return sign_payload(payload, private, key_id, kind)


def private_key(file: Path) -> tuple[OKPKey, str]:
    """Read a private key and its id.

    Raises:
        ConfigError: the file holds none; quotes nothing of it.

    """
    try:
        given = msgspec.json.decode(strict_json.read(file), type=dict[str, str])
        found = OKPKey.import_key({"kty": "OKP", **given})
        if not found.is_private:
            raise ValueError("it is a public key")
    except (ConfigError, *UNREADABLE, JoseError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{file} cannot sign ({unquoted(cause(error))}); make a key with: stopline lifecycle keygen"
        ) from error
    return found, given.get("kid", "")
