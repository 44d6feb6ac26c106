"""Which of the institution's messages about an account were taken in: what comes again changes nothing.

The institution's own numbers (`position`) tell it exactly, however late something comes: everything up to the
highest number was seen, but for the gaps. Bookings without a number are known by transaction and direction,
the newest `BOOKINGS` of them; what is not newer than a forgotten one cannot be told from it, and is refused.
"""

import hashlib
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from schemas.journal import FactsStated, Moved
from schemas.order import Flow, Record

#: Bookings without a number that are remembered, and gaps between numbers.
BOOKINGS, GAPS = 1_024, 64


class Seen(Record, frozen=True, kw_only=True):
    """What was taken in of one account.

    Attributes:
        position: the highest number; -1 before the first.
        gaps: numbers below it that have not come, as ranges (first, last).
        balance_position: the number under which the balance was last stated.
        bookings: digests of the newest bookings without a number.
        times_us: their booking times.
        forgotten_us: booking time of the latest of those that were forgotten; -1 if none was.
        balance_us: booking time of the newest booking that stated the balance; -1 if none did.

    """

    position: int = -1
    gaps: tuple[tuple[int, int], ...] = ()
    balance_position: int = -1
    bookings: tuple[int, ...] = ()
    times_us: tuple[int, ...] = ()
    forgotten_us: int = -1
    balance_us: int = -1

    def is_new(self, position: int) -> bool:
        """Whether nothing came under this number yet."""
        return position > self.position or any(first <= position <= last for first, last in self.gaps)

    def knows(self, flow: Flow) -> bool:
        """Whether a booking without a number is among those remembered."""
        return digest(flow) in self.bookings

    def has_forgotten(self, flow: Flow) -> bool:
        """Whether a booking is too old to be told from those that were forgotten."""
        return flow.at_us <= self.forgotten_us

    def after(self, event: FactsStated | Moved) -> "Seen":
        """Return what is seen after an event of the journal."""
        if event.position is not None:
            return self.numbered(event.position, states_balance=event.states_balance)
        if isinstance(event, Moved):
            return self.booked(event.flow, states_balance=event.states_balance)
        return self

    def numbered(self, position: int, *, states_balance: bool) -> "Seen":
        """Return what is seen after something came under a new number."""
        gaps = self.gaps
        if position > self.position:
            missing = ((self.position + 1, position - 1),) if position > self.position + 1 else ()
            gaps = (*gaps, *missing)[-GAPS:]
        else:
            gaps = tuple(_split(gaps, position))
        stated = max(self.balance_position, position) if states_balance else self.balance_position
        return replace(self, position=max(self.position, position), gaps=gaps, balance_position=stated)

    def booked(self, flow: Flow, *, states_balance: bool) -> "Seen":
        """Return what is seen after a booking without a number."""
        bookings, times = (*self.bookings, digest(flow)), (*self.times_us, flow.at_us)
        gone = max(0, len(bookings) - BOOKINGS)
        return replace(
            self,
            bookings=bookings[gone:],
            times_us=times[gone:],
            forgotten_us=max((self.forgotten_us, *times[:gone])),
            balance_us=max(self.balance_us, flow.at_us) if states_balance else self.balance_us,
        )


def _split(gaps: Iterable[tuple[int, int]], position: int) -> Iterator[tuple[int, int]]:
    """Take a number out of the gaps."""
    for first, last in gaps:
        if not first <= position <= last:
            yield first, last
            continue
        if first < position:
            yield first, position - 1
        if position < last:
            yield position + 1, last


def digest(flow: Flow) -> int:
    """Return 63 bits that name a booking by transaction and direction."""
    named = f"{flow.direction}/{flow.txn_id}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big") >> 1
