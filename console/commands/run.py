"""`stopline run`: the main job, for ever."""

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import apache_beam as beam
import typer
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from console.cli import BEAM_FLAGS
from console.commands import flink
from console.lab.ending import end_on_signals
from pipelines.hot import graph, serving
from pipelines.in_process import runner
from pipelines.in_process.warmup import warm_up
from pipelines.jobs.options import JobSettings, in_process_options
from pipelines.kafka.port import NewTopic
from pipelines.kafka.preflight import problems
from pipelines.kafka.reading.bounds import captured_bounds
from pipelines.kafka.reading.source import ReadChunks
from pipelines.telemetry import TELEMETRY, Latency, quantiles
from schemas import topics
from schemas.errors import BrokerError

app = typer.Typer(add_completion=False)

RunnerName = Literal["in-process", "flink"]
StatusFormat = Literal["line", "json", "none"]

STATUS_S = 1.0


@app.command(context_settings=BEAM_FLAGS)
def run(
    context: typer.Context,
    named: Annotated[RunnerName, typer.Option("--runner", help="Where the job runs.")] = "in-process",
    partitions: Annotated[int, typer.Option(help="Partitions every topic must have.", min=1)] = 4,
    create_topics: Annotated[bool, typer.Option(help="Create topics that are missing.")] = False,
    status: Annotated[StatusFormat, typer.Option(help="What to print every second.")] = "line",
) -> None:
    """Read payments and send alerts, warnings, traces and dead letters until stopped with Ctrl-C.

    At-least-once: after a crash messages may be read and sent again, under the same ids. The in-process
    runner (default) keeps its ledgers in memory; `--runner flink` keeps them in checkpoints.
    Everything else is an option of the job or of Beam: --kafka_brokers, --kafka_group, --kafka_client,
    --kafka_security, --kafka_start, --ledger_warmup_h, --model_bundle or --model_registry, --policy_file,
    --ledger_shards, --decision_log, --decision_log_share.

    With --model_registry the registry's live bundle is followed while the job runs, without a restart.

    Example: stopline run --kafka_brokers 127.0.0.1:9092 --model_bundle var/bundle --create-topics
    """
    if named == "flink":
        options = PipelineOptions(context.args, streaming=True)
        settings = JobSettings.of(options, default_shards=flink.SHARDS)
    else:
        options = in_process_options(context.args)
        settings = JobSettings.of(options)
    preflight(settings, partitions, create_topics)
    if named == "flink":
        flink.run_main(settings, context.args)
        return
    traced = captured_bounds(settings.kafka, (topics.MEASURES, topics.TRACES))
    settings = replace(settings, traced=traced)
    if settings.start == "committed" and settings.warmup_h > 0:
        plan = warm_up(settings.kafka, topics.PAYMENTS, settings.warmup_h)
        settings = replace(settings, start=plan.start, decided=plan.decided)
    end_on_signals(partial(_print, status))
    with reporting(status):
        place = f"{settings.kafka.brokers} as group {settings.kafka.group}"
        _print(status, f"reading at {place}; Ctrl-C stops")
        with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
            chunks = pipeline | "Read" >> ReadChunks(settings.kafka, *topics.READ, start=settings.first)
            graph.write(graph.build(chunks, settings), settings)


def preflight(settings: JobSettings, partitions: int, create: bool) -> None:
    """Check bundle, broker and topics before anything is read.

    Raises:
        ModelError: the bundle must not be used.
        BrokerError: the broker or a topic is not as needed; says the command that mends it.

    """
    serving.check(settings.models, settings.policy)
    if found := problems(settings.kafka, wanted_topics(partitions), create_topics=create):
        raise BrokerError("; ".join(found))


def wanted_topics(partitions: int) -> list[NewTopic]:
    """Return the topics of the main job."""
    return [NewTopic(name, partitions, config=topics.TOPIC_CONFIG.get(name, {})) for name in topics.MAIN]


@contextmanager
def reporting(status: StatusFormat) -> Iterator[None]:
    """Print a status every second while the block runs."""
    done = threading.Event()

    def report() -> None:
        before, since, earlier = 0, time.monotonic(), TELEMETRY.histogram()
        while not done.wait(STATUS_S):
            counts, histogram = TELEMETRY.counts(), TELEMETRY.histogram()
            latency, earlier = quantiles(histogram - earlier), histogram
            now, decided = time.monotonic(), counts.get("decided", 0)
            rate = (decided - before) / (now - since)
            before, since = decided, now
            fields = {"events_per_s": round(rate), **counts, **latency._asdict()}
            if status == "json":
                print(json.dumps(fields, default=str).replace("NaN", "null"), flush=True)
            elif decided:
                _print(status, status_line(rate, counts, latency))

    if status != "none":
        threading.Thread(target=report, name="status", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def status_line(rate: float, counts: Mapping[str, int], latency: Latency) -> str:
    """Say in one line how the job does; a second without a decision has no latency.

    >>> status_line(0.0, {"decided": 1_200, "braked": 3}, Latency(math.nan, math.nan, math.nan))
    '        0 payments/s         1,200 decided         0 alerts         0 warnings  BRAKED 3'
    """
    parts = [
        f"{rate:>9,.0f} payments/s",
        f"{counts['decided']:>12,} decided",
        f"{counts.get('alerts', 0):>8,} alerts",
        f"{counts.get('warnings', 0):>8,} warnings",
    ]
    if not math.isnan(latency.p50_ms):
        parts += [f"p50 {latency.p50_ms:,.0f} ms", f"p99 {latency.p99_ms:,.0f} ms"]
    if braked := counts.get("braked"):
        parts.append(f"BRAKED {braked:,}")
    return "  ".join(parts)


def _print(status: StatusFormat, text: str) -> None:
    if status == "line":
        Console().print(text, highlight=False, soft_wrap=True)
