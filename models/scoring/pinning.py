"""Pinning the key of a registry outside its folder, and putting the pinned one back."""

from pathlib import Path
from typing import get_args

import msgspec

from models.scoring import trust
from models.scoring.shelf import PUBLIC_KEY, Registry, Role, open_registry, replace, unpinned
from schemas.errors import ConfigError


def pinned(registry: Registry) -> bool:
    """Tell whether the key of a registry is pinned outside its folder."""
    return registry.trust_file.exists()


def pin(folder: Path, trusted: Path | None = None) -> Registry:
    """Pin the key that a folder holds now, with the serials of its pointers; return what is pinned.

    Raises:
        ConfigError: there is no key, or another one is pinned already.

    """
    files = [each for each in (trusted, trust.beside(folder)) if each and each.exists()]
    known = open_registry(folder, files[0]) if files else unpinned(folder)
    for role in get_args(Role):
        known.readable(role)
    made = Registry(folder, known.public_key, trusted, dict(known.serials()))
    trust.note(made.trust_file, made.public_key, made.serials())
    return made


def restore(folder: Path, trusted: Path | None = None) -> Registry:
    """Put the pinned key back into the folder; return what is pinned.

    Raises:
        ConfigError: none is pinned.

    """
    file = trusted or trust.beside(folder)
    noted = trust.read(file, folder)
    if noted is None:
        raise ConfigError(f"{file} is not there; pin the key: {trust.command(folder, trusted)}")
    replace(folder / PUBLIC_KEY, msgspec.json.encode(noted.key))
    return open_registry(folder, trusted)
