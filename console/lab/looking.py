"""The desk's read model for one look: of a desk that runs here, or read from a broker for the purpose."""

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple
from urllib.error import URLError

import msgspec

from console.lab.brokers import brokers_at
from console.lab.serving import STORE, place_of
from desk import queue
from desk.case_file import CaseFile, case_file
from desk.clock import DeskClock
from desk.follower import Follower
from desk.listing import lines
from desk.projections.projection import Ground
from desk.projections.table import TABLES
from desk.store import Store
from measures.law.country_file import SHIPPED
from pipelines import policy
from schemas.errors import ConfigError, SinkError, cause

#: Lines of one request of a webhook.
AT_ONCE = 500


class Look(NamedTuple):
    """A read model and the time it is looked at."""

    store: Store
    clock: DeskClock

    @property
    def now_us(self) -> int:
        """What time it is at the desk."""
        return self.clock.now(self.store)


@contextmanager
def looked(
    folder: Path, brokers: str = "", clock: Literal["wall", "stream"] = "wall", store: str = ""
) -> Iterator[Look]:
    """Give the read model of a desk, in its folder or at `store`, or of what a broker's topics hold now.

    Raises:
        ConfigError: there is no desk in the folder, or it is of another release.
        BrokerError: nobody listens.

    """
    if not brokers:
        place = place_of(folder, store)
        if isinstance(place, Path) and not place.exists():
            raise ConfigError(
                f"no desk keeps its store in {folder}; name its --folder or --store, or give --kafka_brokers"
            )
        with closing(Store(place, TABLES, anew=False)) as found:
            yield Look(found, DeskClock(clock))
        return
    with TemporaryDirectory(prefix="stopline-look-") as temporary:
        ground = Ground(SHIPPED, policy.load())
        with closing(Store(Path(temporary) / STORE, TABLES)) as read:
            follower = Follower(read, brokers_at(brokers, ()), ground)
            follower.catch_up()
            follower.close()
            yield Look(read, DeskClock(clock))


def case_named(look: Look, name: str) -> CaseFile:
    """Return a case by its id, its account or one of its payments.

    Raises:
        ConfigError: there is none.

    """
    row = look.store.row(
        "SELECT case_id FROM cases WHERE case_id = ?1 OR account = ?1 OR account = "
        "(SELECT account FROM alerts WHERE txn = ?1 OR alert_id = ?1 LIMIT 1)", name,
    )  # fmt: skip
    found = case_file(look.store, row["case_id"], look.now_us) if row else None
    if found is None:
        raise ConfigError(f"no case is called {name!r}, nor its account or a payment; see: stopline cases")
    return found


def case_as_json(file: CaseFile) -> dict[str, Any]:
    """Return a case as JSON has it."""
    found: dict[str, Any] = {name: file.row[name] for name in tuple(file.row.keys())}
    for name in ("alerts", "warnings", "measures", "appeals", "answers", "way", "usual", "related"):
        found[f"{name}_" if name in found else name] = _plain(getattr(file, name))
    return found


def _plain(value: Any) -> Any:
    """Return named tuples by their names, and records as they are written."""
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)


def queue_rows(look: Look, limit: int, only: str) -> list[queue.Row]:
    """Return the queue.

    Raises:
        ConfigError: there is no such filter.

    """
    if only not in queue.FILTERS:
        raise ConfigError(f"there is no filter {only!r}; use one of {', '.join(filter(None, queue.FILTERS))}")
    return queue.rows(look.store, look.clock, limit=limit, only=only)


def measures_of(look: Look, *, live: bool) -> list[Mapping[str, Any]]:
    """Return measures, those that end first before the others."""
    rows = look.store.rows(
        f"SELECT * FROM measures {'WHERE live = 1' if live else ''} "
        "ORDER BY due_us IS NULL, due_us, measure_id"
    )
    return [{name: row[name] for name in tuple(row.keys()) if name not in ("record", "seq")} for row in rows]


def pushed(look: Look, name: str, url: str, place: Path) -> int:
    """Send what is new in a list to a webhook as JSON Lines; where it stands is kept in a file.

    A piece that is not confirmed comes again: the far side knows things by their ids.

    Raises:
        ConfigError: there is no such list, the address is none, or the file holds no place.
        SinkError: the far side did not take it.

    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is no address of a webhook; it begins with http:// or https://")
    count, at = 0, place.read_text().strip() if place.exists() else ""
    while True:
        body, after = lines(look.store, name, at, AT_ONCE)
        if not body:
            return count
        head = {"content-type": "application/jsonl", "x-list": name, "x-next": after}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, head), timeout=10) as answer:
                answer.read(0)
        except (URLError, OSError, ValueError) as error:
            raise SinkError(
                f"{url} did not take list {name}: {cause(error)}; start what listens there, and run this "
                f"again: it goes on {f'after {at}' if at else 'from the beginning'}"
            ) from error
        count, at = count + body.count(b"\n"), after
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(at + "\n")
