"""Pinning the key of a registry outside its folder, and putting the pinned one back."""

from pathlib import Path
from typing import get_args

import msgspec
from joserfc.jwk import OKPKey

from models.scoring import trust
from models.scoring.shelf import PUBLIC_KEY, Registry, Role, open_registry, replace
from schemas.errors import ConfigError


def pinned(registry: Registry) -> bool:
    """Tell whether the key of a registry is pinned outside its folder."""
    return registry.trust_file.exists()


def pin(folder: Path, trusted: Path | None = None) -> OKPKey:
    """Pin the key that a folder holds now, with the serials of its pointers; return the key.

    Raises:
        ConfigError: there is no key, or another one is pinned already.

    """
    registry = open_registry(folder, trusted if trusted and trusted.exists() else None)
    made = Registry(folder, registry.public_key, trusted)
    for role in get_args(Role):
        made.readable(role)
    trust.note(made.trust_file, made.public_key, made.serials())
    return made.public_key


def restore(folder: Path, trusted: Path | None = None) -> OKPKey:
    """Put the pinned key back into the folder; return it.

    Raises:
        ConfigError: none is pinned.

    """
    file = trusted or trust.beside(folder)
    noted = trust.read(file, folder)
    if noted is None:
        raise ConfigError(f"{file} is not there; pin the key: {trust.command(folder, trusted)}")
    replace(folder / PUBLIC_KEY, msgspec.json.encode(noted.key))
    return noted.public_key
