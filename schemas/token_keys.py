"""The file of secrets that tokens are made with: epochs, the newest of which is used.

A new epoch gives every value another token, so ledgers and registers begin anew with it: change it only when
a secret may be known, and keep the old epochs, without which old tokens cannot be told from new ones.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

import msgspec

from schemas.errors import ConfigError, cause, unquoted
from schemas.token_recipe import SECRET_OCTETS_MIN

#: Readable by its owner alone.
_MODE = 0o600


class Epoch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One secret, base64, under a name such as `2026-11`."""

    name: str
    secret: str

    @property
    def octets(self) -> bytes:
        """The secret itself."""
        return base64.b64decode(self.secret, validate=True)


def read(path: Path) -> tuple[Epoch, ...]:
    """Return the epochs of a key file, oldest first.

    Raises:
        ConfigError: the file cannot be used.

    """
    try:
        epochs = msgspec.json.decode(path.read_bytes(), type=tuple[Epoch, ...])
        short = [each.name for each in epochs if len(each.octets) < SECRET_OCTETS_MIN]
    except (OSError, ValueError, RecursionError, binascii.Error) as error:
        raise ConfigError(
            f"key file {path} cannot be used: {unquoted(cause(error))}; make one with "
            f"`stopline tokens keygen {path}`"
        ) from error
    if not epochs or short:
        raise ConfigError(
            f"key file {path} has no secret of {SECRET_OCTETS_MIN} octets or more"
            f"{' in ' + ', '.join(short) if short else ''}; add one with `stopline tokens keygen {path}`"
        )
    return epochs


def secret(path: Path, epoch: str = "") -> bytes:
    """Return the secret of an epoch, by default of the newest.

    Raises:
        ConfigError: the file cannot be used or has no such epoch.

    """
    epochs = {each.name: each for each in read(path)}
    if epoch and epoch not in epochs:
        raise ConfigError(f"key file {path} has no epoch {epoch!r}; it has {', '.join(epochs)}")
    return (epochs[epoch] if epoch else [*epochs.values()][-1]).octets


def add(path: Path, epoch: str) -> None:
    """Add a new secret to a key file, or begin one; the file is replaced as a whole, for its owner alone.

    Raises:
        ConfigError: there is an epoch of that name, or the file cannot be used.

    """
    epochs = read(path) if path.exists() else ()
    if epoch in [each.name for each in epochs]:
        raise ConfigError(f"key file {path} has an epoch {epoch!r} already; choose another name")
    made = Epoch(epoch, base64.b64encode(secrets.token_bytes(SECRET_OCTETS_MIN)).decode())
    new = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode([*epochs, made])))
    new.replace(path)
