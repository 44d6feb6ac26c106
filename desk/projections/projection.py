"""What a projection is: a topic, its record, and the rows that its messages become."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from desk.sql import Connection
from measures.law.country_file import Laws
from measures.law.rule_base import Rule
from measures.law.rules import FreezeRule, HoldRule, StopRule
from pipelines.policy import Policy
from schemas.errors import ConfigError
from schemas.units import MINUTE_US

#: Ends of terms that are remembered: one a minute, rule and country.
ENDS_MAX = 100_000


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


@dataclass(frozen=True)
class Ground:
    """What projections know besides messages: the law of each country, and what a currency is worth."""

    laws: Laws
    policy: Policy
    _ends: dict[tuple[str, str, int], int | None] = field(default_factory=dict, compare=False, repr=False)

    def worth(self, amount_minor: int, currency: str) -> float:
        """Return an amount in minor units of the policy's reference currency; one to one without a rate."""
        return amount_minor * self.policy.currencies.get(currency.encode(), 1.0)

    def term_end(self, jurisdiction: str, name: str, minute: int) -> int | None:
        """Return when the term of a rule ends that begins in a minute, microseconds UTC; None without one."""
        begins = jurisdiction, name, minute
        if begins not in self._ends:
            if len(self._ends) >= ENDS_MAX:
                self._ends.clear()
            self._ends[begins] = _term_end(self.laws, *begins)
        return self._ends[begins]


def _term_end(laws: Laws, jurisdiction: str, name: str, minute: int) -> int | None:
    try:
        regime = laws.of(jurisdiction).on(minute * MINUTE_US)
    except ConfigError:
        return None
    ordered: dict[str, type[Rule]] = {"stop": StopRule, "freeze": FreezeRule}
    rule = regime.rule(ordered[name]) if name in ordered else regime.rule(HoldRule, name)
    term = getattr(rule, "term", None)
    return None if term is None else regime.calendar.add(minute * MINUTE_US, term)


#: Takes the writer, the ground and messages of one topic; returns the accounts that they name.
Put = Callable[[Connection, Ground, Sequence[Message]], Collection[str]]

#: Takes the writer and messages that were put; returns the accounts whose cases they change besides.
Others = Callable[[Connection, Sequence[Message]], Collection[str]]


def nobody(db: Connection, messages: Sequence[Message]) -> Collection[str]:
    """Return no account: messages change the cases of those that they name alone."""
    return ()


class Projection(NamedTuple):
    """How one topic enters the store.

    Attributes:
        topic: its name.
        read: bytes to record; raises a `ValueError` where they are none.
        put: writes the rows. A message that comes twice changes nothing the second time.
        tables: the statements that make its tables.
        others: finds accounts whose cases change though messages do not name them.

    """

    topic: str
    read: Callable[[bytes], Any]
    put: Put
    tables: str = ""
    others: Others = nobody
