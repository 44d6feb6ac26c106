"""`stopline demo`: a simulated world through the real job, on a broker of its own, in under a minute."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from console.commands.run import wanted_topics
from console.lab.scoreboard import Scoreboard
from fixtures.stream import messages
from fixtures.world import START_US, simulate
from pipelines import policy
from pipelines.hot import serving
from pipelines.kafka.local.brokers import EmbeddedBroker, tied_to_starter
from pipelines.kafka.port import KafkaSettings, open_admin, open_consumer, open_producer
from pipelines.kafka.preflight import problems
from pipelines.kafka.reading import process
from schemas import topics
from schemas.alert import Alert
from schemas.errors import BrokerError
from schemas.warning import Warning

app = typer.Typer(add_completion=False)

SHIPPED_BUNDLE = Path(__file__).resolve().parents[2] / "models" / "shipped"
PARTITIONS = 4
DAY_US = 86_400_000_000

#: The demo gives up if nothing is decided for this long.
STALL_S = 60.0


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days to watch.", min=1)] = 3,
    history_days: Annotated[int, typer.Option(help="Days before that only fill the ledgers.", min=0)] = 21,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 10_000,
    rate: Annotated[
        int, typer.Option(help="Payments a second to watch; 0 is as fast as possible.", min=0)
    ] = 3_000,
    model_bundle: Annotated[Path, typer.Option(help="Bundle to score with.")] = SHIPPED_BUNDLE,
    policy_file: Annotated[
        Path, typer.Option("--policy_file", help="YAML policy; its `language` is that of the alerts.")
    ] = policy.DEFAULT,
) -> None:
    """Watch scams being stopped: simulated days at high speed, then a scoreboard.

    Everything is real but the people: an embedded Kafka broker, `stopline run` in a process of its own, its
    topics. Nothing else needs to be installed.

    Example: stopline demo --seed 3 --rate 0
    """
    console = Console()
    rules = policy.load(policy_file)
    serving.check(model_bundle.resolve(), rules)
    with console.status("simulating people, shops, scammers and mules"):
        world = simulate(seed=seed, days=history_days + days, accounts=accounts)
    began = pc.greater_equal(world.payments["accepted_at_us"], START_US + history_days * DAY_US)
    history, watched = world.payments.filter(pc.invert(began)), world.payments.filter(began)
    board = Scoreboard.of(watched, world.truth.filter(began))
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        if found := problems(settings, wanted_topics(PARTITIONS), create_topics=True):
            raise BrokerError("; ".join(found))
        with console.status(f"sending {history.num_rows:,} payments of the past {history_days} days"):
            _send(history, settings)
            _commit(settings)
        with _job(settings, model_bundle, policy_file) as job:
            with console.status("filling the ledgers with the past"):
                job.wait_for(history.num_rows, "observed")
            threading.Thread(target=_send, args=(watched, settings, rate), daemon=True).start()
            _follow(console, job, board, settings)
        process.close_connections()
    console.print(board.result().table(rules.law.currency))
    console.print("Figures on simulated scams are easier than on real ones: docs/models.md.", style="dim")


def _follow(console: Console, job: "Job", board: Scoreboard, settings: KafkaSettings) -> None:
    """Show the job until it has decided every payment of the board."""
    alerts, warnings = (
        _Listener(settings, topics.ALERTS, Alert),
        _Listener(settings, topics.WARNINGS, Warning),
    )
    began = progressed = time.monotonic()
    decided = 0

    def picture() -> Group:
        board.add_alerts(alerts.take())
        board.add_warnings(warnings.take())
        return _picture(job, board, decided / (progressed - began or 1.0))

    with Live(console=console, refresh_per_second=4) as live:
        while decided < board.payments:
            time.sleep(0.25)
            if job.status.get("decided", 0) > decided:
                decided, progressed = job.status["decided"], time.monotonic()
            if job.ended() or time.monotonic() > progressed + STALL_S:
                raise BrokerError(f"the job stopped after {decided:,} payments; it said: {job.last_words()}")
            live.update(picture())
        time.sleep(1.0)
        live.update(picture())
    if not console.is_terminal:
        console.line()  # Rich ends what is live on a terminal only


def _picture(job: "Job", board: Scoreboard, rate: float) -> Group:
    status, result = job.status, board.result()
    head = Text(
        f"{rate:>8,.0f} payments/s   {status.get('decided', 0):>9,} decided   p99 {job.p99_ms:,.0f} ms"
    )
    sums = Text(
        f"{len(board.alerts):>8,} alerts   {sum(board.severities.values()):>8,} warnings   "
        f"saved {(result.stopped_minor + result.caught_minor) / 100:,.0f} of {result.scam_minor / 100:,.0f}"
    )
    newest = [Text(_line(alert)) for alert in list(board.alerts.values())[-6:]]
    return Group(Panel(Group(head, sums), title="Stopline"), *newest)


def _line(alert: Alert) -> str:
    reason = alert.reasons[0].text if alert.reasons else ""
    return f"{alert.outcome:<5} {alert.leg:<6} {alert.amount_minor / 100:>12,.2f} {alert.currency}  {reason}"


def _send(payments: pa.Table, settings: KafkaSettings, rate: int = 0) -> None:
    """Send payments, at `rate` a second if it is not 0; their Kafka time is now."""
    producer = open_producer(settings)
    began, sent = time.monotonic(), 0
    for block in messages(payments, block=500 if rate else 5_000):
        if rate and (ahead := sent / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        now_us = time.time_ns() // 1000
        for key, value in zip(block.keys, block.values, strict=True):
            producer.send(topics.PAYMENTS, key, value, (), now_us)
        producer.flush()
        sent += len(block.keys)


def _commit(settings: KafkaSettings) -> None:
    """Let the job's group stand at the end of the topic, as if it had decided all that is there."""
    places = [(topics.PAYMENTS, number) for number in range(PARTITIONS)]
    with closing(open_admin(settings)) as admin:
        admin.commit(settings.group, admin.end_offsets(places))


