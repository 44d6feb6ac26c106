"""The main job, top to bottom: payments in, alerts, warnings, traces and dead letters out.

payments ─ Read ─ Decode ─ by payer shard ─ Payers ─ by account shard ─ Accounts ─┬─ alerts, alarms
measures ──┤        └ dead letters                                                ├─ Dissuade ─ warnings
traces ────┘                                                                      ├─ traces
                                                                                  └─ decision log

With one shard, which is usual, the stages from Decode to Dissuade are one (`one_stage`).
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from pipelines.hot import serving
from pipelines.hot.accounts import Accounts
from pipelines.hot.apart import apart
from pipelines.hot.decide import Decider
from pipelines.hot.decision_log.append import LogDecisionsFn, check_folder
from pipelines.hot.decision_log.payments import Logged, has_payments
from pipelines.hot.decode import Decode, DecodeFn
from pipelines.hot.dissuade import Dissuade
from pipelines.hot.one_stage import HotPath, InMemoryFn, OneStageFn
from pipelines.hot.payers import Payers
from pipelines.hot.tracer import Tracer
from pipelines.in_process.warmup import warm_up
from pipelines.jobs.job import Job
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import Chunk, NewTopic, Partition, open_admin
from pipelines.kafka.preflight import new_topics, require_start, require_topics
from pipelines.kafka.reading.bounds import captured_bounds
from pipelines.kafka.reading.in_flight import folder_of
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.reading.marks import Mark
from pipelines.kafka.reading.start import partitions_of
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.lookup import following
from pipelines.received import reading
from pipelines.state.identity import Identity
from pipelines.state.shards import Block
from pipelines.streams.payments import payments_among
from pipelines.streams.stream import Stream
from pipelines.streams.table import STREAMS, topics_needed, topics_of_taint, topics_read
from schemas.units import MINUTE_US

NAME = "stopline"

#: Nobody is warned of a payment that the broker received so long before the job began: it is over.
WARN_WITHIN_US = 30 * MINUTE_US


class Outputs(NamedTuple):
    """What the main job emits, records ready to send; exposed for tests and replay."""

    alerts: "beam.PCollection[OutRecord]"
    warnings: "beam.PCollection[OutRecord]"
    traces: "beam.PCollection[OutRecord]"
    dead_letters: "beam.PCollection[OutRecord]"
    alarms: "beam.PCollection[OutRecord]"


#: Tags of what one stage emits to be sent.
_RECORDS = ("alerts", "traces", "warnings", "dead_letters", "alarms")


def build(chunks: "beam.PCollection[Chunk]", settings: JobSettings) -> Outputs:
    """Apply the hot path to chunks of messages."""
    path, of = hot_path(settings), settings.state_of
    decode = beam.ParDo(DecodeFn(path.decode)).with_output_types(Any, blocks=Block, dead_letters=OutRecord)
    decoded = chunks | "Decode" >> decode.with_outputs("blocks", "dead_letters")
    paid = decoded.blocks | "Payers" >> apart(path.payers, of, blocks=Block, alarms=OutRecord)
    decided = paid.blocks | "Accounts" >> apart(
        path.accounts, of, alerts=OutRecord, traces=OutRecord, asked=Block, decisions=bytes
    )
    warnings = (decided.asked | "Dissuade" >> apart(path.dissuade, of, warnings=OutRecord)).warnings
    _log(decided.decisions, settings)
    return Outputs(decided.alerts, warnings, decided.traces, decoded.dead_letters, paid.alarms)


def in_process(chunks: "beam.PCollection[Chunk]", settings: JobSettings) -> Outputs:
    """Apply the hot path to chunks where the runner keeps state in this process: one stage if one shard."""
    if settings.shards > 1:
        return build(chunks, settings)
    types = {**dict.fromkeys(_RECORDS, OutRecord), "decisions": bytes}
    stage = beam.ParDo(InMemoryFn(hot_path(settings))).with_output_types(Any, **types)
    return _decided(chunks | "Hot path" >> stage.with_outputs(*types), settings)


def build_in_one(pipeline: beam.Pipeline, source: ReadChunksKeyed, settings: JobSettings) -> Outputs:
    """Apply the hot path as one stage with its source, whose partitions have one key; one shard."""
    types = {**dict.fromkeys(_RECORDS, OutRecord), "decisions": bytes, "reached": Mark}
    one = OneStageFn(source.reader(), hot_path(settings), settings.state_of)
    stage = beam.ParDo(one).with_output_types(Any, **types)
    decided = source.dealt(pipeline) | "Hot path" >> stage.with_outputs(*types)
    source.commit(decided.reached)
    return _decided(decided, settings)


def _decided(decided: Any, settings: JobSettings) -> Outputs:
    _log(decided.decisions, settings)
    return Outputs(decided.alerts, decided.warnings, decided.traces, decided.dead_letters, decided.alarms)


def hot_path(settings: JobSettings) -> HotPath:
    """Return the stages of the hot path."""
    policy, shards, streams = settings.policy, settings.shards, settings.streams
    share = settings.decision_log_share if settings.decision_log else 0.0
    logging = settings.decision_log is not None and settings.warmup_from == "log"
    decider = Decider(
        policy,
        settings.models,
        share,
        settings.warn_from_us,
        log_payments=logging,
        network_file=settings.network if settings.live else "",
    )
    tracer = Tracer(policy, shards, settings.kafka, settings.traced)
    return HotPath(
        Decode(
            policy,
            shards,
            streams,
            live=settings.live,
            seal_key=settings.kafka.seal_key,
            in_flight=settings.in_flight,
            registry=settings.registry,
        ),
        Payers(policy, shards, streams),
        Accounts(decider, tracer, shards, settings.decided, streams),
        Dissuade(policy.law),
        settings.logged,
    )


def _log(decisions: "beam.PCollection[bytes]", settings: JobSettings) -> None:
    if settings.decision_log is not None:
        _ = decisions | "Log decisions" >> beam.ParDo(
            LogDecisionsFn(settings.decision_log, settings.decision_log_store)
        )


def write(outputs: Outputs, settings: JobSettings) -> None:
    """Send what the main job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)


