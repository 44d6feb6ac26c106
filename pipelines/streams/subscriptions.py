"""Subscriptions to an operator's notifications: whose each is, and until when it lasts.

CAMARA's events name a subscription and a telephone number, and never our party. The bank, which subscribes,
keeps a file of them: a line a subscription, `{"subscription": ID, "party": TOKEN, "expires": RFC 3339}`.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from pipelines.process import PROCESS
from schemas import strict_json
from schemas.contract import UNREADABLE, Micros, Token
from schemas.errors import ConfigError
from schemas.units import HOUR_US, SECOND_US

_LOGGER = logging.getLogger(__name__)

#: So long before it ends a subscription is to be renewed.
RENEW_US = 24 * HOUR_US


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subscription: str
    party: Token
    expires: datetime | None = None


class Subscription(msgspec.Struct, frozen=True):
    """Whose a subscription is; `expires_us` is 0 where nobody says."""

    party: str
    expires_us: Micros = 0


_DECODE = msgspec.json.Decoder(_Line).decode


def read(path: Path) -> dict[str, Subscription]:
    """Read a file of subscriptions.

    Raises:
        ConfigError: it is missing, or a line is none; names the line.

    """
    found: dict[str, Subscription] = {}
    for number, value in strict_json.lines(path):
        try:
            line = _DECODE(value)
        except UNREADABLE as error:
            raise ConfigError(f"{path} line {number}: {error}; see docs/schemas.md, Telecom clues") from error
        if line.expires is not None and line.expires.tzinfo is None:
            raise ConfigError(f"{path} line {number}: `expires` has no offset; end it with Z or +08:00")
        expires_us = round(line.expires.timestamp() * SECOND_US) if line.expires else 0
        found[line.subscription] = Subscription(line.party, expires_us)
    return found


class Followed:
    """The subscriptions of a file, read again when it is replaced; a bad one changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = read(path)
        self._stamp = self._stamped()

    def known(self) -> Mapping[str, Subscription]:
        """Return the subscriptions by their id, as the file stands."""
        if (stamp := self._stamped()) != self._stamp:
            self._stamp = stamp
            try:
                self._known = read(self._path)
            except ConfigError as error:
                _LOGGER.error("subscriptions stay as they were: %s", error)
        return self._known

    def _stamped(self) -> tuple[int, int]:
        try:
            stat = self._path.stat()
        except OSError:
            return (0, 0)
        return stat.st_mtime_ns, stat.st_size


def followed(file: str) -> Mapping[str, Subscription]:
    """Return the subscriptions of a file, followed once a process; none without a file.

    Raises:
        ConfigError: the file cannot be used.

    """
    if not file:
        return {}
    return PROCESS.shared("subscriptions", file, lambda: Followed(Path(file))).known()


def ending(known: Mapping[str, Subscription], now_us: int) -> Iterator[tuple[str, int]]:
    """Yield the subscriptions that end within a day, or have ended, and when."""
    for name, each in known.items():
        if each.expires_us and now_us >= each.expires_us - RENEW_US:
            yield name, each.expires_us