class _Listener:
    """Reads all partitions of a topic as records."""

    def __init__(self, settings: KafkaSettings, topic: str, record: Any) -> None:
        self._consumers = [open_consumer(settings, topic, number, 0) for number in range(PARTITIONS)]
        self._decode = msgspec.json.Decoder(record).decode

    def take(self) -> list[Any]:
        """Return what arrived since the last call."""
        chunks = [chunk for each in self._consumers if (chunk := each.poll(10_000)) is not None]
        return [self._decode(value) for chunk in chunks for value in chunk.values]


class Job:
    """`stopline run` as a child, and what it last said."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self.child = child
        self.status: dict[str, Any] = {}
        self.p99_ms = 0.0
        self._words: list[str] = []
        assert child.stdout is not None and child.stderr is not None
        threading.Thread(target=self._read_status, args=(child.stdout,), daemon=True).start()
        threading.Thread(target=self._read_words, args=(child.stderr,), daemon=True).start()

    def ended(self) -> bool:
        """Tell whether the child has exited."""
        return self.child.poll() is not None

    def wait_for(self, least: int, count: str) -> None:
        """Wait until the child has counted so many.

        Raises:
            BrokerError: it ended, or did not get there in time.

        """
        deadline = time.monotonic() + STALL_S
        while self.status.get(count, 0) < least:
            if self.ended() or time.monotonic() > deadline:
                raise BrokerError(f"the job does not get on; it said: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the last line of its error output."""
        return self._words[-1] if self._words else "nothing"

    def _read_status(self, lines: IO[str]) -> None:
        for line in lines:
            self.status = json.loads(line)
            self.p99_ms = self.status["p99_ms"] or self.p99_ms

    def _read_words(self, lines: IO[str]) -> None:
        for line in lines:
            self._words = [*self._words[-20:], line.strip()]


@contextmanager
def _job(settings: KafkaSettings, bundle: Path, policy_file: Path) -> Iterator[Job]:
    """Run the main job on `settings`' broker while the block runs."""
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "run",
        "--kafka_brokers", settings.brokers, "--model_bundle", str(bundle),
        "--policy_file", str(policy_file), "--partitions", str(PARTITIONS), "--status", "json",
    ]  # fmt: skip
    child = subprocess.Popen(
        tied_to_starter(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Job(child)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
