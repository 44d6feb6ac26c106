"""The victims job: what is tried to reach a warned party, rung by rung.

warnings, warning_outcomes, feedback, clues ─ Read ─ Open ─ by party ─ Parties ─┬─ contacts
                                                       └ dead letters           └─ dead letters

What a message led to is written, in one entry with the party after it, before read positions are committed.
A crash repeats messages; a ladder that knows a warning or an outcome is not changed by it. Tries are
carried out by `pipelines.victims.sender`, which tells on `warning_outcomes` what came of them.
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
from pipelines.kafka.preflight import new_topics, require_topics
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.reading.in_flight import folder_of
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.received import no_clock, reading, wall_clock_us
from pipelines.state.identity import Identity
from pipelines.victims import journal
from pipelines.victims.settings import VictimsSettings
from pipelines.victims.steps import OpenFn, PartyFn
from schemas import topics

NAME = "stopline-victims"

#: Warnings are urgent: a bundle is cut after this long, and what it read goes on.
READ_TIME_S = 0.05

#: Messages of one read.
CHUNK_ROWS = 500


class Outputs(NamedTuple):
    """What the job emits, records ready to send; `unreadable` and `refused` go to dead letters."""

    contacts: "beam.PCollection[OutRecord]"
    unreadable: "beam.PCollection[OutRecord]"
    refused: "beam.PCollection[OutRecord]"


def build(chunks: "beam.PCollection[Chunk]", settings: VictimsSettings) -> Outputs:
    """Apply the job to chunks of its topics."""
    opening = beam.ParDo(OpenFn(settings)).with_output_types(tuple[str, bytes], unreadable=OutRecord)
    opened = chunks | "Open" >> opening.with_outputs("unreadable", main="items")
    parties = beam.ParDo(PartyFn(settings)).with_output_types(OutRecord, refused=OutRecord)
    done = opened.items | "Parties" >> parties.with_outputs("refused", main="contacts")
    return Outputs(done.contacts, opened.unreadable, done.refused)


def write(outputs: Outputs, settings: VictimsSettings) -> None:
    """Send what the job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)


def job(settings: VictimsSettings) -> Job:
    """Return the victims job, to be run for ever."""
    settings = replace(settings, in_flight=folder_of(settings.kafka, NAME))
    return Job(NAME, partial(_in_process, settings), partial(on_flink, settings), partial(_of, settings))


def _of(settings: VictimsSettings) -> Identity:
    with closing(open_admin(settings.kafka)) as admin:
        return Identity(cluster_id=admin.cluster_id())


def preflight(kafka: KafkaSettings, partitions: int, *, create_topics: bool) -> None:
    """Check broker and topics before anything is read.

    Raises:
        BrokerError: they are not as needed; says the command that mends it.

    """
    names = dict.fromkeys((*topics.VICTIMS_READ, *topics.VICTIMS_WRITTEN))
    require_topics(kafka, new_topics(names, partitions), create_topics=create_topics)


def replay(settings: VictimsSettings, options: PipelineOptions | None = None) -> None:
    """Run the job over what its topics hold now; time passes by the messages."""
    settings = replace(settings, clock=no_clock)
    with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
        chunks = pipeline | "Read" >> ReadChunksBounded(settings.kafka, *topics.VICTIMS_READ)
        write(build(chunks, settings), settings)


def _in_process(settings: VictimsSettings, pipeline: beam.Pipeline) -> str:
    """Apply the job to a pipeline whose runner forgets everything and keeps no event time."""
    settings, said = _rebuilt(replace(settings, ticks=True))
    read = ReadChunks(
        settings.kafka, *topics.VICTIMS_READ, chunk_rows=CHUNK_ROWS, max_read_time_s=READ_TIME_S
    )
    write(build(pipeline | "Read" >> read, settings), settings)
    return f"{said}; {reading(settings.kafka)}"


def on_flink(settings: VictimsSettings, pipeline: beam.Pipeline) -> None:
    """Apply the job as it runs on Flink, where waits are timers of its checkpoints."""
    settings, _ = _rebuilt(settings)
    read = ReadChunksKeyed(settings.kafka, *topics.VICTIMS_READ, chunk_rows=CHUNK_ROWS)
    write(build(pipeline | "Read" >> read, settings), settings)


def _rebuilt(settings: VictimsSettings) -> tuple[VictimsSettings, str]:
    """Take over the journal as it is now, and wake the parties whose ladders are running."""
    settings = replace(settings, journal=journal.journal_bounds(settings.kafka))
    known = settings.past()
    woken = journal.wake(settings.kafka, known, wall_clock_us())
    return settings, f"{len(known):,} parties rebuilt from the journal, {woken:,} with something due"
