"""Rings while the casework job runs: facts are followed, what changed of the rings goes to topic `cases`.

Nothing is kept beside the topics: a process that begins reads them, and the rings told before, and tells what
is new. They are read from the start, as a rebuild reads them (`stopline rings find`): both see the same.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import msgspec

from measures.rings.live import LiveRings
from pipelines.kafka.port import (
    ChunkReader,
    KafkaSettings,
    OffsetOutOfRangeError,
    open_admin,
    open_producer,
    open_reader,
)
from pipelines.kafka.reading.start import partitions_of
from pipelines.kafka.seal import SEALED, read_seal
from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.alert import Alert
from schemas.clue import read as read_clue
from schemas.errors import StoplineError, cause
from schemas.feedback import Feedback
from schemas.journal import JournalEntry, MeasureChanged
from schemas.measure import Measure
from schemas.report import ReportCase
from schemas.ring import Ring
from schemas.trace import Trace

_LOGGER = logging.getLogger(__name__)

#: Between looks for messages, for rings, and for topics and partitions that were not there, seconds.
LOOK_S, RINGS_S, TOPICS_S = 0.5, 1.0, 60.0

READ: Mapping[str, Callable[[bytes], Any]] = {
    topics.ALERTS: msgspec.json.Decoder(Alert).decode,
    topics.TRACES: msgspec.json.Decoder(Trace).decode,
    topics.CLUES: read_clue,
    topics.FEEDBACK: msgspec.json.Decoder(Feedback).decode,
    topics.MEASURES: msgspec.json.Decoder(JournalEntry).decode,
    topics.REPORT_ACTIONS: msgspec.json.Decoder(ReportCase).decode,
}
_RING = msgspec.json.Decoder(Ring).decode


class RingsFollower:
    """Follows the topics of `READ` and tells topic `cases` what changed."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Read what `cases` tells; facts are read by `look`."""
        self._settings, self._seal = settings, read_seal(settings.seal_key)
        self._reader: ChunkReader | None = None
        self._measures: defaultdict[str, dict[str, tuple[int, Measure]]] = defaultdict(dict)
        self._closed, self._topics_s, self._told_s = threading.Event(), -TOPICS_S, 0.0
        self._caught_up = self._threaded = False
        self.live = LiveRings(self._before())

    def run(self) -> None:
        """Follow until `close`; the body of a daemon thread."""
        self._threaded = True
        while not self._closed.wait(LOOK_S):
            try:
                self.look()
            except OffsetOutOfRangeError as error:
                _LOGGER.error("facts about rings begin anew, and are read from there: %s", cause(error))
                self._anew()
            except StoplineError as error:
                _LOGGER.warning("rings are not followed at the moment: %s", cause(error))
        self._release()

    def close(self) -> None:
        """End following: at once, or after the look that a thread is at."""
        self._closed.set()
        if not self._threaded:
            self._release()

    def _release(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def look(self) -> list[Ring]:
        """Take what has come; tell and return what changed, once everything that is there was read."""
        if time.monotonic() - self._topics_s > TOPICS_S:
            self._open()
        if self._reader is None:
            return []
        count = self._read(self._reader)
        self._caught_up = self._caught_up or not (count or _late(self._reader))
        if not self._caught_up or time.monotonic() - self._told_s < RINGS_S:
            return []
        self._told_s = time.monotonic()
        told = self.live.look()
        if told:
            write(self._settings, told)
            TELEMETRY.count("rings", len(told))
        return told

    def _anew(self) -> None:
        self._release()
        self._topics_s, self._caught_up = -TOPICS_S, False
        self.live = LiveRings(self.live.rings.values())

    def _before(self) -> list[Ring]:
        found: dict[str, Ring] = {}
        try:
            with closing(open_admin(self._settings)) as admin:
                partitions = partitions_of(admin, self._settings, (topics.CASES,))
                starts, ends = admin.beginning_offsets(partitions), admin.end_offsets(partitions)
        except StoplineError:
            return []
        with closing(open_reader(self._settings)) as reader:
            reader.assign(starts)
            while any(reader.positions()[at] < ends[at] for at in partitions):
                for value in (each for chunk in reader.poll(2_000) for each in chunk.values):
                    ring = self._decoded(topics.CASES, _RING, value)
                    if ring and ring.at_us >= found.get(ring.ring_id, ring).at_us:
                        found[ring.ring_id] = ring
                if self._closed.wait(0.005):
                    break
        return list(found.values())

    def _open(self) -> None:
        """Follow every partition of the topics that are there."""
        self._topics_s = time.monotonic()
        try:
            with closing(open_admin(self._settings)) as admin:
                counts = admin.partition_counts()
                there = [(topic, number) for topic in READ for number in range(counts.get(topic, 0))]
                reading = self._reader.positions() if self._reader else {}
                starts = admin.beginning_offsets([at for at in there if at not in reading])
        except StoplineError:
            return
        if starts:
            self._reader = self._reader or open_reader(self._settings)
            self._reader.assign({**reading, **starts})

    def _read(self, reader: ChunkReader) -> int:
        count = 0
        while chunks := reader.poll(2_000):
            for chunk in chunks:
                for value in chunk.values:
                    if (fact := self._decoded(chunk.topic, READ[chunk.topic], value)) is not None:
                        self._take(fact)
                count += len(chunk.values)
        return count

    def _decoded(self, topic: str, decode: Callable[[bytes], Any], value: bytes) -> Any:
        """Read a message; what is none, or has no seal where a key is named, is passed over and counted."""
        try:
            if not value:
                return None
            if self._seal and topic in SEALED and not self._seal.holds(topic, value):
                raise ValueError("no seal of the job key")
            return decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            TELEMETRY.count("rings_unreadable", 1)
            return None

    def _take(self, fact: Any) -> None:
        if isinstance(fact, Alert):
            self.live.alert(fact)
        elif isinstance(fact, Trace):
            self.live.trace(fact)
        elif isinstance(fact, Feedback):
            self.live.feedback(fact)
        elif isinstance(fact, JournalEntry):
            self._held(fact)
        elif isinstance(fact, ReportCase):
            self.live.report(fact)
        else:
            self.live.clue(fact)

    def _held(self, entry: JournalEntry) -> None:
        measures = self._measures[entry.account_token]
        for event in entry.events:
            if isinstance(event, MeasureChanged):
                version, _ = measures.get(event.measure.measure_id, (-1, None))
                if event.version > version:
                    measures[event.measure.measure_id] = event.version, event.measure
        self.live.held(entry.account_token, held_of(each for _, each in measures.values()))


def _late(reader: ChunkReader) -> bool:
    """Whether a topic is known to hold more, or not known to hold none."""
    ends = [(offset, reader.end_offset(at)) for at, offset in reader.positions().items()]
    return any(end is None or offset < end for offset, end in ends)


def held_of(measures: Any) -> dict[str, int]:
    """Return what measures hold of an account, by currency."""
    sums: defaultdict[str, int] = defaultdict(int)
    for measure in measures:
        if measure.live:
            sums[measure.currency] += measure.held_minor
    return dict(sums)


def write(settings: KafkaSettings, told: list[Ring]) -> None:
    """Send changes to topic `cases`."""
    producer = open_producer(settings)
    for ring in told:
        producer.send(topics.CASES, ring.key.encode(), msgspec.json.encode(ring), (), time.time_ns() // 1000)
    producer.flush()


def following(settings: KafkaSettings) -> RingsFollower:
    """Return this process's follower, which has begun."""
    return PROCESS.running("rings", settings, lambda: RingsFollower(settings), RingsFollower.close)
