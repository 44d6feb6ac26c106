"""`stopline demo`: a simulated world through the real job, on a broker of its own, in under a minute."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from console.run import wanted_topics
from console.scoreboard import Scoreboard
from fixtures.stream import messages
from fixtures.world import World, simulate
from pipelines import policy
from pipelines.kafka import process
from pipelines.kafka.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_consumer, open_producer
from pipelines.kafka.preflight import problems
from schemas import topics
from schemas.alert import Alert
from schemas.errors import BrokerError
from schemas.warning import Warning

app = typer.Typer(add_completion=False)

SHIPPED_BUNDLE = Path(__file__).resolve().parents[1] / "models" / "shipped"
PARTITIONS = 4

#: The demo gives up if nothing is decided for this long.
STALL_S = 60.0


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 2,
    days: Annotated[int, typer.Option(help="Days to simulate.")] = 3,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 40_000,
    rate: Annotated[
        int, typer.Option(help="Payments per second to send; 0 is as fast as possible.")
    ] = 10_000,
    model_bundle: Annotated[Path, typer.Option(help="Bundle to score with.")] = SHIPPED_BUNDLE,
) -> None:
    """Watch scams being stopped: simulated days at high speed, then a scoreboard.

    Everything is real but the people: an embedded Kafka broker, `stopline run` in a process of its own, its
    topics. Nothing else needs to be installed.

    Example: stopline demo --seed 3 --rate 0
    """
    console = Console()
    with console.status("simulating people, shops, scammers and mules"):
        world = simulate(seed=seed, days=days, accounts=accounts)
    board = Scoreboard.of(world.payments, world.truth)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        if found := problems(settings, wanted_topics(PARTITIONS), create_topics=True):
            raise BrokerError("; ".join(found))
        with _job(settings, model_bundle) as job:
            threading.Thread(target=_send, args=(world, settings, rate, job), daemon=True).start()
            _follow(console, job, board, settings)
        process.close_connections()
    currency = policy.load().law.currency
    console.print(board.result().table(currency))
    console.print("Figures on simulated scams are easier than on real ones: docs/models.md.", style="dim")


def _follow(console: Console, job: "Job", board: Scoreboard, settings: KafkaSettings) -> None:
    """Show the job until it has decided every payment of the board."""
    alerts, warnings = (
        _Listener(settings, topics.ALERTS, Alert),
        _Listener(settings, topics.WARNINGS, Warning),
    )
    progressed = time.monotonic()
    decided = 0
    with Live(console=console, refresh_per_second=4) as live:
        while decided < board.payments:
            time.sleep(0.25)
            board.add_alerts(alerts.take())
            board.add_warnings(warnings.take())
            live.update(_picture(job, board))
            if job.status.get("decided", 0) > decided:
                decided, progressed = job.status["decided"], time.monotonic()
            if job.ended() or time.monotonic() > progressed + STALL_S:
                raise BrokerError(f"the job stopped after {decided:,} payments; it said: {job.last_words()}")
        time.sleep(1.0)
        board.add_alerts(alerts.take())
        board.add_warnings(warnings.take())
        live.update(_picture(job, board))


def _picture(job: "Job", board: Scoreboard) -> Group:
    status, result = job.status, board.result()
    head = Text(
        f"{status.get('events_per_s', 0):>8,} payments/s   {status.get('decided', 0):>9,} decided   "
        f"p99 {job.p99_ms:,.0f} ms"
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


def _send(world: World, settings: KafkaSettings, rate: int, job: "Job") -> None:
    """Send the world's payments once the job reads, at `rate` a second; their Kafka time is now."""
    while not job.status and not job.ended():
        time.sleep(0.05)
    producer = open_producer(settings)
    began, sent = time.monotonic(), 0
    for block in messages(world.payments):
        if rate and (ahead := sent / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
        now_us = time.time_ns() // 1000
        for key, value in zip(block.keys, block.values, strict=True):
            producer.send(topics.PAYMENTS, key, value, (), now_us)
        producer.flush()
        sent += len(block.keys)


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
def _job(settings: KafkaSettings, bundle: Path) -> Iterator[Job]:
    """Run the main job on `settings`' broker while the block runs."""
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "run",
        "--kafka_brokers", settings.brokers, "--kafka_start", "earliest", "--model_bundle", str(bundle),
        "--partitions", str(PARTITIONS), "--status", "json",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Job(child)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
