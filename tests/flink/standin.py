"""A small graph of the hot path's shape: keyed source, two stateful shard stages, records out.

Payments are 24 bytes: debtor, creditor (uint32), amount, and the time they were sent (int64, µs).
Every input gets an outcome; a payment whose amount ends in 000 raises an alert; a payment of debtor
`DUMP` makes the account shards write their tables to the `ledger` topic.
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam import coders
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from pipelines.kafka.sink import OutRecord, WriteRecords
from schemas.ids import derived_id

PAYMENT = np.dtype([("debtor", "<u4"), ("creditor", "<u4"), ("amount", "<i8"), ("sent_us", "<i8")])
ROW = np.dtype([*PAYMENT.descr, ("partition", "<i4"), ("offset", "<i8")])
DUMP = 0xFFFFFFFF
SHARDS = 8
SNAPSHOT_EVERY = 50


def decode(chunk: Chunk) -> np.ndarray:
    rows = np.empty(len(chunk.values), ROW)
    payments = np.frombuffer(b"".join(chunk.values), PAYMENT)
    for name in PAYMENT.names:
        rows[name] = payments[name]
    rows["partition"], rows["offset"] = chunk.partitions, chunk.offsets
    return rows


def by_shard(rows: np.ndarray, column: str) -> Iterator[tuple[int, bytes]]:
    shard = rows[column] % SHARDS
    dumps = rows[rows["debtor"] == DUMP]
    for number in range(SHARDS):
        mine = rows[(shard == number) & (rows["debtor"] != DUMP)]
        mine = np.concatenate([mine, dumps]) if len(dumps) else mine
        if len(mine):
            yield number, mine.tobytes()


class Regroup(beam.DoFn):
    """Gather a bundle's rows and hand them on by shard."""

    def __init__(self, column: str) -> None:
        self._column = column

    def start_bundle(self) -> None:
        self._rows: list[np.ndarray] = []

    def process(self, rows: np.ndarray) -> None:
        self._rows.append(rows)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._rows:
            for each in by_shard(np.concatenate(self._rows), self._column):
                yield WindowedValue(each, time.time(), (GlobalWindow(),))


_tables: dict[tuple[str, int], tuple[bytes, dict[int, tuple[int, int]]]] = {}


class Ledger(beam.DoFn):
    """Count and sum per account, in log-structured shard state."""

    VERSION = ReadModifyWriteStateSpec("version", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())

    def __init__(self, column: str) -> None:
        self._column = column

    def process(self, element: tuple[int, bytes], version: Any = beam.DoFn.StateParam(VERSION),
                log: Any = beam.DoFn.StateParam(LOG)) -> Iterator[tuple[int, np.ndarray, dict]]:  # fmt: skip
        shard, data = element
        rows = np.frombuffer(data, ROW)
        table = self._table(shard, version.read(), log)
        paid = rows[rows["debtor"] != DUMP]
        accounts, inverse = np.unique(paid[self._column], return_inverse=True)
        counts = np.bincount(inverse)
        sums = np.bincount(inverse, paid["amount"]).astype("<i8")
        before = version.read() or b"\0" * 12
        sequence = int.from_bytes(before[:4], "big") + 1
        for account, count, total in zip(accounts.tolist(), counts.tolist(), sums.tolist(), strict=True):
            old = table.get(account, (0, 0))
            table[account] = (old[0] + count, old[1] + total)
        changed = table if sequence % SNAPSHOT_EVERY == 0 else {a: table[a] for a in accounts.tolist()}
        if changed is table:
            log.clear()
        flat = np.array([(a, *table[a]) for a in changed], "<i8")
        log.add(flat.tobytes())
        token = sequence.to_bytes(4, "big") + os.urandom(8)
        version.write(token)
        _tables[self._column, shard] = (token, table)
        yield shard, rows, table

    def _table(self, shard: int, version: bytes | None, log: Any) -> dict[int, tuple[int, int]]:
        known = _tables.pop((self._column, shard), None)
        if version is None:
            return {}
        if known is not None and known[0] == version:
            return known[1]
        table: dict[int, tuple[int, int]] = {}
        for entry in log.read():
            for account, count, total in np.frombuffer(entry, "<i8").reshape(-1, 3).tolist():
                if account not in table or count > table[account][0]:
                    table[account] = (count, total)
        return table


class Rows(beam.DoFn):
    def process(self, element: tuple[int, np.ndarray, dict]) -> Iterable[np.ndarray]:
        yield element[1]


def records(element: tuple[int, np.ndarray, dict]) -> Iterator[OutRecord]:
    shard, rows, table = element
    now = time.time_ns() // 1000
    payments = rows[rows["debtor"] != DUMP]
    key = str(shard).encode()
    if len(payments):
        outcome = {
            "shard": shard, "partition": payments["partition"].tolist(),
            "offset": payments["offset"].tolist(), "sent_us": payments["sent_us"].tolist(), "at": now,
        }  # fmt: skip
        yield OutRecord("outcomes", key, json.dumps(outcome).encode(), (), now)
    for row in payments[payments["amount"] % 1000 == 0]:
        name = derived_id("alert", row["partition"], row["offset"], row["creditor"], row["amount"])
        yield OutRecord("alerts", name.encode(), name.encode(), (), now)
    if len(payments) != len(rows):
        dump = {"shard": shard, "table": sorted((a, c, s) for a, (c, s) in table.items())}
        yield OutRecord("ledger", key, json.dumps(dump).encode(), (), now)


def build(pipeline: beam.Pipeline, settings: KafkaSettings, **source: Any) -> None:
    (
        pipeline
        | "Payments" >> ReadChunksKeyed(settings, "payments", start="earliest", **source)
        | "Decode" >> beam.Map(decode)
        | "ByDebtor" >> beam.ParDo(Regroup("debtor")).with_output_types(tuple[int, bytes])
        | "PayerLedger" >> beam.ParDo(Ledger("debtor"))
        | "Paid" >> beam.ParDo(Rows())
        | "ByCreditor" >> beam.ParDo(Regroup("creditor")).with_output_types(tuple[int, bytes])
        | "AccountLedger" >> beam.ParDo(Ledger("creditor"))
        | "Records" >> beam.FlatMap(records).with_output_types(OutRecord)
        | "Write" >> WriteRecords(settings)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--runner", default="flink")
    known, rest = parser.parse_known_args()
    pipeline = beam.Pipeline(runner="PortableRunner", options=PipelineOptions(rest))
    build(pipeline, KafkaSettings(known.brokers))
    pipeline.run()


if __name__ == "__main__":
    from tests.flink import standin

    standin.main()
