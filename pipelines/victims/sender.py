"""Carries tries out: reads `contacts`, hands each to its channel, tells `warning_outcomes` what came of it.

Before a try leaves, SENDING is written under its key and confirmed; when the sender starts, what is there
says which tries were under way. One of those is handed over again only where the far side takes a key
once; elsewhere its outcome is UNCERTAIN, and the ladder makes another try under another key. So nothing
goes out twice under one key, nothing is lost, and a party may get two messages of one rung where a crash
fell between them: at least once.

A channel has a thread and a queue of its own: one that is down holds nobody else up.
"""

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress

import msgspec

from pipelines.kafka.port import (
    ChunkReader,
    KafkaSettings,
    Partition,
    open_admin,
    open_producer,
    open_reader,
)
from pipelines.kafka.reading.bounds import Bound, chunks_within
from pipelines.kafka.reading.start import partitions_of
from pipelines.kafka.seal import Seal, read_seal
from pipelines.telemetry import TELEMETRY
from pipelines.victims.channels.port import Channel, Receipt, Result
from pipelines.victims.journal import contact_entry
from schemas import topics
from schemas.contact import Attempt, ContactOutcome, ContactState, Planned
from schemas.contract import UNREADABLE
from schemas.envelope import headers
from schemas.errors import StoplineError
from schemas.ids import derived_id
from schemas.units import MINUTE_US, SECOND_US
from schemas.warning import Channel as ChannelName

_LOGGER = logging.getLogger(__name__)

#: Between looks at a topic that brings nothing, and between tries of a channel that is down, seconds.
LOOK_S, BACKOFF_S, BACKOFF_MAX_S = 0.01, 0.25, 30.0

#: Between looks at receipts, and between commits, seconds.
RECEIPTS_S, COMMIT_S = 0.2, 1.0

#: Outcomes may carry times so far before those of the entries they belong to.
_SLACK_US = MINUTE_US

#: After these a key is done with.
_DONE: tuple[ContactState, ...] = (
    "SENT", "DELIVERED", "READ", "ANSWERED", "UNREACHABLE", "FAILED", "UNCERTAIN",
)  # fmt: skip

_OUTCOME = msgspec.json.Decoder(ContactOutcome)
_ENCODE = msgspec.json.Encoder().encode
_STATE: Mapping[str, ContactState] = {"SENT": "SENT", "FAILED": "FAILED", "UNCERTAIN": "UNCERTAIN"}


def now_us() -> int:
    """Tell the time, microseconds UTC."""
    return time.time_ns() // 1000


class Outcomes:
    """Writes outcomes, each confirmed before the call returns; one a thread."""

    def __init__(self, settings: KafkaSettings, clock: Callable[[], int] = now_us) -> None:
        self._producer, self._clock = open_producer(settings), clock

    def tell(self, attempt: Attempt, state: ContactState, reason: str = "", proof_id: str = "") -> None:
        """Write what came of a try."""
        at_us = self._clock()
        outcome = ContactOutcome(
            key=attempt.key,
            party_token=attempt.party_token,
            channel=attempt.channel,
            state=state,
            at_us=at_us,
            reason=" ".join(reason.split())[:200],
            proof_id=proof_id,
        )
        head = headers(
            event_id=derived_id("outcome", attempt.key, state, at_us),
            event_type="fp.warning.outcome.v1",
            source=f"urn:fp:{attempt.jurisdiction}:stopline",
            subject=f"party:{attempt.party_token}",
            time_us=at_us,
        )
        key = attempt.party_token.encode()
        self._producer.send(topics.WARNING_OUTCOMES, key, _ENCODE(outcome), head, at_us)
        self._producer.flush()


def count_state(state: ContactState, attempt: Attempt, reason: str) -> None:
    """Count what came of a try; the first of a channel that did not leave is said at once with its reason."""
    TELEMETRY.count(state.lower(), 1)
    if state != "SENT":
        first = f"{state.lower()}_{attempt.channel}"
        if not TELEMETRY.counts().get(first):
            _LOGGER.warning("first by %s %s: %s, %s", attempt.channel, state, attempt.key, reason)
        TELEMETRY.count(first, 1)


