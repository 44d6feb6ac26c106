"""The lifecycle job: what becomes of orders, measures and refunds, account by account.

orders, accounts ─ Read ─ Open ─ by order number ─ Register ─ by account ─ Accounts ─┬─ measures
                            └ dead letters                                           ├─ refunds
                                                                                     └─ dead letters

Time is the broker's time of receipt, never what a message claims. Terms end by event-time timers, which
are believed only if the clock agrees, or by ticks through Kafka (`alarm.py`). What a command led to is
written, in one entry, before read positions are committed: a crash repeats messages, whose replies then
say DUPLICATE, and never leaves half a transition.
"""

from typing import NamedTuple

import apache_beam as beam

from pipelines.kafka.port import Chunk
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.lifecycle.steps import AccountFn, OpenFn, RegisterFn


class Outputs(NamedTuple):
    """What the job emits, records ready to send; `unreadable` and `refused` both go to dead letters."""

    journal: "beam.PCollection[OutRecord]"
    refunds: "beam.PCollection[OutRecord]"
    unreadable: "beam.PCollection[OutRecord]"
    refused: "beam.PCollection[OutRecord]"


def build(chunks: "beam.PCollection[Chunk]", settings: LifecycleSettings) -> Outputs:
    """Apply the job to chunks of topics `orders` and `accounts`."""
    keyed = tuple[str, bytes]
    opening = beam.ParDo(OpenFn(settings)).with_output_types(keyed, unreadable=OutRecord)
    opened = chunks | "Open" >> opening.with_outputs("unreadable", main="items")
    register = beam.ParDo(RegisterFn(settings)).with_output_types(keyed)
    accounts = beam.ParDo(AccountFn(settings)).with_output_types(
        OutRecord, refunds=OutRecord, refused=OutRecord
    )
    done = (
        opened.items
        | "Register" >> register
        | "Accounts" >> accounts.with_outputs("refunds", "refused", main="journal")
    )
    return Outputs(done.journal, done.refunds, opened.unreadable, done.refused)


def write(outputs: Outputs, settings: LifecycleSettings) -> None:
    """Send what the job emits to its topics."""
    for name, records in outputs._asdict().items():
        _ = records | f"Send {name}" >> WriteRecords(settings.kafka)
