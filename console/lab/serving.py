"""The desk put together: store, follower, carrier, audit chain."""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from console.lab import blocklist
from desk.audit import Audit
from desk.carrier import Carrier
from desk.clock import DeskClock
from desk.databases.postgresql import is_address
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
from schemas.errors import ConfigError

#: Where a desk keeps its store, its audit chain and its key unless told otherwise.
FOLDER = Path("var/desk")

#: The store in a folder.
STORE = "desk.db"

#: What the desk writes: it must be there, or be created.
WRITTEN = (topics.ACTIONS, topics.FEEDBACK, topics.ACCOUNTS, topics.REPORTS, topics.CASEWORK)


@contextmanager
def opened(
    settings: KafkaSettings,
    policy: Policy,
    laws: Laws,
    folder: Path = FOLDER,
    *,
    store: str = "",
    clock: Literal["wall", "stream"] = "wall",
    guards: Collection[Path] = (),
    institution: str = "desk",
    partitions: int = 4,
    create_topics: bool = False,
) -> Iterator[Desk]:
    """Run a desk's follower and carrier while the block runs; its store is in its folder, or at `store`.

    Raises:
        BrokerError: nobody listens, or a topic that the desk writes is missing.
        ConfigError: another desk keeps its store there, or is in this folder.
        StateError: the store or the audit chain cannot be used.

    """
    with alone_in(folder), _following(
        settings, policy, laws, folder, place_of(folder, store), clock=clock, guards=guards,
        institution=institution,
        wanted=[NewTopic(name, partitions, config=topics.TOPIC_CONFIG.get(name, {})) for name in WRITTEN],
        create_topics=create_topics,
    ) as desk:  # fmt: skip
        yield desk


def place_of(folder: Path, store: str) -> Path | str:
    """Return where a store stands: in the folder of its desk, or at an address of PostgreSQL.

    Raises:
        ConfigError: `store` is no such address.

    """
    if not store:
        return folder / STORE
    if not is_address(store):
        raise ConfigError(
            f"--store {store!r} is no address of a database; write postgresql://user@host/database, or leave "
            "it out: then the store is a file in --folder"
        )
    return store


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other desks out of a folder: two of them would write one store and one audit chain.

    Raises:
        ConfigError: another desk is in it.

    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "desk.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another desk keeps its store in {folder}; stop that one, or give this one another --folder"
            ) from error
        yield


@contextmanager
def _following(
    settings: KafkaSettings,
    policy: Policy,
    laws: Laws,
    folder: Path,
    place: Path | str,
    *,
    clock: Literal["wall", "stream"],
    guards: Collection[Path],
    institution: str,
    wanted: list[NewTopic],
    create_topics: bool,
) -> Iterator[Desk]:
    require_listener(settings)
    require_topics(settings, wanted, create_topics=create_topics)
    with closing(Store(place, TABLES)) as store, closing(Audit(folder / "audit.jsonl")) as audit:
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
