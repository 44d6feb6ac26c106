"""W3C Trace Context: header `traceparent`, which ties what follows from a message to what led to it.

OpenTelemetry writes it on messages of Kafka. In rows it is four words: two of the trace, the span, and
the flags with a bit above them where there is one.
"""

import re

import numpy as np
from numpy.typing import NDArray

HEADER = "traceparent"

#: Characters of version 00; a later version may go on after a dash.
LENGTH = 55

#: Stands in the fourth word above the flags where a message has a traceparent.
PRESENT = 0x100

WORDS = 4

Words = NDArray[np.uint64]

_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def words(header: bytes) -> tuple[int, int, int, int]:
    """Return a header as words; zeros where it is none.

    >>> words(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")[2:]
    (67667974448284343, 257)
    >>> words(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")
    (0, 0, 0, 0)
    """
    found = _FORM.fullmatch(header)
    if found is None or (len(header) > LENGTH and header.startswith(b"00")):
        return 0, 0, 0, 0
    trace, span, flags, _ = found.groups()
    return int(trace[:16], 16), int(trace[16:], 16), int(span, 16), int(flags, 16) | PRESENT


def texts(rows: Words) -> list[str]:
    """Return uint64[n, 4] as headers of version 00, "" where there is none.

    >>> texts(np.array([(0x4BF92F3577B34DA6, 0xA3CE929D0E0E4736, 1, 0x101), (0, 0, 0, 0)], np.uint64))
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01', '']
    """
    return [
        f"00-{high:016x}{low:016x}-{span:016x}-{flags & 0xFF:02x}" if flags else ""
        for high, low, span, flags in rows.tolist()
    ]


def column(headers: "list[bytes]") -> Words | None:
    """Return the headers of messages as uint64[n, 4], b"" where one has none; None where none has any."""
    if not any(headers):
        return None
    return np.array([words(each) for each in headers], np.uint64)
