"""A simulated world through the real job, on a broker of its own, held against the truth as it goes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow.compute as pc
from joserfc.jwk import OKPKey

from console.lab import watching
from console.lab.acting import Acting
from console.lab.casework import police_key
from console.lab.feeds import PARTITIONS, Listener, commit_at_end, send_at_rate
from console.lab.scoreboard import Scoreboard
from fixtures.world import World
from measures.authority.keys import write_keys
from pipelines.jobs import main
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_topics
from pipelines.kafka.reading import process
from pipelines.policy import PAST_DAYS_MAX
from schemas import topics
from schemas.alert import Alert
from schemas.errors import BrokerError
from schemas.journal import JournalEntry
from schemas.order import MeasureKind
from schemas.warning import Warning

#: How often the jobs are looked at; how long nothing must happen at the end, and how long it may at most.
LOOK_S, AFTER_S, AFTER_MAX_S = 0.25, 1.0, 30.0


#: Worlds are of another year than the broker that takes them.
AS_OF_TODAY = ("--clock_past_days", str(PAST_DAYS_MAX))


class Moment(NamedTuple):
    """How the jobs stand.

    Attributes:
        decided: payments.
        rate: of them a second.
        p99_ms: of the last second.
        in_force: measures that the legal engine has in force.
        stopped: of them stops that police ordered.
        reported: payments that victims' banks reported.

    """

    decided: int
    rate: float
    p99_ms: float
    in_force: int = 0
    stopped: int = 0
    reported: int = 0


class Showing(NamedTuple):
    """What a demo shows: a world, the board that fills as `moments` are taken, and these."""

    world: World
    board: Scoreboard
    moments: Iterator[Moment]


@contextmanager
def shown(
    simulated: Callable[[], World],
    begins_us: int,
    *,
    bundle: Path,
    flags: Sequence[str],
    law: str,
    rate: int,
    say: Callable[[str], None],
    beside: Callable[[KafkaSettings], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Showing]:
    """Run the jobs over a world: what was before `begins_us` at once, then the rest at `rate` a second.

    `flags` are further options of the jobs, `law` is the country whose banks and police act, `beside` is what
    else runs on the same broker, open before anything is `simulated`. The moments end when every payment is
    decided and what follows from it is done.

    Raises:
        BrokerError: a job ended or does not get on.

    """
    with EmbeddedBroker() as broker, ExitStack() as stack:
        settings = KafkaSettings(broker.address)
        require_topics(settings, main.wanted_topics(PARTITIONS), create_topics=True)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="stopline-demo-")))
        keys, key = folder / "keys.json", OKPKey.generate_key("Ed25519")
        write_keys(keys, [police_key(key)])
        offices = stack.enter_context(watching.offices(settings, flags, keys, folder))
        stack.enter_context(beside(settings))
        world = simulated()
        began = pc.greater_equal(world.payments["accepted_at_us"], begins_us)
        history, rest = world.payments.filter(pc.invert(began)), world.payments.filter(began)
        board = Scoreboard.of(rest, world.truth.filter(began))
        say(f"sending {history.num_rows:,} payments of the past")
        send_at_rate(settings, history)
        commit_at_end(settings)
        job = stack.enter_context(watching.running(settings, bundle, (*flags, *AS_OF_TODAY)))
        say("filling the ledgers with the past")
        job.wait_for(history.num_rows, "observed")
        acting = Acting(settings, world, law, key)
        threading.Thread(target=send_at_rate, args=(settings, rest, rate), daemon=True).start()
        yield Showing(world, board, _moments(Watched(job, offices), board, settings, acting))
        stack.close()
        process.close_connections()


class Watched(NamedTuple):
    """The processes of a demo: the main job, and the others."""

    job: watching.Job
    offices: watching.Job

    def done(self, board: Scoreboard, acting: Acting) -> bool:
        """Tell whether all that the main job sent has come, and all that banks wrote was read."""
        sent = self.job.status
        came = len(board.alerts) >= sent.get("alerts", 0) and board.told >= sent.get("warnings", 0)
        return came and bool(self.offices.status.get("entries", 0) >= acting.told)

    def ended(self) -> str:
        """Return what a process that has ended said last, "" while both run."""
        return next((each.last_words() for each in self if each.ended()), "")


class Patience:
    """How long nothing has happened."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._since = time.monotonic()

    def saw(self, nothing: bool) -> None:
        """Note whether something happened."""
        self._since = self._since if nothing else time.monotonic()

    def rested(self, seconds: float) -> bool:
        """Tell whether nothing has happened for so long."""
        return time.monotonic() - self._since >= seconds

    def ended(self) -> bool:
        """Tell whether nothing has happened for longer than anybody waits."""
        return self.rested(self._most_s)


def _moments(
    watched: Watched, board: Scoreboard, settings: KafkaSettings, acting: Acting
) -> Iterator[Moment]:
    job = watched.job
    alerts = Listener(settings, topics.ALERTS, Alert)
    warnings = Listener(settings, topics.WARNINGS, Warning)
    journal = Listener(settings, topics.MEASURES, JournalEntry)
    began = progressed = time.monotonic()
    decided = 0

    def moment() -> Moment:
        board.add_alerts(came := alerts.take())
        board.add_warnings(warnings.take())
        acting.hear(came)
        board.add_measures(journal.take())
        live = [measure for measure in board.measures.values() if measure.live]
        stopped = sum(measure.kind is MeasureKind.STOP for measure in live)
        rate = decided / (progressed - began or 1.0)
        return Moment(decided, rate, job.p99_ms, len(live), stopped, acting.reported)

    while decided < board.payments:
        time.sleep(LOOK_S)
        if job.status.get("decided", 0) > decided:
            decided, progressed = job.status["decided"], time.monotonic()
        if (said := watched.ended()) or time.monotonic() > progressed + watching.STALL_S:
            said = said or job.last_words()
            raise BrokerError(f"the job stopped after {decided:,} payments; it said: {said}")
        yield moment()
    patience = Patience(AFTER_MAX_S)
    newest = moment()
    while not (watched.done(board, acting) and patience.rested(AFTER_S)) and not patience.ended():
        time.sleep(LOOK_S)
        before, newest = newest, moment()
        patience.saw(newest == before)
        yield newest
