"""Load: a simulated world as messages, sent by a process of its own so that the job's interpreter is its own.

The world is repeated lap after lap, each lap later in event time, so that any number of messages comes from a
fixed set of accounts living at an ordinary pace. Event time therefore runs faster than the clock.

Messages that count come after a history that only fills the ledgers, as after a restart: among strangers ten
times as many payments are flagged as later.
"""

import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from multiprocessing.connection import Connection
from typing import NamedTuple

import confluent_kafka as ck
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixtures.stream import messages
from fixtures.world import START_US, simulate
from pipelines.kafka.port import LINGER_MS, KafkaSettings, NewTopic, open_admin
from pipelines.streams.table import topics_needed
from schemas import topics

PARTITIONS = 4
DAY_US = 86_400_000_000

#: The generator sends nothing while it encodes a block, so blocks are small.
BLOCK = 500

#: The generator sends what is due this often, seconds.
TICK_S = 0.002

#: Key, value and event time, microseconds UTC.
Message = tuple[bytes, bytes, int]


class World(NamedTuple):
    """Arguments of the world; a lap has about two payments per account and day.

    With `clues` a telecom clue about its payer goes before every payment, on the topic of its own.
    """

    seed: int = 7
    days: int = 2
    accounts: int = 100_000
    clues: bool = False


class Pace(NamedTuple):
    """How many messages a second, and for how many seconds."""

    rate: int
    seconds: float


class Sent(NamedTuple):
    """What a feeder did.

    Attributes:
        messages: how many were sent; all of them were confirmed.
        ends: the end of each partition behind them.
        seconds: from the first to the last.
        cpu_s: processor time of the feeder meanwhile.
        late_ms: how long after its time the latest in a hundred, and the very latest, was handed over.
        events_us: event time of each message sent at a pace, int64[messages], ascending.
        due_us: when each was to be sent.

    """

    messages: int
    ends: dict[int, int]
    seconds: float
    cpu_s: float
    late_ms: tuple[float, float] = (0.0, 0.0)
    events_us: NDArray[np.int64] = np.zeros(0, np.int64)
    due_us: NDArray[np.int64] = np.zeros(0, np.int64)


