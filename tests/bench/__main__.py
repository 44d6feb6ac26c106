"""Speed, latency and memory of the main job against the usual per-event graph, on one broker of our own.

    python -m tests.bench              about eight minutes
    python -m tests.bench --quick      the same figures in under three
    python -m tests.bench --clues      with a telecom clue for every payment, which is at least 80 % as fast
    python -m tests.bench --profile    where the pipeline's thread spends its time, and nothing else

Writes bench/latest.json. Everything runs on this machine: broker, load generator and job share its
processors, so close what else is running.
"""

import argparse
import json
import math
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from pipelines import policy
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import BrokerKind, EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from schemas.errors import StoplineError
from tests.bench import baseline, ceiling, figures, load, native, profile
from tests.bench.alerts import AlertClock
from tests.bench.child import Child, answer
from tests.bench.job import PROFILE, RESET, Job, Sample, cpu_s, options_of, run

RESULT = Path("bench/latest.json")
SHIPPED = Path("models/shipped")
WORLD, WITH_CLUES = load.World(), load.World(clues=True)

#: Share of a backlog decided before the clock starts: compilation, and what was fetched meanwhile.
SKIP, SKIP_BASELINE = 0.1, 0.4

#: How many messages the baseline's features are compared on.
SAMPLE = 2_000

#: Payments of the history for each account at least: of strangers more are flagged.
SEEN = 4

#: After the last message the job has so long to decide what is left, seconds.
SETTLE_S = 60.0


class Size(NamedTuple):
    """How much of everything; times in seconds."""

    history: int
    backlog: int
    baseline: int
    slow_client: int
    warm_s: float
    steady_s: float
    steady_broker: BrokerKind
    rate: int = 20_000
    world: load.World = WORLD


FULL = Size(
    history=1_600_000,
    backlog=1_600_000,
    baseline=20_000,
    slow_client=100_000,
    warm_s=30,
    steady_s=300,
    steady_broker="kafka" if shutil.which("java") and shutil.which("mvn") else "embedded",
)
QUICK = Size(history=1_600_000, backlog=400_000, baseline=8_000, slow_client=30_000, warm_s=10, steady_s=40,
    steady_broker="embedded",
)  # fmt: skip

_console = Console(highlight=False)


class Broker(NamedTuple):
    address: str
    pid: int


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, under three minutes")
    parser.add_argument("--profile", action="store_true", help="profile the pipeline's thread instead")
    parser.add_argument("--bundle", type=Path, default=SHIPPED, help="model bundle to score with")
    parser.add_argument("--messages", type=int, help="backlog instead of the usual one")
    parser.add_argument(
        "--broker",
        choices=("embedded", "kafka"),
        help="broker of the steady load; kafka needs Java and Maven",
    )
    parser.add_argument("--clues", action="store_true", help="send a clue with every payment, too")
    parser.add_argument("--rate", type=int, help="payments a second offered instead of 20,000")
    parser.add_argument("--accounts", type=int, default=WORLD.accounts, help="accounts of the world")
    asked = parser.parse_args()
    size = QUICK if asked.quick or asked.profile else FULL
    size = size._replace(backlog=asked.messages or size.backlog, rate=asked.rate or size.rate)
    size = size._replace(steady_broker=asked.broker or size.steady_broker)
    size = size._replace(
        world=(WITH_CLUES if asked.clues else WORLD)._replace(accounts=asked.accounts),
        history=max(size.history, SEEN * asked.accounts),
    )
    with tempfile.TemporaryDirectory(prefix="stopline-bench-") as scratch:
        try:
            (profiled if asked.profile else measured)(size, asked.bundle, Path(scratch))
        except (RuntimeError, StoplineError) as failed:
            _console.print(f"[red]failed[/] {failed}")
            return 1
    return 0


def measured(size: Size, bundle: Path, scratch: Path) -> None:
    """Take all figures, print them and write them down."""
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(),
        "runner": "FnApiRunner, in process", "accounts": size.world.accounts, "clues": size.world.clues,
        "broker": {"backlog": "embedded", "steady": size.steady_broker},
        **throughput(size, bundle, scratch), **latency(size, bundle, scratch),
    }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    show(report)


