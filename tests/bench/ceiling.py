"""How fast each client reads the topic and does nothing else."""

import time
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from typing import NamedTuple

from pipelines.kafka.port import ClientName, KafkaSettings, open_consumer
from schemas import topics
from tests.bench.load import PARTITIONS

CHUNK_ROWS = 2_000
STALL_S = 30.0


class Read(NamedTuple):
    """Messages a second from the first chunk on, and processor time per message, microseconds."""

    events_per_s: float
    cpu_us: float


def read(brokers: str, client: ClientName, count: int, to: Connection) -> None:
    """Read about `count` messages of topic `payments` and send a `Read`."""
    settings = KafkaSettings(brokers, client=client)
    with ExitStack() as stack:
        consumers = [
            stack.enter_context(closing(open_consumer(settings, topics.PAYMENTS, number, 0)))
            for number in range(PARTITIONS)
        ]
        seen, began_s, cpu_s, busy_s = 0, 0.0, 0.0, time.monotonic()
        while seen < count and time.monotonic() < busy_s + STALL_S:
            found = [chunk for consumer in consumers if (chunk := consumer.poll(CHUNK_ROWS)) is not None]
            if not found:
                time.sleep(0.001)
                continue
            busy_s = time.monotonic()
            if not began_s:
                began_s, cpu_s = busy_s, time.process_time()
                continue
            seen += sum(len(chunk.values) for chunk in found)
        took_s, spent_s = time.monotonic() - began_s, time.process_time() - cpu_s
    if seen < count:
        raise RuntimeError(f"{client} read {seen:,} of {count:,} messages and then none for {STALL_S:.0f} s")
    to.send(Read(seen / took_s, spent_s / seen * 1e6))
