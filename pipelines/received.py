"""What the jobs that drive aggregates share: a message as it was received, its letter, its clock.

The jobs of the law (`pipelines.lifecycle`), of casework and of victims are built of it.
"""

import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pipelines.kafka.port import KafkaSettings
from schemas.contract import UNREADABLE
from schemas.dead_letter import DeadLetter, ErrorCode, dead_letter
from schemas.errors import SchemaError, StoplineError, unquoted
from schemas.order import Record
from schemas.reply import Why
from schemas.units import MINUTE_US

#: A record time that nobody vouches for may lie so far from this machine's clock and still be when the record
#: was received; beyond it the record counts, for the window of its key, as received when it is read.
_VOUCHED_US = 5 * MINUTE_US

#: ISO 3166 for "no country", on records of what is under no law or names none that can be trusted.
NO_LAW = "XX"

#: What a refused message is called on `dead_letters`; every other refusal is a message in bad form.
CODES: Mapping[Why, ErrorCode] = {
    Why.BAD_SIGNATURE: "UNSIGNED",
    Why.UNKNOWN_KEY: "UNSIGNED",
    Why.NO_LEGAL_BASIS: "NO_LAW",
    Why.TOO_LARGE: "TOO_LARGE",
}


class RawMessage(Record, order=True, frozen=True, kw_only=True):
    """Where a message was read, when it was received, and its bytes; in order of receipt."""

    at_us: int
    topic: str
    partition: int
    offset: int
    value: bytes

    def letter(self, stage: str, code: ErrorCode, message: str) -> DeadLetter:
        """Refuse the message at a stage."""
        return dead_letter(
            self.topic, self.partition, self.offset, timestamp_us=self.at_us, stage=stage, error_code=code,
            message=message, value=self.value,
        )  # fmt: skip

    def key_at_us(self, clock_us: int, append_time: Collection[str]) -> int:
        """Return when it was received, for the window of the key that signed it.

        That is its record time where the broker sets it (topics `append_time`), where it is near the clock,
        or where there is no clock (0); else what the clock says.
        """
        vouched = self.topic in append_time or abs(self.at_us - clock_us) <= _VOUCHED_US
        return self.at_us if vouched or not clock_us else clock_us


def reading(kafka: KafkaSettings) -> str:
    """Say where a job reads and as whom."""
    return f"reading at {kafka.brokers} as group {kafka.group}; Ctrl-C stops"


def wall_clock_us() -> int:
    """Tell the time, for a job that reads as messages come."""
    return time.time_ns() // 1000


def read_back(value: bytes, read: Callable[[bytes], object]) -> bytes:
    """Return what a job writes and will read again, read once: what it could not read is never written.

    Raises:
        SchemaError: it breaks its contract.

    """
    try:
        read(value)
    except UNREADABLE as error:
        raise SchemaError(f"what could not be read back: {unquoted(str(error))}") from error
    return value


def no_clock() -> int:
    """Know only what the messages say, for a replay: nothing happens after the newest of them."""
    return 0


def fault_text(error: Exception) -> str:
    """Name a fault by its kind and place, without the values its message may quote; ours quote none."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = f": {error}" if isinstance(error, StoplineError) else ""
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}{said}"
