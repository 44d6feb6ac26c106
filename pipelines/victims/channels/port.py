"""What a channel is: it hands one try to a far side and says whether that has it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec

from schemas.contact import Attempt, ContactState
from schemas.contract import Token
from schemas.errors import ConfigError

#: SENT: the far side has it. RETRY: it certainly has not, and may take it later. FAILED: it never will.
#: UNCERTAIN: nobody knows.
Handed = Literal["SENT", "RETRY", "FAILED", "UNCERTAIN"]


class Result(NamedTuple):
    """What came of handing a try over; `reason` is for people, `proof_id` of an announced call."""

    handed: Handed
    reason: str = ""
    proof_id: str = ""


class Receipt(NamedTuple):
    """What a far side tells later of a try that it took."""

    key: str
    state: ContactState
    at_us: int
    reason: str = ""


class Channel(Protocol):
    """Hands tries over; may be called by one thread at a time, and never raises for what a far side does.

    Attributes:
        recognises_keys: the far side takes a key once, so that a try in doubt may be handed over again.

    """

    recognises_keys: bool

    def hand(self, attempt: Attempt) -> Result:
        """Hand one try over; returns within the channel's own time limit."""

    def receipts(self) -> list[Receipt]:
        """Return what the far side has told since the last call, waiting for nothing."""

    def close(self) -> None:
        """Let go of the far side."""


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a party is reached; a line of the bank's address book, which no topic ever holds."""

    party: Token
    phone: Annotated[str, msgspec.Meta(pattern=r"^(\+[1-9][0-9]{6,14})?$")] = ""
    email: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""


NOWHERE = "the address book has no address of this party for this channel"


def read_addresses(path: Path) -> Mapping[str, Address]:
    """Read an address book, JSON Lines of `Address`, by party.

    Raises:
        ConfigError: it cannot be read, or a line is no address; names the line and no address.

    """
    found: dict[str, Address] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"address book {path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            address = msgspec.json.decode(line, type=Address)
        except (msgspec.MsgspecError, UnicodeError) as error:
            said = 'write {"party": TOKEN, "phone": "+...", "email": "..."}'
            raise ConfigError(f"{path}:{number} is no address; {said}") from error
        found[address.party] = address
    return found
