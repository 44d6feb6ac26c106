"""Which bundle acts: a folder registry with signed pointers.

    registry/
      bundles/<digest>/      the bundles, never changed
      signatures/<digest>    Ed25519 signature of the bundle's manifest (JWS, RFC 7515 and RFC 8037)
      live.json              the bundle that acts
      shadow.json            the bundle that is scored beside it and never acts
      previous.json          what was live before

A pointer is one line of JSON with a digest, signed like a manifest and replaced in one step, so that a
reader sees the old one or the new one. Nothing unsigned or altered is ever loaded, and no pointer older than
the newest that is known of its role: pointers have serials, noted with the key outside the folder (`trust`).
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Meta

from models.scoring import trust
from models.scoring.bundle import MANIFEST, Bundle, Features, load
from schemas.errors import ConfigError, ModelError, cause, unquoted

Role = Literal["live", "shadow", "previous"]

ALGORITHM = "Ed25519"

PUBLIC_KEY = "public.jwk"


class _Pointer(msgspec.Struct, frozen=True):
    """What a pointer says; those of releases without serials have 0."""

    role: str
    digest: str
    serial: Annotated[int, Meta(ge=0, le=2**53)] = 0
    at_us: Annotated[int, Meta(ge=0, le=2**53)] = 0

    @property
    def day(self) -> str:
        """When it was signed, for people."""
        return f"{datetime.fromtimestamp(self.at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC" if self.at_us else "?"


@dataclass(frozen=True)
class Registry:
    """A registry folder and the public key that its signatures must answer to.

    `trusted` is the file outside it (`trust`), beside it if None; `known` has the newest serials seen so far.
    """

    folder: Path
    public_key: OKPKey
    trusted: Path | None = None
    known: dict[str, int] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> Any:
        """Take key and serials along: the workers of a job trust what the job began with."""
        key = self.public_key.as_dict(private=False)
        return _unpickled, (self.folder, key, self.trusted, dict(self.serials()))

    def add(self, bundle: Path, private_key: OKPKey) -> str:
        """Copy a bundle that loads into the registry, sign it and return its digest.

        Raises:
            ModelError: the bundle is refused, or the key is not the registry's.

        """
        digest = load(bundle).digest
        signature = _sign((bundle / MANIFEST).read_bytes(), private_key)
        _verify(signature, self.public_key, f"{bundle}")
        target = self._bundle(digest)
        if not target.exists():
            draft = target.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(bundle, draft)
            draft.rename(target)
        replace(self.folder / "signatures" / digest, signature)
        return digest

    def bundle(self, digest: str, *, features: Features | None = None) -> Bundle:
        """Load a bundle of the registry after checking its signature.

        Raises:
            ModelError: it is not there, not signed by the registry's key, or altered.

        """
        if not digest.isalnum():
            raise ModelError(f"{digest!r} is not a bundle digest; use one of {self.digests()}.")
        where = self._bundle(digest)
        signed = _verify(_read(self.folder / "signatures" / digest), self.public_key, f"bundle {digest[:12]}")
        if _read(where / MANIFEST) != signed:
            raise ModelError(f"{where} is not the bundle that was signed; restore it or roll back.")
        return load(where, features=features, digest=digest)

    def load(self, role: Role, *, features: Features | None = None) -> Bundle:
        """Load the bundle in a role.

        Raises:
            ModelError: the role is empty, or its pointer or bundle is refused.

        """
        digest = self.digest(role)
        if digest is None:
            raise ModelError(f"{self.folder} has no {role} bundle; run `stopline registry promote` first.")
        return self.bundle(digest, features=features)

    def digest(self, role: Role) -> str | None:
        """Digest of the bundle in a role, None if the role is empty; cheap enough to poll.

        Raises:
            ModelError: the pointer is unsigned, altered, no pointer at all, or belongs to another role.

        """
        signed = self._pointer(role)
        return signed.digest if signed else None

    def pointers(self) -> list[str]:
        """Say of each role what its pointer is, for people."""
        found = []
        for role in get_args(Role):
            try:
                if signed := self._pointer(role):
                    found.append(f"{role:<9}number {signed.serial} of {signed.day}: {signed.digest[:12]}")
            except ModelError as error:
                found.append(f"{role:<9}{error}")
        return found

    def _pointer(self, role: Role) -> _Pointer | None:
        pointer = self.folder / f"{role}.json"
        if not pointer.exists():
            return None
        content = _verify(_read(pointer), self.public_key, f"{pointer}")
        again = f"promote the bundle again: {self._command(role)}"
        try:
            signed = msgspec.json.decode(content, type=_Pointer)
        except (msgspec.DecodeError, ValueError) as error:
            raise ModelError(f"{pointer} is signed and no pointer ({cause(error)}); {again}") from error
        if signed.role != role:
            raise ModelError(f"{pointer} was signed as {signed.role!r}; {again}")
        newest = self.serials().get(role, 0)
        if signed.serial < newest:
            raise ModelError(
                f"{pointer} is an older one put back: number {signed.serial} of {signed.day}, {newest} is "
                f"known; {again}"
            )
        self.known[role] = signed.serial
        return signed

    def digests(self) -> list[str]:
        """Digests of all bundles in the registry, sorted."""
        return sorted(path.name for path in (self.folder / "bundles").glob("*") if not path.suffix)

    def promote(self, digest: str, private_key: OKPKey, *, role: Role = "live") -> None:
        """Put a bundle into a role; what was live becomes previous, and a promoted shadow leaves the shadow.

        A pointer that is damaged is replaced; then the previous bundle stays the one that it was.

        Raises:
            ModelError: the bundle is refused, or the key is not the registry's.

        """
        self.bundle(digest)
        live = self.readable("live")
        if role == "live" and live not in (None, digest):
            self._point("previous", str(live), private_key)
        if role == "live" and self.readable("shadow") == digest:
            self._retire("shadow")
        self._point(role, digest, private_key)

    def rollback(self, private_key: OKPKey) -> str:
        """Swap live and previous; return the digest that is live now. A damaged live pointer is replaced.

        Raises:
            ModelError: there is no previous bundle, or it is refused.

        """
        previous = self.digest("previous")
        if previous is None:
            raise ModelError(
                f"{self.folder} has no previous bundle to roll back to; promote one instead: "
                f"{self._command('live')}"
            )
        self.bundle(previous)
        live = self.readable("live")
        self._point("live", previous, private_key)
        if live is not None:
            self._point("previous", live, private_key)
        return previous

    def readable(self, role: Role) -> str | None:
        """Return the digest of a role, None also if its pointer is refused."""
        try:
            return self.digest(role)
        except ModelError:
            return None

    def _point(self, role: Role, digest: str, private_key: OKPKey) -> None:
        serial = self.serials().get(role, 0) + 1
        pointer = _Pointer(role, digest, serial, time.time_ns() // 1000)
        signature = _sign(msgspec.json.encode(pointer), private_key)
        _verify(signature, self.public_key, f"the {role} pointer")
        replace(self.folder / f"{role}.json", signature)
        self._note(role, serial)

    def _retire(self, role: Role) -> None:
        """Empty a role; its pointer is not believed again."""
        (self.folder / f"{role}.json").unlink()
        self._note(role, self.serials().get(role, 0) + 1)

    def _note(self, role: Role, serial: int) -> None:
        self.known[role] = serial
        trust.note(self.trust_file, self.public_key, self.serials())

    @property
    def trust_file(self) -> Path:
        """Where key and serials are noted."""
        return self.trusted or trust.beside(self.folder)

    def serials(self) -> Mapping[str, int]:
        """Return the newest serial known of each role: what was seen, and what is noted outside."""
        noted = trust.read(self.trust_file, self.folder)
        found = dict(noted.serials) if noted else {}
        return {role: max(found.get(role, 0), self.known.get(role, 0)) for role in {*found, *self.known}}

    def _command(self, role: Role) -> str:
        to = "" if role == "live" else f" --role {role}"
        return f"stopline registry promote BUNDLE --registry {self.folder}{to}"

    def _bundle(self, digest: str) -> Path:
        return self.folder / "bundles" / digest


def open_registry(folder: Path, trusted: Path | None = None) -> Registry:
    """Open the registry in a folder, by the key pinned in `trusted`, by default the file beside the folder.

    Without such a file the key that the folder holds now is trusted, which `pinned` tells. A pointer that has
    a serial was noted, so that then the file is gone.

    Raises:
        ConfigError: there is no key, the folder holds another one than is pinned, or what was pinned is gone.

    """
    file = trusted or trust.beside(folder)
    noted = trust.read(file, folder)
    if noted is None:
        if trusted is not None:
            raise ConfigError(f"{trusted} is not there; pin the key: {trust.command(folder, trusted)}")
        found = unpinned(folder)
        if any(found.known.values()):
            raise ConfigError(
                f"{file} is gone, which notes whose signatures count and the newest pointers of {folder}, so "
                "older ones could be put back unnoticed; fetch it from where bundles are promoted, or see "
                f"what is pinned anew: {trust.command(folder, trusted)}"
            )
        return found
    held = None
    with suppress(ConfigError):
        held = read_key(folder / PUBLIC_KEY)
    if held is not None and not trust.same_key(held, noted.public_key):
        raise ConfigError(
            f"{folder / PUBLIC_KEY} is another key than {file} has pinned; ask who replaced it, and put the "
            f"pinned one back: {trust.command(folder, trusted)} --restore"
        )
    return Registry(folder, noted.public_key, trusted)


def unpinned(folder: Path) -> Registry:
    """Open the registry in a folder by the key that it holds, its pointers being the newest that are known.

    Raises:
        ConfigError: there is no key.

    """
    found = Registry(folder, read_key(folder / PUBLIC_KEY))
    for role in get_args(Role):
        found.readable(role)
    return found


def read_key(path: Path) -> OKPKey:
    """Read a public or private key.

    Raises:
        ConfigError: there is none.

    """
    try:
        return OKPKey.import_key(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, JoseError) as error:
        raise ConfigError(
            f"{path} is no key ({unquoted(cause(error))}); make one with: stopline registry keygen"
        ) from error


def _unpickled(folder: Path, public_key: Any, trusted: Path | None, known: dict[str, int]) -> Registry:
    return Registry(folder, OKPKey.import_key(public_key), trusted, known)


def _sign(content: bytes, private_key: OKPKey) -> bytes:
    return jws.serialize_compact({"alg": ALGORITHM}, content, private_key, algorithms=[ALGORITHM]).encode()


def _verify(signature: bytes, public_key: OKPKey, what: str) -> bytes:
    """Return the signed content."""
    try:
        return jws.deserialize_compact(signature, public_key, algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError) as error:
        raise ModelError(f"{what} is not signed by the registry's key; promote it with that key.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read; add and promote the bundle again.") from error


def replace(path: Path, content: bytes) -> None:
    """Write a file of the registry in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    with draft.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    draft.replace(path)
