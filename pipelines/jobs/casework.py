"""The casework job: reports, blocking entries, the registry, each an aggregate of its own.

reports, casework, casework_internal, traces, measures ─ Read ─ Open ─ stage after stage ─┬─ states, outcomes
                                                                  └ dead letters          ├─ casework_internal
                                                                                          └─ dead letters

In process all aggregates are in one memory, and only their alarms go through `casework_internal`.

Time is the broker's time of receipt. A state is written whole, by version, before read positions are
committed: after a crash messages come again, have their effect once and are answered again.
"""

from contextlib import closing
from dataclasses import replace
from functools import partial

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from measures.casework import STAGES
from pipelines.casework import rings
from pipelines.casework.in_memory import InMemoryFn
from pipelines.casework.past import states_bounds, wake
from pipelines.casework.settings import CaseworkSettings
from pipelines.casework.steps import OpenFn, StageFn
from pipelines.in_process import runner
from pipelines.jobs.job import Job
from pipelines.kafka.port import Chunk, KafkaSettings, open_admin
from pipelines.kafka.preflight import append_time, new_topics, require_topics
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.reading.in_flight import folder_of
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.received import no_clock, reading, wall_clock_us
from pipelines.state.identity import Identity
from schemas import topics

NAME = "stopline-casework"

#: Reports are few and urgent: a bundle is cut after this long, and what it read goes on.
READ_TIME_S = 0.1

#: Between looks in process: a pass over twenty partitions costs 25 ms of processor, whatever it finds.
LOOK_S = 0.2

#: Messages of one read; a report waits for those before it.
CHUNK_ROWS = 200


def build(chunks: "beam.PCollection[Chunk]", settings: CaseworkSettings) -> dict[str, "beam.PCollection"]:
    """Apply the job to chunks of its topics; returns what it emits, by a name, records ready to send."""
    keyed = tuple[str, bytes]
    opening = beam.ParDo(OpenFn(settings)).with_output_types(keyed, refused=OutRecord)
    opened = chunks | "Open" >> opening.with_outputs("refused", main="items")
    found = {"unreadable": opened.refused}
    items = opened.items
    if settings.ticks:
        driving = beam.ParDo(InMemoryFn(settings)).with_output_types(OutRecord)
        return found | {"all": items | "Drive aggregates" >> driving}
    for number, stage in enumerate(STAGES):
        name = " and ".join(each.kind for each in stage)
        driving = beam.ParDo(StageFn(settings, number)).with_output_types(keyed, records=OutRecord)
        done = items | f"Drive {name}" >> driving.with_outputs("records", main="items")
        items, found[name] = done.items, done.records
    return found


def write(outputs: dict[str, "beam.PCollection"], settings: CaseworkSettings) -> None:
    """Send what the job emits to its topics."""
    for name, records in outputs.items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)


def job(settings: CaseworkSettings) -> Job:
    """Return the casework job, to be run for ever."""
    settings = replace(settings, in_flight=folder_of(settings.kafka, NAME))
    return Job(
        NAME, partial(_in_process, settings), partial(on_flink, settings), partial(_of, settings),
        beside=partial(_rings, settings),
    )  # fmt: skip


def _rings(settings: CaseworkSettings) -> str:
    """Look for rings here: the workers of Flink come and go, and two would tell each ring twice."""
    rings.following(settings.kafka)
    return "rings are looked for while this command watches; afterwards by: stopline rings find --write"


def _of(settings: CaseworkSettings) -> Identity:
    with closing(open_admin(settings.kafka)) as admin:
        return Identity(cluster_id=admin.cluster_id())


def preflight(kafka: KafkaSettings, partitions: int, *, create_topics: bool) -> None:
    """Check broker and topics before anything is read.

    Raises:
        BrokerError: they are not as needed; says the command that mends it.

    """
    names = dict.fromkeys((*topics.CASEWORK_READ, *topics.CASEWORK_WRITTEN, *topics.CASEWORK_STATES))
    require_topics(kafka, new_topics(names, partitions), create_topics=create_topics)


def replay(settings: CaseworkSettings, options: PipelineOptions | None = None) -> None:
    """Run the job over what its topics hold now; clocks run by the time of the messages."""
    settings = replace(settings, clock=no_clock)
    with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
        chunks = pipeline | "Read" >> ReadChunksBounded(settings.kafka, *topics.CASEWORK_READ)
        write(build(chunks, settings), settings)


def _in_process(settings: CaseworkSettings, pipeline: beam.Pipeline) -> str:
    """Apply the job to a pipeline whose runner forgets everything and keeps no event time."""
    settings, said = _rebuilt(replace(settings, ticks=True))
    read = ReadChunks(
        settings.kafka, *topics.CASEWORK_READ, chunk_rows=CHUNK_ROWS, max_read_time_s=READ_TIME_S,
        rest_s=LOOK_S,
    )  # fmt: skip
    write(build(pipeline | "Read" >> read, settings), settings)
    rings.following(settings.kafka)
    return f"{said}; {reading(settings.kafka)}"


def on_flink(settings: CaseworkSettings, pipeline: beam.Pipeline) -> None:
    """Apply the job as it runs on Flink, where clocks are timers of its checkpoints."""
    settings, _ = _rebuilt(settings)
    read = ReadChunksKeyed(settings.kafka, *topics.CASEWORK_READ, chunk_rows=CHUNK_ROWS)
    write(build(pipeline | "Read" >> read, settings), settings)


def _rebuilt(settings: CaseworkSettings) -> tuple[CaseworkSettings, str]:
    """Take over the states as they are now, and wake those with something due."""
    settings = replace(
        settings,
        states=states_bounds(settings.kafka),
        append_time=append_time(settings.kafka, topics.CASEWORK_READ),
    )
    known = settings.past()
    woken = wake(settings.kafka, known, wall_clock_us())
    return settings, f"{len(known.states):,} states taken over, {woken:,} with something due"