def job(settings: JobSettings) -> Job:
    """Return the main job, to be run for ever."""
    settings = replace(settings, live=True, in_flight=folder_of(settings.kafka, NAME))
    return Job(
        NAME,
        partial(_in_process, settings),
        partial(on_flink, settings),
        partial(identity, settings),
        partial(_on_flink_first, settings),
    )


def identity(settings: JobSettings) -> Identity:
    """Return what the job's state is state of."""
    with closing(open_admin(settings.kafka)) as admin:
        cluster_id = admin.cluster_id()
    return Identity(
        cluster_id=cluster_id,
        shards=settings.shards,
        currency=settings.policy.reference,
        jurisdiction=settings.policy.law.id,
    )


def preflight(settings: JobSettings, partitions: int, *, create_topics: bool) -> None:
    """Check bundle, broker and topics before anything is read.

    Raises:
        ModelError: the bundle must not be used.
        ConfigError: the folder of the decision log cannot be written, the process may open too few files, or
            a new group does not say where it begins.
        BrokerError: the broker or a topic is not as needed; says the command that mends it.

    """
    serving.check(settings.models, settings.policy)
    if settings.decision_log is not None:
        check_folder(settings.decision_log, settings.decision_log_store)
    wanted = wanted_topics(partitions, settings.streams)
    if settings.registry:
        wanted += new_topics(tuple(following.READ), partitions)
    require_topics(settings.kafka, wanted, create_topics=create_topics)
    if settings.registry:
        following.follower(settings.registry)
    with closing(open_admin(settings.kafka)) as admin:
        read = partitions_of(admin, settings.kafka, topics_read(settings.streams))
        if not settings.start_said:
            committed = {stream.topic for stream in settings.streams if stream.begin == "COMMITTED"}
            require_start(admin, settings.kafka.group, [at for at in read if at[0] in committed])


def wanted_topics(partitions: int, streams: Sequence[Stream] = STREAMS) -> list[NewTopic]:
    """Return the topics of the main job."""
    return new_topics(topics_needed(streams), partitions)


def _in_process(settings: JobSettings, pipeline: beam.Pipeline) -> str:
    """Apply the job to a pipeline whose runner forgets everything with its process."""
    settings = replace(settings, warn_from_us=_warn_from_us())
    traced = captured_bounds(settings.kafka, topics_of_taint(settings.streams))
    settings = _warmed(replace(settings, traced=traced))
    names = topics_read(settings.streams)
    chunks = pipeline | "Read" >> ReadChunks(settings.kafka, *names, start=settings.first)
    write(in_process(chunks, settings), settings)
    return reading(settings.kafka)


def _warmed(settings: JobSettings) -> JobSettings:
    """Have the ledgers of a job that begins without state refilled from its topics, or from its log."""
    log = settings.decision_log if settings.warmup_from == "log" else None
    from_log = log is not None and has_payments(log)
    if settings.start != "committed" or not (settings.warmup_h or from_log):
        return settings
    plan = warm_up(settings.kafka, settings.streams, settings.warmup_h)
    if from_log and log is not None:
        return replace(settings, refill=plan.refill, logged=Logged(log, plan.decided))
    return replace(settings, refill=plan.refill, decided=plan.decided)


def _committed(settings: JobSettings) -> dict[Partition, int]:
    topic = payments_among(settings.streams).topic
    return {(topic, number): offset for number, offset in settings.decided.items()}


def _on_flink_first(settings: JobSettings, pipeline: beam.Pipeline) -> None:
    on_flink(_warmed(settings), pipeline)


def on_flink(settings: JobSettings, pipeline: beam.Pipeline) -> None:
    """Apply the job as it runs on Flink, from its topics to its topics."""
    settings = replace(settings, state_of=identity(settings), warn_from_us=_warn_from_us())
    names = topics_read(settings.streams)
    if settings.shards == 1:
        source = ReadChunksKeyed(
            settings.kafka, *names, start=settings.first, readers=1, committed=_committed(settings)
        )
        write(build_in_one(pipeline, source, settings), settings)
        return
    read = ReadChunksKeyed(settings.kafka, *names, start=settings.first, committed=_committed(settings))
    chunks = pipeline | "Read" >> read
    write(build(chunks, settings), settings)


def _warn_from_us() -> int:
    return time.time_ns() // 1000 - WARN_WITHIN_US
