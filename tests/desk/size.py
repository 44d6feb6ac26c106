"""The desk at size, through the path that it reads by: `python -m tests.desk.size --cases 100000`.

Sends alerts to a broker of its own, lets a desk with an empty store read them, and asks for the queue as a
browser does. Prints what each took; ends with 1 where the order is not the reference's.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path
from statistics import median

from console.web.render import warm
from console.web.serve import site_of
from console.web.visit import Site
from desk import queue
from desk.audit import Audit
from desk.carrier import Carrier
from desk.clock import DeskClock
from desk.desk import Desk
from measures.law.country_file import SHIPPED
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.alert import Alert
from schemas.units import HOUR_US
from tests.desk import kit, postgresql
from tests.desk.site import Seat

#: Alerts of one flush while sending.
FLUSH = 20_000


class At(DeskClock):
    """A clock that stands: five hours after the first alert."""

    def now(self, store: object) -> int:
        """Return what time it is."""
        return kit.T0 + 5 * HOUR_US


def alerts(cases: int, count: int) -> Iterator[Alert]:
    """Return so many alerts about so many accounts, spread over ten hours."""
    chosen = random.Random(7)
    accounts = [f"mule-{number}" for number in range(cases)]
    for number in range(count):
        at = kit.T0 + chosen.randrange(10 * HOUR_US)
        yield kit.alert(
            number, accounts[number % cases], at_us=at, received_us=at, score=chosen.random(),
            amount_minor=chosen.randrange(100, 10**8),
            outcome=chosen.choice(("WARN", "DELAY", "HOLD", "STOP")),
        )  # fmt: skip


def filled(settings: KafkaSettings, cases: int, count: int) -> None:
    """Send the alerts."""
    made = alerts(cases, count)
    while batch := list(islice(made, FLUSH)):
        kit.send(settings, topics.ALERTS, batch)


def asked(site: Site, path: str, times: int) -> tuple[float, float]:
    """Return the median and the longest time of a page, ms."""
    seat, took = Seat(site, "lead"), []
    for _ in range(times):
        began = time.perf_counter()
        answer = seat.get(path)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            sys.exit(f"{path} answers {answer.status_code}: {answer.text}")
    return median(took), max(took)


def measured(settings: KafkaSettings, folder: Path, cases: int, count: int) -> bool:
    """Measure; tells whether the queue is in the order of the reference."""
    began = time.perf_counter()
    filled(settings, cases, count)
    print(f"{count:,} alerts sent in {time.perf_counter() - began:.0f} s", flush=True)
    follower = kit.follower(settings, folder)
    began, cpu = time.perf_counter(), time.process_time()
    follower.catch_up(3600)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"read model built in {took:.0f} s ({cpu:.0f} s of this process's processor)", flush=True)
    store, clock = follower.store, At("stream")
    rows = [dict(row) for row in store.rows("SELECT * FROM cases")]
    expected = kit.reference(rows, clock.now(store))
    found = [row.case_id for row in queue.rows(store, clock, limit=len(rows))]
    print(f"{len(found):,} open cases, order {'equal to' if found == expected else 'NOT'} the reference's")
    with closing(Audit(folder / "audit.jsonl")) as audit:
        desk = Desk(store, follower, Carrier(store, settings), settings, SHIPPED, clock, audit, "CN")
        site = site_of(desk, folder)
        warm(site.templates)
        for path in (
            "/queue", "/queue/rows", "/queue?page=100", "/queue?only=unheld", f"/cases/{found[0]}",
            "/api/cases", "/metrics", "/health", "/model",
        ):  # fmt: skip
            middle, longest = asked(site, path, 7)
            print(f"GET {path[:24]:24} {middle:6.0f} ms, at most {longest:6.0f}", flush=True)
    return found == expected


def main() -> None:
    """Measure a desk at size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--alerts", type=int, default=0, help="as many as cases unless told")
    parser.add_argument("--postgresql", action="store_true", help="the store on a server of its own")
    given = parser.parse_args()
    server = postgresql.cluster() if given.postgresql else nullcontext()
    with (
        server as kit.SERVER,
        EmbeddedBroker() as broker,
        tempfile.TemporaryDirectory(prefix="desk") as folder,
    ):
        settings = KafkaSettings(broker.address)
        kit.create_topics(settings)
        in_order = measured(settings, Path(folder), given.cases, given.alerts or given.cases)
        kit.close_all()
    sys.exit(not in_order)


if __name__ == "__main__":
    main()