def stream(world: World, count: int) -> Iterator[Message]:
    """Yield `count` messages in order of event time; the last lap ends before now."""
    payments = simulate(world.seed, world.days, world.accounts).payments
    laps = -(-count // payments.num_rows)
    days_since = (time.time_ns() // 1000 - START_US) // DAY_US
    for lap in range(laps):
        shifted = later(payments, (days_since - (laps - lap) * world.days) * DAY_US)
        for block in messages(shifted.slice(0, count - lap * payments.num_rows), BLOCK):
            yield from zip(*block, strict=True)


def later(payments: pa.Table, by_us: int) -> pa.Table:
    """Return `payments` with every known time `by_us` later."""
    for place, field in enumerate(payments.schema):
        if field.name.endswith("_us"):
            times = payments[field.name]
            moved = pc.if_else(pc.equal(times, -1), times, pc.add(times, by_us))
            payments = payments.set_column(place, field, moved)
    return payments


def create_topics(brokers: str) -> None:
    with closing(open_admin(KafkaSettings(brokers))) as admin:
        admin.create_topics([NewTopic(name, PARTITIONS) for name in topics_needed()])


def fill(brokers: str, world: World, history: int, count: int, to: Connection) -> None:
    """Send a history and a backlog as fast as it goes, under their event times; sends `Sent` for each."""
    coming = stream(world, history + count)
    producer = _producer(brokers, linger_ms=100)
    to.send(_as_fast_as_it_goes(producer, brokers, islice(coming, history), clues=world.clues))
    to.send(_as_fast_as_it_goes(producer, brokers, coming, clues=world.clues))


def offer(brokers: str, world: World, history: int, pace: Pace, to: Connection) -> None:
    """Send a history, then, when told to, messages at a pace, whatever becomes of them.

    Their timestamps are the scheduled send times. A message that could not be sent in time keeps its
    scheduled time, so that waiting counts as latency. Sends `Sent` for the history and for the rest.
    """
    rate, count = pace.rate, int(pace.rate * pace.seconds)
    coming = stream(world, history + count)
    producer = _producer(brokers, LINGER_MS)
    past = _as_fast_as_it_goes(producer, brokers, islice(coming, history), clues=world.clues)
    to.send(past)
    to.recv()
    gc.freeze()
    late_ms, events_us = np.empty(count), np.empty(count, np.int64)
    idle_s, sent = time.process_time(), 0
    began_us = time.time_ns() // 1000 + 100_000
    while sent < count:
        now_us = time.time_ns() // 1000
        due = min((now_us - began_us) * rate // 1_000_000 + 1, count)
        if sent >= due:
            producer.poll(0)
            time.sleep(TICK_S)
        for number in range(sent, due):
            key, value, event_us = next(coming)
            at_us = began_us + number * 1_000_000 // rate
            if world.clues:
                _send(producer, *clue_before(value, event_us, number), at_us, topics.CLUES)
            _send(producer, key, value, at_us)
            events_us[number] = event_us
            late_ms[number] = (time.time_ns() // 1000 - at_us) / 1000
        sent = max(sent, due)
    took_s = time.time_ns() / 1e9 - began_us / 1e6
    spent_s = time.process_time() - idle_s
    ends = _confirmed(producer, brokers, past.messages + count)
    late = float(np.quantile(late_ms, 0.99)), float(late_ms.max())
    due_us = began_us + np.arange(count) * 1_000_000 // rate
    to.send(Sent(count, ends, took_s, spent_s, late, events_us, due_us))


def _producer(brokers: str, linger_ms: int) -> ck.Producer:
    return ck.Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": linger_ms,
            "acks": "all",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 500_000,
            "batch.num.messages": 10_000,
        }
    )


#: Clues in turn: of each kind so many of ten, a call's beginning and its end among them.
_KINDS = (
    b'"CALL"', b'"CALL","active":false,"duration_s":240', b'"SMS"', b'"CALL","known":true',
    b'"CALL","active":false,"known":true,"duration_s":60', b'"URL"', b'"CALL","attestation":"C"',
    b'"APP"', b'"SCREEN_SHARE"', b'"SCREEN_SHARE","active":false',
)  # fmt: skip
_DEBTOR, _TOKEN = b'"debtor":"', 26


def clue_before(payment: bytes, event_us: int, number: int) -> tuple[bytes, bytes]:
    """Return key and value of a clue about the payer of a payment, half a minute before it."""
    begin = payment.index(_DEBTOR) + len(_DEBTOR)
    party = payment[begin : begin + _TOKEN]
    value = b'{"clue_id":"c%d","kind":%b,"party":"%b","at_us":%d,"counterparty":"%b","tail":"%04d"}' % (
        number,
        _KINDS[number % len(_KINDS)],
        party,
        event_us - 30_000_000,
        party,
        number % 10_000,
    )
    return party, value


def _as_fast_as_it_goes(
    producer: ck.Producer, brokers: str, coming: Iterable[Message], *, clues: bool = False
) -> Sent:
    before = sum(_ends(brokers).values())
    began_s, idle_s, count = time.monotonic(), time.process_time(), 0
    for key, value, at_us in coming:
        if clues:
            _send(producer, *clue_before(value, at_us, count), at_us, topics.CLUES)
        _send(producer, key, value, at_us)
        count += 1
    ends = _confirmed(producer, brokers, before + count)
    return Sent(count, ends, time.monotonic() - began_s, time.process_time() - idle_s)


def _send(producer: ck.Producer, key: bytes, value: bytes, at_us: int, topic: str = topics.PAYMENTS) -> None:
    while True:
        try:
            producer.produce(topic, value, key, timestamp=at_us // 1000)
            return
        except BufferError:
            producer.poll(0.01)


def _confirmed(producer: ck.Producer, brokers: str, count: int) -> dict[int, int]:
    producer.flush()
    ends = _ends(brokers)
    if sum(ends.values()) != count:
        raise RuntimeError(f"the broker holds {sum(ends.values()):,} of {count:,} messages sent")
    return ends


def _ends(brokers: str) -> dict[int, int]:
    with closing(open_admin(KafkaSettings(brokers))) as admin:
        ends = admin.end_offsets([(topics.PAYMENTS, number) for number in range(PARTITIONS)])
    return {number: end for (_, number), end in ends.items()}