class Lane:
    """One channel's queue and thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        channel: Channel,
        done: Callable[[str], None],
        *,
        begun: frozenset[str],
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._channel, self._done, self._clock = channel, done, clock
        self._outcomes = Outcomes(settings, clock)
        self._begun = set(begun)
        self._lock = threading.Condition()
        self._over = False
        self._count = itertools.count()
        self._waiting: list[tuple[float, int, Attempt, float]] = []
        self._due: deque[Receipt] = deque()

    def add(self, attempt: Attempt, wait_s: float = 0.0, backoff_s: float = BACKOFF_S) -> None:
        """Put a try into the queue, to be looked at after `wait_s`."""
        with self._lock:
            at = time.monotonic() + wait_s
            heapq.heappush(self._waiting, (at, next(self._count), attempt, backoff_s))
            self._lock.notify()

    def run(self) -> None:
        """Hand tries over until `stop`; the body of the lane's thread."""
        while not self._over:
            try:
                taken = self._next(RECEIPTS_S)
                if taken is not None:
                    self._carry(*taken)
                self._due.extend(self._receipts())
                while self._due:
                    told = self._due[0]
                    self._outcomes.tell(told.attempt, told.state, told.reason)
                    self._due.popleft()
            except StoplineError as error:
                _LOGGER.warning("an outcome was not written and will be tried again: %s", error)
                if taken is not None:
                    self.add(taken[0], BACKOFF_S)
                time.sleep(BACKOFF_S)

    def stop(self) -> None:
        """Let `run` end after the try under way; what waits is read again at the next start."""
        with self._lock:
            self._over = True
            self._lock.notify()

    def _next(self, wait_s: float) -> tuple[Attempt, float] | None:
        with self._lock:
            if not self._over and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                ahead = self._waiting[0][0] - time.monotonic() if self._waiting else wait_s
                self._lock.wait(min(max(ahead, 0.0), wait_s))
            if not self._over and self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, attempt, backoff_s = heapq.heappop(self._waiting)
                return attempt, backoff_s
            return None

    def _carry(self, attempt: Attempt, backoff_s: float) -> None:
        """Hand one try over and tell what came of it; what may be taken later goes back into the queue."""
        known = attempt.key in self._begun
        if known and not self._channel.recognises_keys:
            self._finish(attempt, "UNCERTAIN", "the sender stopped while this was under way")
            return
        if self._clock() > attempt.send_by_us:
            self._finish(attempt, "UNREACHABLE", "its budget had passed")
            return
        if not known:
            self._outcomes.tell(attempt, "SENDING")
            self._begun.add(attempt.key)
        result = self._hand(attempt)
        again = result.handed == "RETRY" or (result.handed == "UNCERTAIN" and self._channel.recognises_keys)
        if not again:
            self._finish(attempt, _STATE[result.handed], result.reason, result.proof_id)
        elif self._clock() + backoff_s * SECOND_US > attempt.send_by_us:
            self._finish(attempt, _given_up(result), result.reason)
        else:
            if result.handed == "RETRY":
                self._begun.discard(attempt.key)
            self.add(attempt, backoff_s, min(2 * backoff_s, BACKOFF_MAX_S))

    def _hand(self, attempt: Attempt) -> Result:
        try:
            return self._channel.hand(attempt)
        except Exception as error:  # whatever an answer makes a library meet; the lane must go on
            self._meet(error)
            return Result("UNCERTAIN", type(error).__name__)

    def _receipts(self) -> list[Receipt]:
        try:
            return self._channel.receipts()
        except Exception as error:
            self._meet(error)
            return []

    def _meet(self, error: Exception) -> None:
        """Say what a channel should not have raised, and begin anew with its far side."""
        _LOGGER.error("a channel met what it does not know and connects anew: %r", error, exc_info=error)
        with suppress(Exception):
            self._channel.close()

    def _finish(self, attempt: Attempt, state: ContactState, reason: str, proof_id: str = "") -> None:
        self._outcomes.tell(attempt, state, reason, proof_id)
        count_state(state, attempt, reason)
        self._begun.discard(attempt.key)
        self._done(attempt.key)


def _given_up(result: Result) -> ContactState:
    return "UNREACHABLE" if result.handed == "RETRY" else "UNCERTAIN"


