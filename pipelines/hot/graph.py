"""The main job, top to bottom: payments in, alerts, warnings, traces and dead letters out.

payments ─ Read ─ Decode ─ by payer shard ─ Payers ─ by account shard ─ Accounts ─┬─ alerts, alarms
measures ──┤        └ dead letters                                                ├─ Dissuade ─ warnings
traces ────┘                                                                      ├─ traces
                                                                                  └─ decision log

With one shard on Flink the stages from Read to Dissuade are one (`one_stage`).
"""

from typing import NamedTuple

import apache_beam as beam

from pipelines.hot.decide import Decider
from pipelines.hot.decision_log import LogDecisionsFn
from pipelines.hot.decode import DecodeFn
from pipelines.hot.dissuade import DissuadeFn
from pipelines.hot.ledgers import AccountLedgerFn, PayerLedgerFn
from pipelines.hot.one_stage import OneStageFn, Stages
from pipelines.hot.tracer import Tracer
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.reading.marks import Mark
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.state.shards import Block


class Outputs(NamedTuple):
    """What the main job emits, records ready to send; exposed for tests and replay."""

    alerts: "beam.PCollection[OutRecord]"
    warnings: "beam.PCollection[OutRecord]"
    traces: "beam.PCollection[OutRecord]"
    dead_letters: "beam.PCollection[OutRecord]"


def build(chunks: "beam.PCollection[Chunk]", settings: JobSettings) -> Outputs:
    """Apply the hot path to chunks of payments."""
    functions = stages(settings)
    decode = beam.ParDo(functions.decode).with_output_types(Block, dead_letters=OutRecord)
    decoded = chunks | "Decode" >> decode.with_outputs("dead_letters", main="payments")
    legs = decoded.payments | "Payers" >> beam.ParDo(functions.payers).with_output_types(Block)
    accounts = beam.ParDo(functions.accounts).with_output_types(
        OutRecord, traces=OutRecord, warnings=Block, decisions=bytes
    )
    decided = legs | "Accounts" >> accounts.with_outputs("traces", "warnings", "decisions", main="alerts")
    warnings = decided.warnings | "Dissuade" >> beam.ParDo(functions.dissuade).with_output_types(OutRecord)
    _log(decided.decisions, settings)
    return Outputs(decided.alerts, warnings, decided.traces, decoded.dead_letters)


def build_in_one(pipeline: beam.Pipeline, source: ReadChunksKeyed, settings: JobSettings) -> Outputs:
    """Apply the hot path as one stage with its source, whose partitions have one key; one shard."""
    stage = beam.ParDo(OneStageFn(source.reader(), stages(settings))).with_output_types(
        OutRecord, traces=OutRecord, warnings=OutRecord, dead_letters=OutRecord, decisions=bytes, reached=Mark
    )
    tags = "traces", "warnings", "dead_letters", "decisions", "reached"
    decided = source.dealt(pipeline) | "Hot path" >> stage.with_outputs(*tags, main="alerts")
    source.commit(decided.reached)
    _log(decided.decisions, settings)
    return Outputs(decided.alerts, decided.warnings, decided.traces, decided.dead_letters)


def stages(settings: JobSettings) -> Stages:
    """Return the functions of the hot path."""
    policy, shards = settings.policy, settings.shards
    decider = Decider(policy, settings.models, settings.decision_log_share if settings.decision_log else 0.0)
    tracer = Tracer(policy, shards, settings.kafka, settings.traced)
    return Stages(
        DecodeFn(policy, shards),
        PayerLedgerFn(policy, shards),
        AccountLedgerFn(decider, tracer, shards, settings.decided),
        DissuadeFn(policy.law),
    )


def _log(decisions: "beam.PCollection[bytes]", settings: JobSettings) -> None:
    if settings.decision_log is not None:
        _ = decisions | "Log decisions" >> beam.ParDo(LogDecisionsFn(settings.decision_log))


def write(outputs: Outputs, settings: JobSettings) -> None:
    """Send what the main job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)
