"""What a channel is: it hands one try to a far side and says whether that has it."""

from typing import Literal, NamedTuple, Protocol

from schemas.contact import Attempt, ContactState

#: SENT: the far side has it. RETRY: it certainly has not, and may take it later. FAILED: it never will.
#: UNCERTAIN: nobody knows.
Handed = Literal["SENT", "RETRY", "FAILED", "UNCERTAIN"]


class Result(NamedTuple):
    """What came of handing a try over; `reason` is for people, `proof_id` of an announced call."""

    handed: Handed
    reason: str = ""
    proof_id: str = ""


class Receipt(NamedTuple):
    """What a far side tells later of a try that it took; of the try, only what an outcome names."""

    attempt: Attempt
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


NOWHERE = "the address book has no address of this party for this channel"
