"""Refill the in-memory ledgers after a restart: read the recent past again, say nothing about it twice."""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple

from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.reading.process import broker_line
from pipelines.kafka.reading.start import Since, partitions_of, start_offsets

HOUR_US = 3_600_000_000


class WarmUp(NamedTuple):
    """Where to begin, and below which offset of each partition decisions were already sent."""

    start: Since
    decided: Mapping[int, int]


def warm_up(settings: KafkaSettings, topic: str, hours: float) -> WarmUp:
    """Plan to read `topic` from `hours` before now, or from the committed offset if that lies earlier.

    Tells this process's line to the broker where the group stands, so that re-reading never moves it back.
    """
    with closing(open_admin(settings)) as admin:
        committed = start_offsets(admin, settings, partitions_of(admin, settings, [topic]), "committed")
    for at, offset in committed.items():
        broker_line(settings).commit(at, offset)
    since_us = time.time_ns() // 1000 - int(hours * HOUR_US)
    return WarmUp(Since(since_us), {number: offset for (_, number), offset in committed.items()})
