"""A world in which time, messages and mishaps come from one seed."""

import heapq
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.tokens import token_of

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


VICTIM, SHOP, EMPLOYER, OTHER = map(token_of, ("acct-victim", "shop", "employer", "other"))
MULES = tuple(token_of(f"acct-mule-{n}") for n in range(5))


class Message(NamedTuple):
    """A value in a log and the broker's clock when it was appended."""

    value: bytes
    at_us: int


class World:
    """A clock that jumps from event to event, and a network that delays, repeats and reorders."""

    def __init__(self, seed: int, start_us: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.now = start_us
        self._loss = self.random.choice([0.02, 0.15, 0.15, 0.6])
        self.logs: dict[str, list[Message]] = {"orders": [], "accounts": [], "measures": []}
        self._agenda: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def chance(self, probability: float) -> bool:
        """Whether something happens this time."""
        return self.random.random() < probability

    def between(self, least_us: int, most_us: int) -> int:
        """A length of time, short ones as likely as long ones on a logarithmic scale."""
        return int(least_us * (most_us / least_us) ** self.random.random())

    def later(self, delay_us: int, do: Callable[..., None], *args: Any) -> None:
        """Put something on the agenda."""
        self._count += 1
        heapq.heappush(self._agenda, (self.now + delay_us, self._count, do, args))

    def deliver(self, do: Callable[..., None], *args: Any, lossy: bool = False) -> None:
        """Send over the network: late, sometimes twice, and if `lossy` sometimes never."""
        copies = 2 if self.chance(0.1) else 1
        for _ in range(copies):
            if lossy and self.chance(self._loss):
                continue
            worst = 10 * MINUTE if self.chance(0.05) else 2 * SECOND
            self.later(self.between(5_000, worst), do, *args)

    def append(self, topic: str, value: bytes) -> None:
        """Write to a log; the broker's clock jitters."""
        self.logs[topic].append(Message(value, self.now + self.random.randint(-50_000, 50_000)))

    def run(self, until_us: int) -> None:
        """Work the agenda off."""
        while self._agenda and self._agenda[0][0] <= until_us:
            self.now, _, do, args = heapq.heappop(self._agenda)
            do(*args)
