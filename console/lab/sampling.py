"""The first payments of a file, an import or a topic, as a chunk to look at before a job is started."""

from itertools import islice
from pathlib import Path

import numpy as np

from console.lab.brokers import brokers_at
from console.lab.imports.converting import payments_of
from fixtures.stream import messages
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.policy import ClockPolicy
from pipelines.streams.clock import Window, now_us, of_files, window
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.rows.values import Values
from schemas.strict_text import read_bytes

#: So many payments are looked at.
SAMPLE = 1_000

_KAFKA = "kafka://"


def sampled(place: str, security: list[str], clock: ClockPolicy) -> tuple[Chunk, Window]:
    """Return the first payments of a place, and when they were received.

    The place is a JSON Lines file, an XML file of ISO 20022, a folder that `stopline import` wrote, or kafka://host:port[/topic].
    Offsets of a file are its line numbers. What a file holds may be of any year, but not of the future.

    Raises:
        ConfigError: it cannot be read or holds nothing.
        BrokerError: a broker or its topic is missing.

    """
    now = now_us()
    if place.startswith(_KAFKA):
        found = _of_topic(place.removeprefix(_KAFKA), security)
        times = window(found, clock, now)
    else:
        found = _of_file(Path(place))
        times = of_files(len(found.values), clock, now)
    if not len(found.values):
        raise ConfigError(f"{place} holds no payment; send or write some, then check them")
    return found, times


def chunk_of(numbered: list[tuple[int, bytes]]) -> Chunk:
    """Return numbered messages of a file as a chunk."""
    zeros = np.zeros(len(numbered), np.int64)
    offsets = np.array([number for number, _ in numbered], np.int64)
    values = Values.of([value for _, value in numbered])
    return Chunk(topics.PAYMENTS, values, zeros.astype(np.int32), offsets, zeros)


def _of_file(path: Path) -> Chunk:
    if path.is_dir():
        blocks = messages(payments_of(path).slice(0, SAMPLE), SAMPLE)
        return chunk_of(list(enumerate((value for block in blocks for value in block.values), 1)))
    if path.suffix == ".xml":
        return chunk_of([(1, read_bytes(path))])
    try:
        return chunk_of(list(islice(strict_json.lines(path), SAMPLE)))
    except ConfigError as error:
        raise ConfigError(f"{error}; a table becomes payments with: stopline import") from error


def _of_topic(named: str, security: list[str]) -> Chunk:
    address, _, topic = named.partition("/")
    settings = brokers_at(address, security)
    bounds = captured_bounds(settings, [topic or topics.PAYMENTS])
    share = -(-SAMPLE // max(len(bounds), 1))
    first = [bound._replace(end=min(bound.end, bound.start + share)) for bound in bounds]
    chunks = list(chunks_within(settings, first))
    if not chunks:
        return chunk_of([])
    values = Values.of([value for chunk in chunks for value in chunk.values])
    return Chunk(
        chunks[0].topic,
        values,
        np.concatenate([chunk.partitions for chunk in chunks]),
        np.concatenate([chunk.offsets for chunk in chunks]),
        np.concatenate([chunk.timestamps for chunk in chunks]),
    )