def throughput(size: Size, bundle: Path, scratch: Path) -> dict[str, Any]:
    """Measure backlogs: both clients reading only, our graph, and the baseline, all from one topic."""
    with broker("embedded") as at:
        past, filled = backlog(at, size)
        step("reading it with each client and nothing else")
        ceilings = {
            client: answer(ceiling.read, at.address, client, count)
            for client, count in (("confluent", size.backlog // 2), ("kafka-python", size.slow_client))
        }
        options = options_of(at.address, bundle, scratch / "log")
        step("our graph")
        ours = drained(Job(options, past.ends), size.backlog)
        rate = figures.rate(ours, size.backlog, SKIP)
        step(f"the per-event baseline on the first {size.baseline:,}")
        slow = drained(Job(options, {}, baseline=True), size.baseline)
        usual = figures.rate(slow, size.baseline, SKIP_BASELINE)
        sample = [value for _, value, _ in load.stream(WORLD, SAMPLE)]
        unlike = baseline.difference(sample, policy.load())
        rival = beside_native(at, past, size, bundle, sample)
    return {
        "messages": size.backlog,
        "history": size.history,
        "events_per_s": round(rate.events_per_s),
        "baseline_events_per_s": round(usual.events_per_s),
        "ratio": round(rate.events_per_s / usual.events_per_s, 1),
        "baseline_messages": size.baseline,
        "baseline_feature_difference": unlike,
        "cpu_us_per_event": {
            "job": round(rate.cpu_us, 2), "pipeline_thread": round(rate.thread_us, 2),
            "baseline": round(usual.cpu_us, 1),
        },
        "ceilings": {
            client: {"events_per_s": round(read.events_per_s), "cpu_us_per_event": round(read.cpu_us, 2)}
            for client, read in ceilings.items()
        },
        "outcomes_per_10k": {
            name: round(ours[-1].counts.get(name, 0) / ours[-1].decided * 1e4, 1)
            for name in ("alerts", "warnings")
        },
        "produced_per_s": round(filled.messages / filled.seconds),
        **rival,
    }  # fmt: skip


def beside_native(
    at: Broker, past: load.Sent, size: Size, bundle: Path, sample: list[bytes]
) -> dict[str, Any]:
    """Measure the native rival on the same backlog, where it can be built."""
    step("the native rival")
    if hindrance := native.hindered():
        step(hindrance)
        return {}
    rules = policy.load()
    unlike = native.difference(sample, bundle, rules)
    found = figures.rate(
        native.drained(at.address, past.ends, bundle, rules, size.backlog), size.backlog, SKIP
    )
    return {
        "native_events_per_s": round(found.events_per_s),
        "native_cpu_us_per_event": round(found.cpu_us, 2),
        "native_difference": unlike,
    }


def latency(size: Size, bundle: Path, scratch: Path) -> dict[str, Any]:
    """Measure a steady load: latency of decisions and of alerts, processors, memory."""
    seconds = size.warm_s + size.steady_s
    step(
        f"{size.rate:,} payments a second for {seconds:.0f} s, the first {size.warm_s:.0f} to warm up, "
        f"on the {size.steady_broker} broker"
    )
    with (
        broker(size.steady_broker) as at,
        ExitStack() as stack,
        Child(load.offer, at.address, size.world, size.history, load.Pace(size.rate, seconds)) as feeder,
        closing(AlertClock(KafkaSettings(at.address))) as alerts,
    ):
        past: load.Sent = feeder.receive()
        job = stack.enter_context(
            Child(run, Job(options_of(at.address, bundle, scratch / "steady"), past.ends))
        )
        while news(job).observed < past.messages:
            pass
        feeder.send("begin")
        steady: list[Sample] = []
        broker_s = 0.0
        warm_at, sent = time.monotonic() + size.warm_s, None
        while sent is None:
            sample = news(job)
            alerts.poll()
            if steady:
                steady.append(sample)
            elif time.monotonic() >= warm_at:
                job.send(RESET)
                alerts.restart()
                steady, broker_s = [sample], cpu_s(at.pid)
            if feeder.has_news():
                sent = feeder.receive()
        broker_s = cpu_s(at.pid) - broker_s
        last = steady[-1]
        settled = time.monotonic() + SETTLE_S
        while last.decided < sent.messages and time.monotonic() < settled:
            last = news(job)
            alerts.poll()
        warned_ms = alerts.warned_ms(sent)
        delivered, warned = figures.quantiles(alerts.delays_ms), figures.quantiles(warned_ms)
    span_s = steady[-1].at_s - steady[0].at_s
    return {
        "offered_per_s": size.rate,
        "seconds": size.steady_s,
        "sent_per_s": round(sent.messages / sent.seconds),
        "sent_late_ms": {"p99": round(sent.late_ms[0], 1), "max": round(sent.late_ms[1], 1)},
        "undecided": sent.messages - last.decided,
        "latency_ms": {
            name.removesuffix("_ms"): round(value, 1) if math.isfinite(value) else None
            for name, value in last.latency._asdict().items()
        },
        "alert_latency_ms": {**delivered, "alerts": len(alerts.delays_ms)},
        "severity_4_latency_ms": {**warned, "warnings": len(warned_ms)},
        "rss_mb": round(steady[-1].rss_mb, 1),
        "rss_growth_mb": round(figures.growth_mb(steady), 1),
        "cpu": {
            "job_cores": round(figures.cores(steady), 3),
            "broker_cores": round(broker_s / span_s, 3),
            "generator_cores": round(sent.cpu_s / sent.seconds, 3),
        },
    }


def profiled(size: Size, bundle: Path, scratch: Path) -> None:
    """Print what the pipeline's thread does, microseconds of processor time per event."""
    with broker("embedded") as at:
        past, _ = backlog(at, size)
        step("our graph under cProfile, which makes calls of small functions look dearer than they are")
        asked = Job(options_of(at.address, bundle, scratch / "log"), past.ends, profile=True)
        with Child(run, asked) as job:
            readings, decided = [], []
            for share in (SKIP, 1.0):
                while (sample := news(job)).decided < share * size.backlog:
                    pass
                job.send(PROFILE)
                while isinstance(found := job.receive(), Sample):
                    pass
                readings.append(found)
                decided.append(sample.decided)
    events = decided[1] - decided[0]
    spent = profile.since(readings[1], readings[0])
    table = Table("stage", "us/event", title="processor time by stage, with everything called from it")
    for label, seconds in profile.stages(spent).items():
        table.add_row(label, f"{seconds / events * 1e6:.2f}")
    table.add_row("all", f"{sum(each.own_s for each in spent.values()) / events * 1e6:.2f}")
    _console.print(table)
    table = Table(
        "us/event", "with callees", "calls", "function", title="the 25 that take most by themselves"
    )
    for (file, name, line), each in sorted(spent.items(), key=lambda item: -item[1].own_s)[:25]:
        own, total = each.own_s / events * 1e6, each.total_s / events * 1e6
        table.add_row(
            f"{own:.2f}", f"{total:.2f}", f"{each.calls:,}", f"{file}:{line} {name}" if file else name
        )
    _console.print(table)


def backlog(at: Broker, size: Size) -> tuple[load.Sent, load.Sent]:
    """Send a history and a backlog; return what the feeder says of each."""
    step(
        f"sending payments of {size.world.accounts:,} accounts: {size.history:,} history, "
        f"{size.backlog:,} backlog"
    )
    with Child(load.fill, at.address, size.world, size.history, size.backlog) as feeder:
        return feeder.receive(), feeder.receive()


def drained(job: Job, total: int) -> list[Sample]:
    """Run a job until it has decided `total` messages of a backlog; return its samples."""
    with Child(run, job) as child:
        samples = [news(child)]
        while samples[-1].decided < total:
            samples.append(news(child))
    return samples


def news(job: Child) -> Sample:
    """Return the job's next sample.

    Raises:
        RuntimeError: it failed; holds its traceback.

    """
    sample = job.receive()
    if isinstance(sample, str):
        raise RuntimeError(sample)
    assert isinstance(sample, Sample)
    return sample


@contextmanager
def broker(kind: BrokerKind) -> Iterator[Broker]:
    """Start a broker with the job's topics, a fresh one for each step.

    The embedded one slows down as its logs grow: after five minutes at 20,000/s its fetches take seconds.
    """
    local = ApacheKafka() if kind == "kafka" else EmbeddedBroker()
    pid = local.start()
    try:
        load.create_topics(local.address)
        yield Broker(local.address, pid)
    finally:
        local.stop()


def machine() -> dict[str, Any]:
    """Say where this runs, and how busy it was before."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def step(doing: str) -> None:
    _console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {doing}")


def show(report: dict[str, Any]) -> None:
    """Print the bars and what explains them."""
    table = Table("", "measured", "bar", "", title="bench")
    for bar in figures.bars(report):
        sign = ">=" if bar.at_least else "<="
        verdict = "[green]reached[/]" if bar.reached else "[red]not reached[/]"
        figure = "none" if bar.figure is None else f"{bar.figure:,.1f} {bar.unit}"
        table.add_row(bar.name, figure, f"{sign} {bar.bar:,.0f} {bar.unit}", verdict)
    _console.print(table)
    decided, alerts, cpu = report["latency_ms"], report["alert_latency_ms"], report["cpu"]
    grave = report["severity_4_latency_ms"]
    _console.print(
        f"baseline {report['baseline_events_per_s']:,}/s; clients reading only: "
        + ", ".join(f"{name} {read['events_per_s']:,}/s" for name, read in report["ceilings"].items())
    )
    if "native_events_per_s" in report:
        _console.print(
            f"native rival {report['native_events_per_s']:,}/s, {report['native_cpu_us_per_event']} us of "
            f"processor a payment, ours {report['cpu_us_per_event']['job']}; native : ours "
            f"{report['native_events_per_s'] / report['events_per_s']:.2f}"
        )
    _console.print(
        f"at {report['offered_per_s']:,}/s: decision p50 {decided['p50']} p99 {decided['p99']} p99.9 "
        f"{decided['p999']} ms; alert in hand p50 {alerts['p50']} p99 {alerts['p99']} ms, warning of "
        f"severity 4 p50 {grave['p50']} p99 {grave['p99']} ms of {grave['warnings']}; processors: job "
        f"{cpu['job_cores']}, broker {cpu['broker_cores']}, generator {cpu['generator_cores']}; "
        f"memory {report['rss_mb']} MB"
    )
    for warning in doubts(report):
        _console.print(f"[yellow]mind:[/] {warning}")
    _console.print(f"written to {RESULT}")


def doubts(report: dict[str, Any]) -> list[str]:
    """Say what makes the figures less than they seem."""
    found = []
    if report["machine"]["load_before"] > 0.5 * report["machine"]["cores"]:
        found.append("the machine was busy before the bench began; figures are worse than they could be")
    if report["sent_per_s"] < 0.99 * report["offered_per_s"] or report["sent_late_ms"]["p99"] > 50:
        found.append(
            f"the generator did not keep its pace ({report['sent_per_s']:,}/s, p99 "
            f"{report['sent_late_ms']['p99']} ms late); its lateness is part of the latencies"
        )
    if report["undecided"] > 0:
        found.append(f"{report['undecided']:,} payments were still undecided {SETTLE_S:.0f} s after the last")
    if report.get("native_difference", 0.0) > 1e-6:
        found.append("the native rival's features or scores differ from ours: it does another thing")
    if report["baseline_feature_difference"] > 1e-6:  # suspicions have four octets
        found.append("the baseline's features differ from ours, so the ratio compares two different things")
    return found


if __name__ == "__main__":
    sys.exit(main())
