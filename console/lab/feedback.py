"""What became known of payments: feedback from files and from brokers."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from console.lab.feeds import brokers_at, topic_values
from console.lab.rows import existing_log
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
        for number, value in _values(place, security):
            read += 1
            try:
                found.append(_finding(value))
            except ValueError as error:
                refused.append(f"record {number}: {error}")
        if refused:
            left_out = f"{len(refused)} of {read} records are no feedback and left out"
            print(f"{place}: {left_out}; {refused[0]}", file=sys.stderr)
    return found


def _values(place: str, security: Sequence[str]) -> Iterable[tuple[int, bytes]]:
    if place.startswith(_KAFKA):
        return enumerate(topic_values(brokers_at(place.removeprefix(_KAFKA), security), topics.FEEDBACK), 1)
    try:
        return list(strict_json.lines(Path(place)))
    except ConfigError as error:
        raise ConfigError(f"feedback {error}; name a JSONL file or kafka://host:port") from error


def _finding(value: bytes) -> Feedback:
    """Read one finding; raises ValueError if it is none, or known at a time in another unit."""
    try:
        found = _decode(strict_json.checked(value))
    except msgspec.ValidationError as error:
        known_at = msgspec.json.decode(value, type=_KnownAt, strict=True).known_at_us
        hint = not_microseconds(known_at) if isinstance(known_at, int) else ""
        raise ValueError(f"known_at_us {hint}" if hint else str(error)) from error
    if hint := not_microseconds(found.known_at_us):
        raise ValueError(f"known_at_us {hint}")
    return found
