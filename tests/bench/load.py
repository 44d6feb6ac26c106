"""Load: a simulated world as messages, sent by a process of its own so that the job's interpreter is its own.

The world is repeated lap after lap, each lap later in event time, so that any number of messages comes from a
fixed set of accounts living at an ordinary pace. Event time therefore runs faster than the clock.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import NamedTuple

import confluent_kafka as ck
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixtures.stream import Block, messages
from fixtures.world import START_US, simulate
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from schemas import topics

PARTITIONS = 4
DAY_US = 86_400_000_000

#: The generator sends nothing while it encodes a block, so blocks are small.
BLOCK = 500

#: The generator sends what is due this often, seconds.
TICK_S = 0.002


class World(NamedTuple):
    """Arguments of the world; a lap has about two payments per account and day."""

    seed: int = 7
    days: int = 1
    accounts: int = 100_000


class Sent(NamedTuple):
    """What a feeder did.

    Attributes:
        messages: how many were sent; all of them were confirmed.
        seconds: from the first to the last.
        cpu_s: processor time of the feeder.
        late_ms: how long after its time the latest in a hundred, and the very latest, was handed over.

    """

    messages: int
    seconds: float
    cpu_s: float
    late_ms: tuple[float, float] = (0.0, 0.0)


def laps(world: World, count: int) -> Iterator[Block]:
    """Yield `count` messages in order of event time; the last lap ends before now."""
    payments = simulate(world.seed, world.days, world.accounts).payments
    whole = -(-count // payments.num_rows)
    days_since = (time.time_ns() // 1000 - START_US) // DAY_US
    for lap in range(whole):
        shifted = later(payments, (days_since - (whole - lap) * world.days) * DAY_US)
        yield from messages(shifted.slice(0, count - lap * payments.num_rows), BLOCK)


def sample(world: World, count: int) -> list[bytes]:
    """Return the first messages of a world."""
    return list(islice(chain.from_iterable(block.values for block in laps(world, count)), count))


def later(payments: pa.Table, by_us: int) -> pa.Table:
    """Return `payments` with every known time `by_us` later."""
    for place, field in enumerate(payments.schema):
        if field.name.endswith("_us"):
            times = payments[field.name]
            moved = pc.if_else(pc.equal(times, -1), times, pc.add(times, by_us))
            payments = payments.set_column(place, field, moved)
    return payments


def create_topics(brokers: str) -> None:
    names = (*topics.READ, *topics.WRITTEN)
    with closing(open_admin(KafkaSettings(brokers))) as admin:
        admin.create_topics([NewTopic(name, PARTITIONS) for name in names])


def fill(brokers: str, world: World, count: int, to: Connection) -> None:
    """Send a backlog as fast as it goes; timestamps are event times, as in a topic that lay there."""
    producer = _producer(brokers, linger_ms=100)
    began = time.monotonic()
    for block in laps(world, count):
        for key, value, at_us in zip(*block, strict=True):
            _send(producer, key, value, at_us)
    _confirmed(producer, brokers, count)
    to.send(Sent(count, time.monotonic() - began, time.process_time()))


def offer(brokers: str, world: World, rate: int, seconds: float, to: Connection) -> None:
    """Send `rate` messages a second, whatever becomes of them; timestamps are the scheduled send times.

    A message that could not be sent in time keeps its scheduled time, so that waiting counts as latency.
    """
    producer = _producer(brokers, linger_ms=10)
    count = int(rate * seconds)
    blocks = laps(world, count)
    block = next(blocks)
    gc.freeze()
    late_ms = np.empty(count)
    sent, place = 0, 0
    to.send("ready")
    idle_s = time.process_time()
    began_us = time.time_ns() // 1000 + 100_000
    while sent < count:
        now_us = time.time_ns() // 1000
        due = min(int((now_us - began_us) / 1e6 * rate) + 1, count)
        if sent >= due:
            producer.poll(0)
            time.sleep(TICK_S)
        for number in range(sent, due):
            if place == len(block.keys):
                block, place = next(blocks), 0
            at_us = began_us + number * 1_000_000 // rate
            _send(producer, block.keys[place], block.values[place], at_us)
            late_ms[number] = (time.time_ns() // 1000 - at_us) / 1000
            place += 1
        sent = max(sent, due)
    took = time.time_ns() / 1e9 - began_us / 1e6
    _confirmed(producer, brokers, count)
    late = float(np.quantile(late_ms, 0.99)), float(late_ms.max())
    to.send(Sent(count, took, time.process_time() - idle_s, late))


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


def _send(producer: ck.Producer, key: bytes, value: bytes, at_us: int) -> None:
    while True:
        try:
            producer.produce(topics.PAYMENTS, value, key, timestamp=at_us // 1000)
            return
        except BufferError:
            producer.poll(0.01)


def _confirmed(producer: ck.Producer, brokers: str, count: int) -> None:
    producer.flush()
    with closing(open_admin(KafkaSettings(brokers))) as admin:
        ends = admin.end_offsets([(topics.PAYMENTS, number) for number in range(PARTITIONS)])
    if sum(ends.values()) != count:
        raise RuntimeError(f"the broker holds {sum(ends.values()):,} of {count:,} messages sent")
