"""Stream `traces`: tainted money that was traced; this job writes it and reads it back."""

import msgspec

from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams import moves
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas import topics
from schemas.rows import Rows
from schemas.trace import Trace

_TRACE = msgspec.json.Decoder(Trace)


def traced_move(value: bytes) -> list[Rows]:
    """Read a trace, as MOVE rows."""
    return [moves.rows_of([moves.traced(_TRACE.decode(value))])]


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read what was traced."""
    moved, letters = each(chunk, moves.MOVE, traced_move, window.long_ago(), "at_us")
    return Decoded([moved], letters)


TRACES = Stream(topics.TRACES, "WHOLE", (Facts(moves.MOVE, "taint", moves.KEYS),), decode)
