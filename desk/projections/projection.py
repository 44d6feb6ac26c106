"""What a projection is: a topic, its record, and the rows that its messages become."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from measures.law.country_file import Laws
from pipelines.policy import Policy


class Place(NamedTuple):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int


class Message(NamedTuple):
    """A message, read: its place, its bytes and its record."""

    place: Place
    value: bytes
    record: Any


class Ground(NamedTuple):
    """What projections know besides messages: the law of each country, and what a currency is worth."""

    laws: Laws
    policy: Policy

    def worth(self, amount_minor: int, currency: str) -> float:
        """Return an amount in minor units of the policy's reference currency; one to one without a rate."""
        return amount_minor * self.policy.currencies.get(currency.encode(), 1.0)


#: Takes the writer, the ground and messages of one topic; returns the accounts whose cases they change.
Put = Callable[[sqlite3.Connection, Ground, Sequence[Message]], Collection[str]]


class Projection(NamedTuple):
    """How one topic enters the store.

    Attributes:
        topic: its name.
        read: bytes to record; raises a `ValueError` where they are none.
        put: writes the rows. A message that comes twice changes nothing the second time.
        tables: the statements that make its tables.

    """

    topic: str
    read: Callable[[bytes], Any]
    put: Put
    tables: str = ""
