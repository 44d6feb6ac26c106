"""The decision log: features, score and outcome of legs, day by day in Parquet; tomorrow's training set.

Every leg that was flagged, by the shadow model too, is kept, of the others those of a fixed share of payee
accounts, with a weight that makes up for the rest. A worker appends to one Arrow stream per day and leg and
turns it into Parquet when it is large or a bundle holds nothing older than the hour after its first row.
`read` takes both, so a crash loses nothing that was written. A retried bundle writes rows twice; `read` keeps
one per payment and leg.

A file costs milliseconds however few its rows, so what a backlog brings of many quiet hours at once is one.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import count, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models import features
from models.ledgers.ledger import DAY_US
from pipelines.hot.serving import Computed, Scored
from pipelines.state.shards import event_order
from schemas.alert import Leg

HOUR_US = 3_600_000_000

#: Most streams a worker keeps open; a backlog of many quiet days would run into the limit on open files.
OPEN_MAX = 256

#: A stream of so many bytes is closed: to turn it into Parquet takes twice its size in memory.
STREAM_BYTES = 64 << 20

#: Bits of a payee token that decide whether its ordinary legs are kept.
_SHARE_BITS = 1 << 20

_COLUMNS = [
    ("txn_id", pa.string()), ("leg", pa.string()), ("at_us", pa.int64()), ("amount_minor", pa.int64()),
    ("currency", pa.string()), ("score", pa.float64()), ("outcome", pa.int8()), ("weight", pa.float64()),
    ("model", pa.string()), ("model_outcome", pa.int8()),
    ("shadow", pa.string()), ("shadow_score", pa.float64()), ("shadow_outcome", pa.int8()),
]  # fmt: skip

#: Columns whose values repeat; for the others a Parquet dictionary costs time and saves nothing.
_REPEATED = ["leg", "currency", "model", "shadow"]

_LEGS: dict[bytes, Leg] = {b"C": "CREDIT", b"D": "DEBIT"}

#: What tells a feature's version, in the metadata of its column.
VERSION = "version"

#: Letters of a digest that name a model.
_MODEL_LETTERS = 12


def schema(leg: Leg) -> pa.Schema:
    """Return the columns of a leg's log: identity, score, outcome, weight, models, then all its features.

    `outcome` is what was decided, `model_outcome` and `shadow_outcome` what the scores alone ask for. A
    feature's column tells its version.
    """
    return _schema(tuple(features.versions(leg.lower()).items()))


@cache
def _schema(versions: tuple[tuple[str, int], ...]) -> pa.Schema:
    logged = (pa.field(name, pa.float64(), metadata={VERSION: str(version)}) for name, version in versions)
    return pa.schema([*_COLUMNS, *logged])


def block(
    computed: Computed,
    scored: tuple[Scored, Scored | None],
    *,
    outcome: NDArray[np.int64],
    share: float,
) -> bytes:
    """Return the legs to keep as the letter of the leg and an Arrow IPC message, or `b""` if there are none.

    `scored` is what the live model and the shadow model, if there is one, say of the legs.
    """
    leg, legs = computed.leg, computed.legs
    live, shadow = scored
    flagged = (outcome > 0) | (live.outcome > 0)
    if shadow is not None:
        flagged |= shadow.outcome > 0
    bits = (legs.transfer["creditor_account"][:, 1] % np.uint64(_SHARE_BITS)).astype(np.int64)
    chosen = bits < share * _SHARE_BITS
    kept = np.flatnonzero(chosen | flagged)
    if not len(kept):
        return b""
    transfer = legs.transfer[kept]
    order = event_order(transfer)
    transfer, kept = transfer.take(order), kept.take(order)
    weight = np.where(flagged[kept], 1.0, 1 / share if share else 1.0)
    columns: list[Any] = [
        _texts(transfer["txn_id"]), pa.repeat(leg, len(kept)), transfer["at_us"], transfer["amount_minor"],
        _texts(transfer["currency"]), live.score[kept], outcome[kept].astype(np.int8), weight,
        pa.repeat(live.model[:_MODEL_LETTERS], len(kept)), live.outcome[kept].astype(np.int8),
        *_shadow_columns(shadow, kept),
        *computed.whole(kept).T,
    ]  # fmt: skip
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema(leg), strict=True)
    ]
    message: bytes = pa.record_batch(arrays, schema=schema(leg)).serialize().to_pybytes()
    return leg[0].encode() + message


def _texts(column: NDArray[np.bytes_]) -> pa.Array:
    return pa.array(column).cast(pa.string())


def _shadow_columns(shadow: Scored | None, kept: NDArray[np.int64]) -> list[Any]:
    if shadow is None:
        return [pa.nulls(len(kept), kind) for kind in (pa.string(), pa.float64(), pa.int8())]
    name = pa.repeat(shadow.model[:_MODEL_LETTERS], len(kept))
    return [name, shadow.score[kept], shadow.outcome[kept].astype(np.int8)]


class _Stream(NamedTuple):
    """An Arrow stream that is appended to, and the hour of its first row."""

    path: Path
    file: BinaryIO
    hour: int


class LogDecisionsFn(beam.DoFn):  # type: ignore[misc]
    """Append blocks to the log in `folder` and turn streams that are over into Parquet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def setup(self) -> None:
        """Name this worker's files."""
        self._worker = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._files = count()
        self._open: dict[tuple[int, Leg], _Stream] = {}
        self._appender = ThreadPoolExecutor(1, "decision-log")
        self._sealer = ThreadPoolExecutor(1, "decision-log-parquet")  # a large one takes a second
        self._sealing: list[Future[None]] = []

    def start_bundle(self) -> None:
        """Start without blocks."""
        self._appending: list[Future[int]] = []

    def process(self, block: bytes) -> None:
        """Append one block, while the next is decided."""
        self._appending.append(self._appender.submit(self._append, block))

    def _append(self, block: bytes) -> int:
        """Append one block, cut where the day changes; return the hour of its oldest row."""
        leg, message = _LEGS[block[:1]], block[1:]
        batch = pa.ipc.read_record_batch(pa.py_buffer(message), schema(leg))
        at_us = batch.column("at_us").to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(at_us // DAY_US)) + 1).tolist(), len(at_us)]
        for start, end in pairwise(cuts):
            whole = end - start == len(at_us)
            self._stream(int(at_us[start]), leg).file.write(
                message if whole else batch.slice(start, end - start).serialize()
            )
        return int(at_us[0]) // HOUR_US

    def finish_bundle(self) -> None:
        """Wait for the blocks and close the streams that are over.

        Partitions of a backlog differ in time, so the oldest row counts.
        """
        oldest = min((appended.result() for appended in self._appending), default=0)
        for key, stream in list(self._open.items()):
            if stream.hour < oldest - 1 or stream.file.tell() >= STREAM_BYTES:
                self._seal(key)
        for sealed in [each for each in self._sealing if each.done()]:
            self._sealing.remove(sealed)
            sealed.result()

    def teardown(self) -> None:
        """Close every stream."""
        self._appender.shutdown()
        for key in list(self._open):
            self._seal(key)
        self._sealer.shutdown()

    def _stream(self, at_us: int, leg: Leg) -> _Stream:
        """Return the stream of the day of a row."""
        key = at_us // DAY_US, leg
        if key not in self._open:
            if len(self._open) >= OPEN_MAX:
                self._seal(min(self._open))
            day = np.datetime64(key[0], "D")
            path = self._folder / f"day={day}" / f"{leg.lower()}-{self._worker}-{next(self._files)}.arrows"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab", buffering=0)
            file.write(schema(leg).serialize())
            self._open[key] = _Stream(path, file, at_us // HOUR_US)
        return self._open[key]

    def _seal(self, key: tuple[int, Leg]) -> None:
        path, file, _ = self._open.pop(key)
        file.close()
        self._sealing.append(self._sealer.submit(_to_parquet, path, schema(key[1])))


def _to_parquet(path: Path, columns: pa.Schema) -> None:
    part = path.with_suffix(".part")
    table = pa.Table.from_batches(_batches(path), columns).combine_chunks()  # else written a batch at a time
    pq.write_table(table, part, use_dictionary=_REPEATED)
    part.rename(path.with_suffix(".parquet"))
    path.unlink()


def read(folder: Path, leg: Leg) -> pa.Table:
    """Return a leg's log, one row per payment, ordered by event time."""
    batches = [pa.Table.from_batches([], schema(leg))]
    for path in sorted(folder.glob(f"*/{leg.lower()}-*.arrows")):
        with suppress(FileNotFoundError):  # sealed since the folder was listed
            batches.append(pa.Table.from_batches(_batches(path), schema(leg)))
    for path in sorted(folder.glob(f"*/{leg.lower()}-*.parquet")):
        batches.append(pq.ParquetFile(path).read())
    table = pa.concat_tables(batches).sort_by([("at_us", "ascending"), ("txn_id", "ascending")])
    _, first = np.unique(table.column("txn_id").to_numpy(zero_copy_only=False), return_index=True)
    return table.take(np.sort(first))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the whole batches of a stream that may have been cut off."""
    with path.open("rb") as file:
        try:
            yield from pa.ipc.open_stream(file)
        except (pa.ArrowInvalid, OSError, EOFError):
            return
