"""The bank's address book: where parties are reached; no topic ever holds it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from schemas.contract import UNREADABLE, Token
from schemas.errors import ConfigError, cause


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a party is reached; a line of the book."""

    party: Token
    phone: Annotated[str, msgspec.Meta(pattern=r"^(\+[1-9][0-9]{6,14})?$")] = ""
    email: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""


def read_addresses(path: Path) -> Mapping[str, Address]:
    """Read an address book, JSON Lines of `Address`, by party.

    Raises:
        ConfigError: it cannot be read, or a line is no address; names the line and no address.

    """
    found: dict[str, Address] = {}
    try:
        lines = path.read_bytes().splitlines()
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise ConfigError(f"address book {path} cannot be read: {cause(error)}") from error
    for number, line in enumerate(lines, 1):
        try:
            address = msgspec.json.decode(line, type=Address)
        except UNREADABLE as error:
            said = 'write {"party": TOKEN, "phone": "+...", "email": "..."}'
            raise ConfigError(f"{path}:{number} is no address; {said}") from error
        found[address.party] = address
    return found
