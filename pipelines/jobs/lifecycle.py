"""The lifecycle job: what becomes of orders, measures and refunds, account by account.

orders, accounts ─ Read ─ Open ─ by order number ─ Register ─ by account ─ Accounts ─┬─ measures
                            └ dead letters                                           ├─ refunds
                                                                                     └─ dead letters

Time is the broker's time of receipt, never what a message claims. Terms end by event-time timers, which
are believed only if the clock agrees, or by ticks through Kafka (`pipelines/alarm_clock.py`). What a
command led to is written, in one entry, before read positions are committed: a crash repeats messages,
whose replies then say DUPLICATE, and never leaves half a transition.
"""

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.in_process import runner
from pipelines.jobs.job import Job
from pipelines.kafka.port import Chunk, KafkaSettings, open_admin
from pipelines.kafka.preflight import append_time, new_topics, require_topics
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.reading.in_flight import folder_of
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.lifecycle import journal
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.lifecycle.steps import AccountFn, OpenFn, RegisterFn
from pipelines.received import no_clock, reading, wall_clock_us
from pipelines.state.identity import Identity
from schemas import topics

NAME = "stopline-lifecycle"

#: Orders are few and urgent: a bundle is cut after this long, and what it read goes on.
READ_TIME_S = 0.1

#: Messages of one read; an order waits for those before it.
CHUNK_ROWS = 200


class Outputs(NamedTuple):
    """What the job emits, records ready to send.

    `answers` belong to the journal; `unreadable`, `unlisted` and `refused` all go to dead letters.
    """

    journal: "beam.PCollection[OutRecord]"
    refunds: "beam.PCollection[OutRecord]"
    unreadable: "beam.PCollection[OutRecord]"
    answers: "beam.PCollection[OutRecord]"
    unlisted: "beam.PCollection[OutRecord]"
    refused: "beam.PCollection[OutRecord]"


def build(chunks: "beam.PCollection[Chunk]", settings: LifecycleSettings) -> Outputs:
    """Apply the job to chunks of topics `orders` and `accounts`."""
    keyed = tuple[str, bytes]
    opening = beam.ParDo(OpenFn(settings)).with_output_types(keyed, unreadable=OutRecord)
    opened = chunks | "Open" >> opening.with_outputs("unreadable", main="items")
    register = beam.ParDo(RegisterFn(settings)).with_output_types(keyed, refused=OutRecord, answers=OutRecord)
    accounts = beam.ParDo(AccountFn(settings)).with_output_types(
        OutRecord, refunds=OutRecord, refused=OutRecord
    )
    listed = opened.items | "Register" >> register.with_outputs("refused", "answers", main="items")
    done = listed.items | "Accounts" >> accounts.with_outputs("refunds", "refused", main="journal")
    return Outputs(
        done.journal, done.refunds, opened.unreadable, listed.answers, listed.refused, done.refused
    )


def write(outputs: Outputs, settings: LifecycleSettings) -> None:
    """Send what the job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)


def job(settings: LifecycleSettings) -> Job:
    """Return the lifecycle job, to be run for ever."""
    settings = replace(settings, in_flight=folder_of(settings.kafka, NAME))
    return Job(NAME, partial(_in_process, settings), partial(on_flink, settings), partial(_of, settings))


def _of(settings: LifecycleSettings) -> Identity:
    with closing(open_admin(settings.kafka)) as admin:
        return Identity(cluster_id=admin.cluster_id())


def preflight(kafka: KafkaSettings, partitions: int, *, create_topics: bool) -> None:
    """Check broker and topics before anything is read.

    Raises:
        BrokerError: they are not as needed; says the command that mends it.

    """
    names = dict.fromkeys((*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN))
    require_topics(kafka, new_topics(names, partitions), create_topics=create_topics)


def replay(settings: LifecycleSettings, options: PipelineOptions | None = None) -> None:
    """Run the job over what its topics hold now; terms end by the time of the messages."""
    settings = replace(settings, clock=no_clock)
    with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
        chunks = pipeline | "Read" >> ReadChunksBounded(settings.kafka, *topics.LIFECYCLE_READ)
        write(build(chunks, settings), settings)


def _in_process(settings: LifecycleSettings, pipeline: beam.Pipeline) -> str:
    """Apply the job to a pipeline whose runner forgets everything and keeps no event time."""
    settings, said = _rebuilt(replace(settings, ticks=True))
    read = ReadChunks(
        settings.kafka, *topics.LIFECYCLE_READ, chunk_rows=CHUNK_ROWS, max_read_time_s=READ_TIME_S
    )
    write(build(pipeline | "Read" >> read, settings), settings)
    return f"{said}; {reading(settings.kafka)}"


def on_flink(settings: LifecycleSettings, pipeline: beam.Pipeline) -> None:
    """Apply the job as it runs on Flink, where terms are timers of its checkpoints.

    What a checkpoint does not hold comes from the journal, which is ahead of it after a crash.
    """
    settings, _ = _rebuilt(settings)
    read = ReadChunksKeyed(settings.kafka, *topics.LIFECYCLE_READ, chunk_rows=CHUNK_ROWS)
    write(build(pipeline | "Read" >> read, settings), settings)


def _rebuilt(settings: LifecycleSettings) -> tuple[LifecycleSettings, str]:
    """Take over the journal as it is now, and wake the accounts whose terms are running."""
    settings = replace(
        settings,
        journal=journal.journal_bounds(settings.kafka),
        append_time=append_time(settings.kafka, topics.LIFECYCLE_READ),
    )
    known = settings.past()
    woken = journal.wake(settings.kafka, known, wall_clock_us())
    return settings, f"{len(known.kept):,} accounts rebuilt from the journal, {woken:,} with terms running"
