"""`stopline replay`: a recorded scenario through the main job, compared with what it gave before."""

import difflib
import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import typer
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from console.commands.demo import SHIPPED_BUNDLE
from console.commands.run import wanted_topics
from console.lab.recorded import topic_values
from fixtures.scenario import Scenario, load, path_of
from fixtures.stream import feedback, messages
from pipelines import policy
from pipelines.hot import graph, serving
from pipelines.in_process import runner
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from schemas import topics
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)

PARTITIONS = 4
DIFFERENCES_SHOWN = 20


@app.command()
def replay(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario in fixtures/scenarios, or a YAML file like theirs.")
    ],
    *,
    update: Annotated[bool, typer.Option(help="Write what it gives now as what is expected.")] = False,
    model_bundle: Annotated[Path, typer.Option(help="Bundle to score with.")] = SHIPPED_BUNDLE,
    decision_log: Annotated[
        Path | None,
        typer.Option(
            "--decision_log",
            help="New folder for decision log and feedback.jsonl.",
        ),
    ] = None,
    decision_log_share: Annotated[
        float, typer.Option("--decision_log_share", help="Share of unflagged accounts the log keeps.")
    ] = 1.0,
) -> None:
    """Run a scenario from its first payment to its last and compare alerts, warnings and dead letters.

    All partitions are merged by event time, so every run gives the same records, byte for byte. Exit code 1
    if they differ from the scenario's expected.jsonl. With --decision_log it is a source of training rows:
    days of `history_days` only fill the ledgers and are not in the log.

    Example: stopline replay police_call
    """
    console = Console()
    chosen = load(scenario)
    serving.check(model_bundle.resolve(), policy.load())
    if decision_log is not None:
        if decision_log.exists():
            raise ConfigError(f"{decision_log} exists and a log is never mixed; choose a new folder")
        emitted(chosen, model_bundle, decision_log, decision_log_share)
        labels = feedback(chosen.world().truth)
        lines = b"".join(msgspec.json.encode(label) + b"\n" for label in labels)
        (decision_log / "feedback.jsonl").write_bytes(lines)
        console.print(
            f"decision log and feedback.jsonl with {len(labels):,} labels in {decision_log}", highlight=False
        )
        return
    file = path_of(scenario).with_name("expected.jsonl")
    if not update and not file.exists():
        raise ConfigError(f"{file} is not there to compare with; write it with --update")
    given = emitted(chosen, model_bundle)
    if update:
        file.write_text("".join(f"{line}\n" for line in given), encoding="utf-8")
        console.print(f"{file.name} of {scenario} now holds {len(given)} records", highlight=False)
        return
    expected = file.read_text(encoding="utf-8").splitlines()
    differences = [
        line for line in difflib.unified_diff(expected, given, lineterm="", n=0) if line[0] in "+-"
    ]
    if not differences:
        console.print(f"{scenario}: {len(given)} records, all as expected", highlight=False)
        return
    for line in differences[2 : 2 + DIFFERENCES_SHOWN]:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{scenario}: {len(differences) - 2} lines differ; accept them with --update")
    raise typer.Exit(1)


def emitted(
    scenario: Scenario, bundle: Path, decision_log: Path | None = None, share: float = 1.0
) -> list[str]:
    """Run a scenario; return every record the job sends as JSON, ordered by topic and id.

    Its history goes through the ledgers and leads to nothing.
    """
    with streamed(scenario) as (settings, decided):
        job = replace(
            job_settings(settings, "--model_bundle", str(bundle)),
            decided=decided,
            decision_log=decision_log,
            decision_log_share=share,
        )
        with beam.Pipeline(runner=runner.in_process()) as pipeline:
            chunks = pipeline | "Read" >> ReadChunksBounded(settings, *topics.READ)
            graph.write(graph.build(chunks, job), job)
        return records(settings)


@contextmanager
def streamed(scenario: Scenario) -> Iterator[tuple[KafkaSettings, dict[int, int]]]:
    """Hold a scenario in topics of a broker of its own; name the offsets where its history ends."""
    payments = scenario.world().payments
    began = pc.less(payments["accepted_at_us"], scenario.begins_us)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(wanted_topics(PARTITIONS))
            send(settings, payments.filter(began))
            places = [(topics.PAYMENTS, number) for number in range(PARTITIONS)]
            decided = {number: offset for (_, number), offset in admin.end_offsets(places).items()}
        send(settings, payments.filter(pc.invert(began)))
        yield settings, decided
        process.close_connections()


def job_settings(kafka: KafkaSettings, *flags: str) -> JobSettings:
    """Return the settings of a job on a broker, other options given as flags."""
    return JobSettings.of(PipelineOptions(["--kafka_brokers", kafka.brokers, *flags]))


def send(settings: KafkaSettings, payments: pa.Table) -> None:
    """Send payments under their own time."""
    producer = open_producer(settings)
    for block in messages(payments):
        for key, value, at_us in zip(*block, strict=True):
            producer.send(topics.PAYMENTS, key, value, (), at_us)
        producer.flush()


def records(settings: KafkaSettings) -> list[str]:
    """Return every record a job has sent as JSON, ordered by topic and id."""
    return [line for topic in topics.WRITTEN for line in lines(topic, topic_values(settings, topic))]


def lines(topic: str, values: Iterable[bytes]) -> list[str]:
    """Return records of one topic as JSON, ordered by id."""
    return sorted(
        json.dumps({"topic": topic} | json.loads(value), ensure_ascii=False, sort_keys=True)
        for value in values
    )
