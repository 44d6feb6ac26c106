"""What became known of payments: feedback from files and from brokers."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from console.lab.brokers import brokers_at
from console.lab.rows import existing_log
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.policy import USUAL_CLOCK
from pipelines.streams.clock import Window, now_us, of_files, window
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from schemas.instants import not_microseconds

_KAFKA = "kafka://"


class _KnownAt(msgspec.Struct):
    known_at_us: Any = None


_decode = msgspec.json.Decoder(Feedback).decode


def log_feedback(
    folder: Path | None,
    places: Sequence[str],
    security: Sequence[str],
    known_by: str,
) -> list[Feedback]:
    """Return the feedback that labels a decision log, none without a log; see `read_feedback`.

    Raises:
        ConfigError: the log is not there, has no labels named, or labels have no log.

    """
    if folder is None:
        if places or known_by:
            raise ConfigError("--feedback and --known_by belong to a log; name it with --decision_log")
        return []
    existing_log(folder)
    if not places:
        raise ConfigError("a decision log has no labels of its own; add --feedback FILE or kafka://host:port")
    return read_feedback(places, security)


def read_feedback(places: Iterable[str], security: Sequence[str] = ()) -> list[Feedback]:
    """Return the feedback of JSONL files and of brokers (`kafka://host:port`).

    What cannot be read is said on stderr.

    Raises:
        ConfigError: a file is missing.
        BrokerError: a broker or its topic is.

    """
    found: list[Feedback] = []
    for place in places:
        refused, read = [], 0
        for number, value, times, at in _values(place, security):
            read += 1
            try:
                found.append(_finding(value, times, at))
            except ValueError as error:
                refused.append(f"record {number}: {error}")
        if refused:
            left_out = f"{len(refused)} of {read} records are no feedback and left out"
            print(f"{place}: {left_out}; {refused[0]}", file=sys.stderr)
    return found


def of_broker(settings: KafkaSettings) -> list[Feedback]:
    """Return the feedback that a broker holds, without what is none.

    Raises:
        BrokerError: it cannot be reached, or has no such topic.

    """
    found = []
    for _, value, times, at in _of_broker(settings, now_us()):
        with suppress(ValueError):
            found.append(_finding(value, times, at))
    return found


def _values(place: str, security: Sequence[str]) -> Iterator[tuple[int, bytes, Window, int]]:
    """Yield findings with their number, and the window their times must lie in with the place in it."""
    now = now_us()
    if place.startswith(_KAFKA):
        yield from _of_broker(brokers_at(place.removeprefix(_KAFKA), security), now)
        return
    try:
        times = of_files(1, USUAL_CLOCK, now)
        for number, value in list(strict_json.lines(Path(place))):
            yield number, value, times, 0
    except ConfigError as error:
        raise ConfigError(f"feedback {error}; name a JSONL file or kafka://host:port") from error


def _of_broker(settings: KafkaSettings, now: int) -> Iterator[tuple[int, bytes, Window, int]]:
    read = 0
    for chunk in chunks_within(settings, captured_bounds(settings, [topics.FEEDBACK])):
        times = window(chunk, USUAL_CLOCK, now).long_ago()
        for at, value in enumerate(chunk.values):
            read += 1
            yield read, value, times, at


def _finding(value: bytes, times: Window, at: int) -> Feedback:
    """Read one finding; raises ValueError if it is none, or known at a time that cannot be true."""
    try:
        found = _decode(strict_json.checked(value))
    except msgspec.ValidationError as error:
        known_at = msgspec.json.decode(value, type=_KnownAt, strict=True).known_at_us
        hint = not_microseconds(known_at) if isinstance(known_at, int) else ""
        raise ValueError(f"known_at_us {hint}" if hint else str(error)) from error
    if hint := not_microseconds(found.known_at_us):
        raise ValueError(f"known_at_us {hint}")
    if (fault := times.fault(at, found.known_at_us, "known_at_us")) is not None:
        raise ValueError(fault[1])
    return found
