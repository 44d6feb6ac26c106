"""Chunks of messages into blocks of rows; what cannot be decoded becomes a dead letter."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics

from pipelines.hot.apart import tagged
from pipelines.hot.feeds import Feeds
from pipelines.hot.records import refused_record
from pipelines.hot.stage import Output
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.in_flight import in_flight
from pipelines.kafka.reading.suspects import KILLED, Work, admitted
from pipelines.kafka.seal import SEALED, read_seal
from pipelines.lookup.following import Followed, follower
from pipelines.lookup.marking import marked
from pipelines.metrics import STATUS_COUNTERS
from pipelines.policy import Policy
from pipelines.process import PROCESS
from pipelines.state.shards import Shards, bound, by_shard, shard_of
from pipelines.state.store import Parts
from pipelines.streams.clock import Progress, Window, now_us, window
from pipelines.streams.clues import subscriptions_of
from pipelines.streams.payments import payments_among
from pipelines.streams.sealed import opened
from pipelines.streams.stream import Stream, refusal
from pipelines.telemetry import TELEMETRY
from schemas.dead_letter import DeadLetter
from schemas.rows import Rows


class Gathered(NamedTuple):
    """What chunks held: rows by kind, dead letters to send, and when the earliest was received."""

    parts: Parts
    letters: list[Output]
    received_us: int


class _Split(NamedTuple):
    """What a chunk held: rows with their shard, letters, counts, when it came, its messages and stream."""

    parts: list[tuple[int, Rows]]
    letters: list[DeadLetter]
    counts: Mapping[str, int]
    received_us: int
    messages: int
    topic: str
    newest_us: int


class Decode:
    """Decodes chunks beside what goes on; emits `blocks` of rows by shard, and `dead_letters` as records.

    Alarms about feeds go with the letters.
    `live` messages are compared with this machine's clock, those of a replay with the records around them.
    Journals of the jobs count only with a seal, where a key is named. `in_flight` is the folder in which
    processes of the job note what they work on; "" for none. `registry` is what accounts and numbers are
    looked up in; None for nothing.
    """

    def __init__(
        self,
        policy: Policy,
        shards: int,
        streams: tuple[Stream, ...],
        *,
        live: bool = False,
        seal_key: str = "",
        in_flight: str = "",
        registry: Followed | None = None,
    ) -> None:
        self._policy = policy
        self._shards = shards
        self._live = live
        self._seal_key = seal_key
        self._in_flight = in_flight
        self._registry = registry
        self._progress = Progress()
        self._feeds = Feeds(policy)
        self._streams = {stream.topic: stream for stream in streams}
        self._payments = payments_among(streams)

    def ahead(self, chunk: Chunk) -> Chunk:
        """Begin to decode the values of a chunk beside what goes on; `begin` will find what came of it."""
        ahead = self._stream(chunk).ahead
        noted = in_flight(self._in_flight)
        if ahead is None or (noted is not None and noted.begin("ahead", chunk).any()):
            return chunk
        return chunk._replace(ahead=PROCESS.threads("decode", 2).submit(ahead, chunk.values))

    def begin(self, chunk: Chunk) -> "Future[_Split]":
        """Decode a chunk and split it by shard, beside what goes on.

        What is suspected of having ended processes is tried in another one before.
        """
        threads, times = PROCESS.threads("decode", 2), self._times(chunk)
        kept, left, deadly = admitted(in_flight(self._in_flight), id(self), chunk, Trial(self))
        if not deadly:
            return threads.submit(self._split, chunk, times)
        letters = [refusal(chunk, place, "KILLED", KILLED) for place in deadly]
        return threads.submit(self._split, kept, times._replace(received_us=times.received_us[left]), letters)

    def settled(self) -> None:
        """Note that what was begun is done: nothing of it can end the process any more."""
        if (noted := in_flight(self._in_flight)) is not None:
            noted.settled(id(self))
            noted.settled("ahead")

    def finish(self, begun: Iterable["Future[_Split]"]) -> Iterator[Output]:
        """Return what chunks held, each shard's rows as one block; count what there was as metrics."""
        found = self.gathered(begun)
        yield from found.letters
        shared: dict[int, dict[np.dtype[np.void], list[Rows]]] = {}
        for kind, parts in found.parts.items():
            for shard, rows in parts:
                shared.setdefault(shard, {}).setdefault(kind, []).append(rows)
        for shard, kinds in sorted(shared.items()):
            yield Output("blocks", (shard, bound(*kinds.values())), found.received_us)

    def gathered(self, begun: Iterable["Future[_Split]"]) -> "Gathered":
        """Return what chunks held; count what there was as metrics."""
        parts: Parts = {}
        letters = []
        counts: Counter[str] = Counter()
        first_us, newest = None, dict[str, int]()
        for split in (each.result() for each in begun):
            newest[split.topic] = max(newest.get(split.topic, -1), split.newest_us)
            first_us = split.received_us if first_us is None else min(first_us, split.received_us)
            counts.update({**split.counts, "dead_letters": len(split.letters)})
            TELEMETRY.read(split.topic, split.messages)
            for letter in split.letters:
                record = refused_record(letter, self._policy.law.id)
                letters.append(Output("dead_letters", record, split.received_us))
            for shard, rows in split.parts:
                parts.setdefault(rows.dtype, []).append((shard, rows))
        ended, kept = counts["clue_subscriptions_ended"], subscriptions_of(tuple(self._streams.values()))
        stale_s = follower(self._registry).stale_s if self._registry else 0.0
        TELEMETRY.count("clues_late", counts["clues_late"])
        for record in self._feeds.alarms(newest, ended, kept, stale_s):
            letters.append(Output("dead_letters", record, first_us or 0))
        for name, count in counts.items():
            if count:
                Metrics.counter("stopline.decode", name).inc(count)
        STATUS_COUNTERS.add()
        return Gathered(parts, letters, first_us or 0)

    def _times(self, chunk: Chunk) -> Window:
        """Return what the event times of a chunk may be; asked for in the order chunks were read in."""
        if not self._live:
            return window(chunk, self._policy.clock, None)
        return window(chunk, self._policy.clock, now_us(), self._progress)

    def split(self, chunk: Chunk) -> object:
        """Decode a chunk here and now."""
        return self._split(chunk, self._times(chunk))

    def _split(self, chunk: Chunk, times: Window, put_aside: Sequence[DeadLetter] = ()) -> _Split:
        stream = self._stream(chunk)
        seal = read_seal(self._seal_key) if chunk.topic in SEALED else None
        believed, believed_times, unsealed = opened(chunk, times, seal)
        decoded = stream.decode(believed, self._policy, believed_times)
        letters = [*put_aside, *unsealed, *decoded.letters]
        lists = follower(self._registry).lists if self._registry else None
        parts = [
            part
            for rows in (decoded.facts if lists is None else [marked(rows, lists) for rows in decoded.facts])
            for facts in stream.facts
            if facts.row == rows.dtype
            for part in by_keys(rows, facts.keys, self._shards)
        ]
        return _Split(
            parts,
            letters,
            decoded.counts,
            int(times.received_us.min()) if len(times.received_us) else 0,
            len(chunk.values) + len(put_aside),
            stream.topic,
            int(times.received_us.max()) if len(times.received_us) else -1,
        )

    def _stream(self, chunk: Chunk) -> Stream:
        """Return the stream of a chunk; payments may come by any other name."""
        return self._streams.get(chunk.topic, self._payments)


