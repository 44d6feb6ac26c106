"""The main job, top to bottom: payments in, alerts, warnings, traces and dead letters out.

payments ─ Read ─ Decode ─ by payer shard ─ Payers ─ by account shard ─ Accounts ─┬─ alerts, alarms
measures ──┤        └ dead letters                                                ├─ Dissuade ─ warnings
traces ────┘                                                                      ├─ traces
                                                                                  └─ decision log
"""

from typing import NamedTuple

import apache_beam as beam

from pipelines.decide import Decider
from pipelines.decision_log import LogDecisionsFn
from pipelines.decode import DecodeFn
from pipelines.dissuade import DissuadeFn
from pipelines.kafka.port import Chunk
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.ledgers import AccountLedgerFn, PayerLedgerFn
from pipelines.options import JobSettings
from pipelines.shards import Block
from pipelines.taint import Tracer


class Outputs(NamedTuple):
    """What the main job emits, records ready to send; exposed for tests and replay."""

    alerts: "beam.PCollection[OutRecord]"
    warnings: "beam.PCollection[OutRecord]"
    traces: "beam.PCollection[OutRecord]"
    dead_letters: "beam.PCollection[OutRecord]"


def build(chunks: "beam.PCollection[Chunk]", settings: JobSettings) -> Outputs:
    """Apply the hot path to chunks of payments."""
    policy = settings.policy
    decider = Decider(policy, settings.models, settings.decision_log_share if settings.decision_log else 0.0)
    decode = beam.ParDo(DecodeFn(policy, settings.shards)).with_output_types(Block, dead_letters=OutRecord)
    decoded = chunks | "Decode" >> decode.with_outputs("dead_letters", main="payments")
    payers = beam.ParDo(PayerLedgerFn(policy, settings.shards)).with_output_types(Block)
    legs = decoded.payments | "Payers" >> payers
    tracer = Tracer(policy, settings.shards, settings.kafka, settings.traced)
    accounts = beam.ParDo(
        AccountLedgerFn(decider, tracer, settings.shards, settings.decided)
    ).with_output_types(OutRecord, traces=OutRecord, warnings=Block, decisions=bytes)
    decided = legs | "Accounts" >> accounts.with_outputs("traces", "warnings", "decisions", main="alerts")
    dissuade = beam.ParDo(DissuadeFn(policy.law)).with_output_types(OutRecord)
    warnings = decided.warnings | "Dissuade" >> dissuade
    if settings.decision_log is not None:
        _ = decided.decisions | "Log decisions" >> beam.ParDo(LogDecisionsFn(settings.decision_log))
    return Outputs(decided.alerts, warnings, decided.traces, decoded.dead_letters)


def write(outputs: Outputs, settings: JobSettings) -> None:
    """Send what the main job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)
