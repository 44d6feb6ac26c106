"""An alarm where a feed of clues falls silent or a subscription ends: silence looks like a quiet day.

How long a feed was silent is counted in the time the payments have come to since it was last heard, so that
a feed that is caught up with is not silent. A feed that never spoke since the start is not expected to.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from statistics import median

from pipelines.hot.records import alarm_record
from pipelines.kafka.sink import OutRecord
from pipelines.lookup.following import STALE_S
from pipelines.policy import Policy
from pipelines.streams.subscriptions import Subscription, ending
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.alarm import Alarm, AlarmKind
from schemas.ids import derived_id
from schemas.units import MINUTE_US, SECOND_US

NONE: Mapping[str, Subscription] = {}

#: Feeds that are expected to go on once they spoke.
FEEDS = (topics.CLUES,)

#: A feed is silent after so many of its usual gaps, and not before a minute.
GAPS, LEAST_US = 3, MINUTE_US

#: Gaps that tell what is usual, the newest, and how many are needed.
KEPT, NEEDED = 65, 5


class Feed:
    """When a feed was heard, in the time of what else is read."""

    def __init__(self) -> None:
        self._gaps: deque[int] = deque(maxlen=KEPT)
        self._heard_us = -1
        self._told = False

    def heard(self, now_us: int) -> None:
        """Note that something came."""
        if self._heard_us >= 0 and not self._told:
            self._gaps.append(max(now_us - self._heard_us, 0))
        self._heard_us, self._told = now_us, False

    def silent_since(self, now_us: int) -> int | None:
        """Return since when nothing came, if that is too long and not told yet."""
        if self._told or len(self._gaps) < NEEDED:
            return None
        if now_us - self._heard_us <= max(LEAST_US, GAPS * median(self._gaps)):
            return None
        self._told = True
        return self._heard_us


class Feeds:
    """The feeds that one process reads."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._feeds = {name: Feed() for name in FEEDS}
        self._now_us = -1
        self._told: set[tuple[str, int]] = set()
        self._stale = False

    def alarms(
        self,
        received: dict[str, int],
        ended: int,
        kept: Mapping[str, Subscription] = NONE,
        registry_s: float = 0.0,
    ) -> Iterator[OutRecord]:
        """Take up to when messages of each topic were received, how many subscriptions ended, and those kept.

        A subscription that ends within a day is told once, until it is renewed. `registry_s` is for how long
        the registry's topics were not reached, seconds.
        """
        self._now_us = max(self._now_us, *(at for name, at in received.items() if name not in FEEDS), -1)
        if self._now_us < 0:
            return
        if registry_s > STALE_S and not self._stale:
            yield self._alarm("REGISTRY_STALE", topics.LISTINGS, self._now_us, int(registry_s * SECOND_US))
        self._stale = registry_s > STALE_S
        if ended:
            yield self._alarm("CLUE_SUBSCRIPTION_ENDED", topics.CLUES, self._now_us, 0)
        if fresh := {each for each in ending(kept, self._now_us) if each not in self._told}:
            self._told |= fresh
            yield self._alarm(
                "CLUE_SUBSCRIPTION_EXPIRES", topics.CLUES, min(at_us for _, at_us in fresh), 0, len(fresh)
            )
        for name, feed in self._feeds.items():
            if name in received:
                feed.heard(self._now_us)
            elif (since_us := feed.silent_since(self._now_us)) is not None:
                yield self._alarm("CLUE_FEED_SILENT", name, since_us, self._now_us - since_us)

    def _alarm(self, kind: AlarmKind, feed: str, at_us: int, silent_us: int, of: int = 0) -> OutRecord:
        TELEMETRY.count(kind.lower(), of or 1)
        alarm_id = derived_id("alarm", kind, feed, at_us // MINUTE_US, self._policy.stamp)
        return alarm_record(
            Alarm(
                alarm_id=alarm_id, kind=kind, jurisdiction=self._policy.law.id, shard=0, at_us=at_us,
                policy=self._policy.stamp, feed=feed, silent_s=silent_us // SECOND_US,
                subscriptions=of,
            )
        )  # fmt: skip
