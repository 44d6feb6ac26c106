"""Adding to the decision log: a disk that is full or fails costs rows, counted, and never a decision."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.metrics import Metrics

from pipelines.hot.decision_log import finished, payments
from pipelines.hot.decision_log.frames import Damaged, FramesFile, framed_table, is_abandoned
from pipelines.hot.decision_log.rows import LEGS, schema
from pipelines.process import PROCESS
from pipelines.stores import Store
from pipelines.telemetry import TELEMETRY
from schemas.errors import ConfigError, cause
from schemas.units import DAY_US, HOUR_US

_LOGGER = logging.getLogger(__name__)

#: Most files a worker keeps open; a backlog of many quiet days would run into the limit on open files.
OPEN_MAX = 256

#: A file of so many bytes is closed: to turn it into Parquet takes twice its size in memory.
FILE_BYTES = 64 << 20

#: How often a failure is complained of and what could not be sealed is tried again.
AGAIN_S = 60.0

#: Columns whose values repeat; for the others a Parquet dictionary costs time and saves nothing.
_REPEATED = ["leg", "currency", "model", "shadow"]

#: Columns that rows are looked for by; least and greatest of the others would cost time and serve nobody.
_SOUGHT = {"txn_id", "at_us", "amount_minor", "score", "outcome", "partition", "offset"}

#: The count of rows that could not be logged.
ROWS_LOST = "decision_log_rows_lost"


class _Kind(NamedTuple):
    """What files of a kind are called, and their columns."""

    name: str
    schema: Callable[[], pa.Schema]


#: Kinds of blocks by their first letter.
_KINDS = {
    payments.LETTER: _Kind(payments.NAME, lambda: payments.SCHEMA),
    **{letter: _Kind(leg, partial(schema, leg)) for letter, leg in LEGS.items()},
}


class _Open(NamedTuple):
    """A file that is added to, and the hour of its first row."""

    file: FramesFile
    hour: int


class LogWriter:
    """One worker's files of a log; its methods may be called from any thread."""

    def __init__(self, folder: Path, store: str = "") -> None:
        """Write to `folder`; finished files go on to the `store` of that URL, if any."""
        self._folder = folder
        self._store = Store(store) if store else None
        self._worker = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._numbers = count()
        self._open: dict[tuple[int, str], _Open] = {}
        self._lock = threading.Lock()
        self._sealer = ThreadPoolExecutor(1, "decision-log-parquet")  # a large one takes a second
        self._unsealed = {*filter(is_abandoned, folder.glob("*/_*.frames"))}
        self._complain_s = 0.0
        self._again_s = time.monotonic()
        _writers().add(self)

    def add(self, block: bytes) -> tuple[int, int]:
        """Add a block, cut where the day changes; return the hour of its oldest row, and how many are lost.

        A file costs milliseconds however few its rows, so what a backlog brings of many quiet hours at once
        is one.
        """
        kind, message = _KINDS[block[:1]], block[1:]
        batch = pa.ipc.read_record_batch(pa.py_buffer(message), kind.schema())
        at_us = batch.column("at_us").to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(at_us // DAY_US)) + 1).tolist(), len(at_us)]
        lost = 0
        for start, end in pairwise(cuts):
            whole = end - start == len(at_us)
            part = message if whole else batch.slice(start, end - start).serialize()
            with self._lock:
                lost += 0 if self._added(int(at_us[start]), kind, part) else end - start
        if lost:
            TELEMETRY.count(ROWS_LOST, lost)
        return int(at_us[0]) // HOUR_US, lost

    def end_bundle(self, oldest_hour: int) -> None:
        """Close the files that are over: partitions of a backlog differ in time, so the oldest row counts."""
        with self._lock:
            for key, (file, hour) in list(self._open.items()):
                if hour < oldest_hour - 1 or file.size >= FILE_BYTES:
                    self._close(key)
            if time.monotonic() >= self._again_s:
                self._again_s = time.monotonic() + AGAIN_S
                for path in list(self._unsealed):
                    self._sealer.submit(self._seal, path)
                self._sealer.submit(self._send)

    def close(self) -> None:
        """Turn every file into Parquet; what cannot be is left as it is for the next start."""
        with self._lock:
            for key in list(self._open):
                self._close(key)
            waiting = [self._sealer.submit(self._seal, path) for path in list(self._unsealed)]
            waiting.append(self._sealer.submit(self._send))
        for sealed in waiting:
            sealed.result()

    def _added(self, at_us: int, kind: "_Kind", message: bytes | pa.Buffer) -> bool:
        key = at_us // DAY_US, kind.name
        try:
            if key in self._open:
                self._open[key].file.add(message)
                return True
            if len(self._open) >= OPEN_MAX:
                self._close(min(self._open))
            file = FramesFile(self._path(*key))
            self._open[key] = _Open(file, at_us // HOUR_US)
            file.add(kind.schema().serialize(), message)
        except OSError as error:
            if key in self._open:
                self._close(key)
            if time.monotonic() >= self._complain_s:
                self._complain_s = time.monotonic() + AGAIN_S
                _LOGGER.error(
                    "decision log %s takes no rows, decisions go on: %s", self._folder, cause(error)
                )
            return False
        return True

    def _path(self, day: int, kind: str) -> Path:
        name = f"_{kind.lower()}-{self._worker}-{next(self._numbers)}.frames"
        return self._folder / f"day={np.datetime64(day, 'D')}" / name

    def _close(self, key: tuple[int, str]) -> None:
        file, _ = self._open.pop(key)
        file.close()
        self._unsealed.add(file.path)
        self._sealer.submit(self._seal, file.path)

    def _seal(self, path: Path) -> None:
        try:
            seal(path)
        except Damaged as error:
            TELEMETRY.count("decision_log_files_damaged", 1)
            _LOGGER.error("%s of the decision log is left as it is: %s", path, error)
        except (OSError, pa.ArrowException) as error:
            _LOGGER.warning("%s of the decision log is no Parquet yet, tried again later: %s", path, error)
            return
        self._unsealed.discard(path)
        self._send()

    def _send(self) -> None:
        """Hand finished files on to the store, this process's and those an earlier one left."""
        if self._store is None:
            return
        for path in sorted(self._folder.glob("day=*/[!_]*.parquet")):
            try:
                self._store.put(path, f"{path.parent.name}/{path.name}")
            except OSError as error:
                if not path.exists():
                    continue  # another process has sent it
                _LOGGER.warning("%s of the decision log is kept here, sent again later: %s", path, error)
                return
            path.unlink(missing_ok=True)


def close_all() -> None:
    """Turn what this process has logged into Parquet, before it ends."""
    for writer in list(_writers()):
        writer.close()


def _writers() -> "WeakSet[LogWriter]":
    found: WeakSet[LogWriter] = PROCESS.shared("writers", "decision log", WeakSet)
    return found


def check_folder(folder: Path, store: str = "") -> None:
    """Make the folder of a log and write to it, and to the store of that URL, if any.

    Raises:
        ConfigError: it cannot be written.

    """
    probe = folder / f".probe-{os.urandom(4).hex()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(4096))
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink()
        raise ConfigError(
            f"--decision_log {folder} cannot be written ({cause(error)}); name a folder this user may write, "
            "or run without a log"
        ) from error
    if store:
        _check_store(Store(store), folder)


def _check_store(store: Store, folder: Path) -> None:
    probe = folder / f".probe-{os.urandom(4).hex()}"
    probe.write_bytes(bytes(4096))
    try:
        store.put(probe, probe.name)
        store.remove(probe.name)
    except OSError as error:
        raise ConfigError(f"--decision_log {error}; see its name and your permissions") from error
    finally:
        probe.unlink()


def seal(path: Path) -> None:
    """Turn a file of frames into Parquet, read that back, and only then remove the frames.

    Raises:
        Damaged: a frame is not what was written; the file is left.
        OSError: the disk is full or fails; the file is left.

    """
    try:
        framed = framed_table(path)
    except FileNotFoundError:
        return  # another process has sealed it
    if framed is None:
        path.unlink(missing_ok=True)  # not even a schema was written
        return
    content = _parquet(framed.combine_chunks())  # else written a batch at a time
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        read_back = pa.py_buffer(part.read_bytes())
        if not read_back.equals(content) or finished.rows_of(read_back) != framed.num_rows:
            raise OSError(f"{part} does not hold what was written")
        part.rename(path.with_name(finished.name_of(path.stem.removeprefix("_"), content)))
    finally:
        part.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _parquet(table: pa.Table) -> pa.Buffer:
    sought = [name for name in table.column_names if name in _SOUGHT]
    made = pa.BufferOutputStream()
    pq.write_table(table, made, use_dictionary=_REPEATED, write_statistics=sought, write_page_checksum=True)
    return made.getvalue()


class LogDecisionsFn(beam.DoFn):  # type: ignore[misc]
    """Add blocks (`rows.block`) to the log in `folder`."""

    _rows_lost = Metrics.counter("stopline.decision_log", "rows_lost")

    def __init__(self, folder: Path, store: str = "") -> None:
        self._folder = folder
        self._store = store

    def setup(self) -> None:
        """Start this worker's files."""
        self._writer = LogWriter(self._folder, self._store)
        self._appender = ThreadPoolExecutor(1, "decision-log")

    def start_bundle(self) -> None:
        """Start without blocks."""
        self._appending: list[Future[tuple[int, int]]] = []

    def process(self, block: bytes) -> None:
        """Add one block, while the next is decided."""
        self._appending.append(self._appender.submit(self._writer.add, block))

    def finish_bundle(self) -> None:
        """Wait for the blocks."""
        added = [each.result() for each in self._appending]
        if lost := sum(rows for _, rows in added):
            self._rows_lost.inc(lost)
        self._writer.end_bundle(min((hour for hour, _ in added), default=0))

    def teardown(self) -> None:
        """Close every file."""
        self._appender.shutdown()
        self._writer.close()
