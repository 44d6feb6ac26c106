"""The desk put together: store, follower, carrier, audit chain."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from console.lab import blocklist
from desk.audit import Audit
from desk.carrier import Carrier
from desk.clock import DeskClock
from desk.desk import Desk
from desk.follower import Follower
from desk.projections.projection import Ground
from desk.projections.table import TABLES
from desk.store import Store
from measures.law.country_file import Laws
from pipelines.kafka.port import KafkaSettings, NewTopic
from pipelines.kafka.preflight import require_listener, require_topics
from pipelines.policy import Policy
from schemas import topics

#: Where a desk keeps its store, its audit chain and its key unless told otherwise.
FOLDER = Path("var/desk")

#: What the desk writes: it must be there, or be created.
WRITTEN = (topics.ACTIONS, topics.FEEDBACK, topics.ACCOUNTS, topics.REPORTS, topics.CASEWORK)


@contextmanager
def opened(
    settings: KafkaSettings,
    policy: Policy,
    laws: Laws,
    folder: Path = FOLDER,
    *,
    clock: Literal["wall", "stream"] = "wall",
    guards: Collection[Path] = (),
    institution: str = "desk",
    partitions: int = 4,
    create_topics: bool = False,
) -> Iterator[Desk]:
    """Run a desk's follower and carrier while the block runs.

    Raises:
        BrokerError: nobody listens, or a topic that the desk writes is missing.
        StateError: the store or the audit chain cannot be used.

    """
    require_listener(settings)
    wanted = [NewTopic(name, partitions, config=topics.TOPIC_CONFIG.get(name, {})) for name in WRITTEN]
    require_topics(settings, wanted, create_topics=create_topics)
    store = Store(folder / "desk.db", TABLES)
    audit = Audit(folder / "audit.jsonl")
    follower = Follower(store, settings, Ground(laws, policy))
    carrier = Carrier(store, settings)
    guard, _ = blocklist.guard(guards)
    desk = Desk(
        store, follower, carrier, settings, laws, DeskClock(clock), audit, policy.law.id, guard=guard,
        institution=institution,
    )  # fmt: skip
    threads = [follower.start(), carrier.start()]
    try:
        yield desk
    finally:
        follower.stop()
        carrier.stop()
        for thread in threads:
            thread.join(10)
        audit.close()
        store.close()