class Sender:
    """Reads `contacts` and feeds the lanes; remembers how far all is done."""

    def __init__(
        self,
        settings: KafkaSettings,
        channels: Mapping[ChannelName, Callable[[], Channel]],
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._settings, self._channels, self._clock = settings, channels, clock
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[Partition, int]] = {}
        self._read: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Carry tries out until `stopping`.

        Raises:
            BrokerError: a topic is missing, or a broker refuses to be read.
            ConfigError: a channel cannot be opened as it is configured.

        """
        with ExitStack() as opened:
            channels = {
                name: opened.enter_context(closing(open_())) for name, open_ in self._channels.items()
            }
            self._run(channels, stopping)

    def _run(self, channels: Mapping[ChannelName, Channel], stopping: Callable[[], bool]) -> None:
        settings, seal = self._settings, read_seal(self._settings.seal_key)
        with closing(open_admin(settings)) as admin:
            partitions = partitions_of(admin, settings, (topics.CONTACTS,))
            first = admin.beginning_offsets(partitions)
            committed = admin.committed(settings.group, partitions)
            ends = admin.end_offsets(partitions)
        starts = {at: max(first[at], min(committed.get(at, first[at]), ends[at])) for at in partitions}
        states = self._told_before(
            [Bound(at, starts[at], ends[at]) for at in partitions if starts[at] < ends[at]]
        )
        begun = frozenset(key for key, state in states.items() if state == "SENDING")
        done = {key for key, state in states.items() if state in _DONE}
        lanes = {
            name: Lane(settings, channel, self._finished, begun=begun, clock=self._clock)
            for name, channel in channels.items()
        }
        threads = [
            threading.Thread(target=lane.run, name=f"channel {name}", daemon=True)
            for name, lane in lanes.items()
        ]
        for thread in threads:
            thread.start()
        outcomes = Outcomes(settings, self._clock)

        def give(attempt: Attempt, at: Partition, offset: int) -> None:
            lane = lanes.get(attempt.channel)
            if attempt.key in done:
                return
            if lane is None:
                outcomes.tell(attempt, "FAILED", reason := "no such channel is configured")
                count_state("FAILED", attempt, reason)
                return
            with self._lock:
                self._under_way[attempt.key] = (at, offset)
            lane.add(attempt)

        self._read = dict(starts)
        reader = open_reader(settings)
        try:
            reader.assign({at: starts[at] for at in partitions})
            self._follow(reader, give, seal, stopping)
        finally:
            for lane in lanes.values():
                lane.stop()
            for thread in threads:
                thread.join()
            reader.close()

    def _follow(
        self,
        reader: ChunkReader,
        give: Callable[[Attempt, Partition, int], None],
        seal: Seal | None,
        stopping: Callable[[], bool],
    ) -> None:
        committed_s = time.monotonic()
        while not stopping():
            TELEMETRY.beat()
            chunks = reader.poll(500)
            for chunk in chunks:
                at = chunk.topic, int(chunk.partitions[0])
                TELEMETRY.read(chunk.topic, len(chunk.values))
                for value, offset in zip(chunk.values, chunk.offsets.tolist(), strict=True):
                    for attempt in _attempts(value, seal, f"{at[0]}[{at[1]}]@{offset}"):
                        give(attempt, at, offset)
            with self._lock:
                self._read.update(reader.positions())
            if time.monotonic() - committed_s > COMMIT_S:
                self._commit()
                committed_s = time.monotonic()
            if not chunks:
                time.sleep(LOOK_S)
        self._commit()

    def _finished(self, key: str) -> None:
        with self._lock:
            self._under_way.pop(key, None)

    def _commit(self) -> None:
        """Commit, of each partition, where reading must begin again: the oldest try under way."""
        with self._lock:
            offsets = dict(self._read)
            for at, offset in self._under_way.values():
                offsets[at] = min(offsets[at], offset)
        if offsets == self._committed:
            return
        with closing(open_admin(self._settings)) as admin:
            admin.commit(self._settings.group, offsets)
        self._committed = offsets

    def _told_before(self, bounds: list[Bound]) -> dict[str, ContactState]:
        """Return how far each try came that is read again, by its key."""
        if not bounds:
            return {}
        since_us = min(
            (
                int(chunk.timestamps.min())
                for bound in bounds
                for chunk in chunks_within(self._settings, [bound])
            ),
            default=0,
        )
        with closing(open_admin(self._settings)) as admin:
            partitions = partitions_of(admin, self._settings, (topics.WARNING_OUTCOMES,))
            starts = admin.offsets_for_times(partitions, max(since_us - _SLACK_US, 0))
            ends = admin.end_offsets(partitions)
        again = [Bound(at, starts[at], ends[at]) for at in partitions if starts[at] < ends[at]]
        found: dict[str, ContactState] = {}
        for chunk in chunks_within(self._settings, again):
            for value in chunk.values:
                try:
                    outcome = _OUTCOME.decode(value)
                except UNREADABLE:
                    continue  # ticks; what is no outcome is a letter of the victims job
                if found.get(outcome.key) not in _DONE:
                    found[outcome.key] = outcome.state
        return found


def _attempts(value: bytes, seal: Seal | None, place: str) -> list[Attempt]:
    """Return the tries that an entry plans; none of one that is not the victims job's."""
    entry = contact_entry(value)
    if entry is None or (seal and not seal.holds(topics.CONTACTS, value)):
        _LOGGER.error("%s is no entry of the victims job and is passed over", place)
        return []
    return [event.attempt for event in entry.events if isinstance(event, Planned)]
