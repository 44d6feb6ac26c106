"""A simulated world through the real job, on a broker of its own, held against the truth as it goes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from console.lab import watching
from console.lab.feeds import PARTITIONS, Listener, commit_at_end, send_at_rate
from console.lab.scoreboard import Scoreboard
from fixtures.world import World
from pipelines.jobs import main
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_topics
from pipelines.kafka.reading import process
from pipelines.policy import PAST_DAYS_MAX
from schemas import topics
from schemas.alert import Alert
from schemas.errors import BrokerError
from schemas.warning import Warning

#: How often the job is looked at, and how long after its last payment.
LOOK_S, AFTER_S = 0.25, 1.0


#: Worlds are of another year than the broker that takes them.
AS_OF_TODAY = ("--clock_past_days", str(PAST_DAYS_MAX))


class Moment(NamedTuple):
    """How the job stands: payments decided, how many a second, and the last second's p99."""

    decided: int
    rate: float
    p99_ms: float


@contextmanager
def shown(
    world: World,
    begins_us: int,
    *,
    bundle: Path,
    flags: Sequence[str],
    rate: int,
    say: Callable[[str], None],
    beside: Callable[[KafkaSettings], AbstractContextManager[object]] = nullcontext,
) -> Iterator[tuple[Scoreboard, Iterator[Moment]]]:
    """Run the job over a world: what was before `begins_us` at once, then the rest at `rate` a second.

    `flags` are further options of the job, `beside` is what else runs on the same broker. The board fills as
    its moments are taken; they end when every payment is decided.

    Raises:
        BrokerError: the job ended or does not get on.

    """
    began = pc.greater_equal(world.payments["accepted_at_us"], begins_us)
    history, rest = world.payments.filter(pc.invert(began)), world.payments.filter(began)
    board = Scoreboard.of(rest, world.truth.filter(began))
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        require_topics(settings, main.wanted_topics(PARTITIONS), create_topics=True)
        say(f"sending {history.num_rows:,} payments of the past")
        send_at_rate(settings, history)
        commit_at_end(settings)
        with beside(settings), watching.running(settings, bundle, (*flags, *AS_OF_TODAY)) as job:
            say("filling the ledgers with the past")
            job.wait_for(history.num_rows, "observed")
            threading.Thread(target=send_at_rate, args=(settings, rest, rate), daemon=True).start()
            yield board, _moments(job, board, settings)
        process.close_connections()


def _moments(job: watching.Job, board: Scoreboard, settings: KafkaSettings) -> Iterator[Moment]:
    alerts = Listener(settings, topics.ALERTS, Alert)
    warnings = Listener(settings, topics.WARNINGS, Warning)
    began = progressed = time.monotonic()
    decided = 0

    def moment() -> Moment:
        board.add_alerts(alerts.take())
        board.add_warnings(warnings.take())
        return Moment(decided, decided / (progressed - began or 1.0), job.p99_ms)

    while decided < board.payments:
        time.sleep(LOOK_S)
        if job.status.get("decided", 0) > decided:
            decided, progressed = job.status["decided"], time.monotonic()
        if job.ended() or time.monotonic() > progressed + watching.STALL_S:
            raise BrokerError(f"the job stopped after {decided:,} payments; it said: {job.last_words()}")
        yield moment()
    time.sleep(AFTER_S)
    yield moment()
