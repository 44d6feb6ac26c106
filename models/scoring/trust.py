"""What is known of a registry outside its folder: whose signatures count, and the newest of its pointers.

Who can write the folder can put back an older pointer, with its good signature, or another public key beside
pointers of his own. So both are noted in a file that is not in it, `FOLDER.trust.json` beside it unless told
otherwise; whoever starts jobs on another machine takes the file there.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from schemas.errors import ConfigError, cause


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public key as a JWK, and of each role the serial of the newest pointer."""

    key: dict[str, Any]
    serials: dict[str, int] = {}

    @property
    def public_key(self) -> OKPKey:
        """The key."""
        return OKPKey.import_key(self.key)


def beside(folder: Path) -> Path:
    """Return where the trust in a registry is noted.

    >>> beside(Path("var/registry")).as_posix()
    'var/registry.trust.json'
    """
    return folder.with_name(folder.name + ".trust.json")


def command(folder: Path, trusted: Path | None) -> str:
    """Return the command that pins the key of a registry."""
    return f"stopline registry trust --registry {folder}" + (f" --trust {trusted}" if trusted else "")


def read(file: Path, folder: Path) -> Trust | None:
    """Return what is noted, None if nothing is.

    Raises:
        ConfigError: the file cannot be read or holds something else.

    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Trust)
        found.public_key  # noqa: B018 - a key that is none raises
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError, JoseError) as error:
        raise ConfigError(
            f"{file} says not whom to trust ({cause(error)}); compare the registry's key with who keeps it, "
            f"remove the file, and pin the key again: stopline registry trust --registry {folder}"
        ) from error
    return found


def note(file: Path, key: OKPKey, serials: Mapping[str, int]) -> None:
    """Write what is known, in one step.

    Raises:
        ConfigError: the file cannot be written.

    """
    draft = file.with_name(file.name + ".draft")
    content = {"key": key.as_dict(private=False), "serials": dict(sorted(serials.items()))}
    try:
        with draft.open("wb") as out:
            out.write(json.dumps(content, indent=1).encode())
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written ({cause(error)}), so an older pointer could be put back unnoticed; "
            "let this user write it and promote the bundle again"
        ) from error


def same_key(one: OKPKey, other: OKPKey) -> bool:
    """Tell whether two keys have the same public half."""
    return bool(one.thumbprint() == other.thumbprint())
