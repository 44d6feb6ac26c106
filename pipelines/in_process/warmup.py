"""Refill the in-memory ledgers after a restart: read the recent past again, say nothing about it twice."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.reading.process import broker_line
from pipelines.kafka.reading.start import Since, partitions_of, start_offsets
from pipelines.streams.payments import payments_among
from pipelines.streams.stream import Stream
from schemas.units import HOUR_US


class WarmUp(NamedTuple):
    """Since when to read again, and below which offset of each partition decisions were already sent."""

    refill: Since
    decided: Mapping[int, int]


def warm_up(settings: KafkaSettings, streams: Sequence[Stream], hours: float) -> WarmUp:
    """Plan to read streams that begin SINCE from `hours` before now; from where the group stands if earlier.

    Tells this process's line to the broker where the group stands, so that re-reading never moves it back.
    """
    again = [stream.topic for stream in streams if stream.begin == "SINCE"]
    with closing(open_admin(settings)) as admin:
        committed = start_offsets(admin, settings, partitions_of(admin, settings, again), "committed")
    for at, offset in committed.items():
        broker_line(settings).commit(at, offset)
    since_us = time.time_ns() // 1000 - int(hours * HOUR_US)
    paid = payments_among(streams).topic
    decided = {number: offset for (topic, number), offset in committed.items() if topic == paid}
    return WarmUp(Since(since_us), decided)