def by_keys(rows: Rows, keys: Sequence[str], shards: int) -> Iterator[tuple[int, Rows]]:
    """Split rows by shard; each goes to the shard of each of its keys, once."""
    if shards == 1:
        yield 0, rows
        return
    before: list[Shards] = []
    for shard in (shard_of(rows[key], shards) for key in keys):
        if before:
            fresh = np.flatnonzero(np.all([shard != each for each in before], axis=0))
            yield from by_shard(rows.take(fresh), shard[fresh])
        else:
            yield from by_shard(rows, shard)
        before.append(shard)


class Trial:
    """Decodes chunks in a process that may end over them, and notes nothing."""

    def __init__(self, decode: Decode) -> None:
        self._decode = copy(decode)
        self._decode._in_flight = ""

    def __call__(self) -> Work:
        """Return what decodes a chunk."""
        return self._decode.split


class DecodeFn(beam.DoFn):  # type: ignore[misc]
    """Decode chunks; per bundle one block of rows for every shard. Every output has its tag."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode

    def start_bundle(self) -> None:
        """Start without chunks; those of the bundle before have come through."""
        self._decode.settled()
        self._begun: list[Future[_Split]] = []

    def process(self, chunk: Chunk) -> None:
        """Begin with one chunk."""
        self._begun.append(self._decode.begin(chunk))

    def finish_bundle(self) -> Iterator[Any]:
        """Emit what the bundle decoded."""
        yield from tagged(self._decode.finish(self._begun))
