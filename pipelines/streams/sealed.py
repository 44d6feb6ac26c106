"""What of a chunk is sealed: the rest of a topic that a job reads back as its own is refused."""

import numpy as np

from pipelines.kafka.port import Chunk
from pipelines.kafka.seal import SEALED, UNSEALED, Seal
from pipelines.streams.clock import Window
from pipelines.streams.stream import refusal
from schemas.dead_letter import DeadLetter
from schemas.rows.values import Values


def opened(chunk: Chunk, window: Window, seal: Seal | None) -> tuple[Chunk, Window, list[DeadLetter]]:
    """Return the messages to be believed, with their window, and a dead letter for each of the others."""
    if seal is None or chunk.topic not in SEALED:
        return chunk, window, []
    values = list(chunk.values)
    held = np.array([seal.holds(chunk.topic, value) for value in values], np.bool_)
    if held.all():
        return chunk, window, []
    letters = [refusal(chunk, int(place), "UNSEALED", UNSEALED) for place in np.flatnonzero(~held)]
    kept = Values.of([value for value, good in zip(values, held, strict=True) if good])
    places = chunk.partitions[held], chunk.offsets[held]
    traces = None if chunk.traces is None else chunk.traces[held]
    believed = Chunk(chunk.topic, kept, *places, chunk.timestamps[held], traces=traces)
    return believed, window._replace(received_us=window.received_us[held]), letters
