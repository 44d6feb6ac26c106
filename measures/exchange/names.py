"""Names and times as the formats write them; a second export is the same bytes."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from schemas.report import Entity, Report

#: Namespace of our version 5 UUIDs (RFC 9562).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://stopline.example/reports")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def named(kind: str, *causes: object) -> str:
    """Return the version 5 UUID of the thing of a kind that causes name.

    >>> named("report", "a") == named("report", "a")
    True
    """
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((kind, *map(str, causes)))))


def random_looking(*causes: object) -> str:
    """Return a UUID with the mark of version 4, which some formats ask for, from the same causes.

    >>> random_looking("a")[14]
    '4'
    """
    digest = hashlib.sha256("\x1f".join(map(str, causes)).encode()).digest()[:16]
    return str(uuid.UUID(bytes=digest, version=4))


def instant(at_us: int) -> str:
    """Return a time as RFC 3339 with milliseconds.

    >>> instant(1_500_000)
    '1970-01-01T00:00:01.500Z'
    """
    at = EPOCH + timedelta(microseconds=at_us)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def micros(text: str) -> int:
    """Return an RFC 3339 time in microseconds UTC.

    Raises:
        ValueError: it is none.

    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return (at - EPOCH) // timedelta(microseconds=1)


def confidence(report: Report) -> int:
    """Return how much a report is to be believed, 0 to 100, by its admiralty grade; 50 if nobody graded it.

    >>> from schemas.report import Entity
    >>> confidence(Report(report_id="r", origin="BANK", reporter="b", jurisdiction="KR", at_us=0,
    ...     entities=(Entity(kind="IP", value="192.0.2.1"),), grade="B2"))
    80
    """
    return 50 if not report.grade else {"1": 95, "2": 80, "3": 60, "4": 30, "5": 10, "6": 50}[report.grade[1]]


def entity_name(report: Report, entity: Entity) -> str:
    """Return what names an entity of a report."""
    return f"{report.report_id}/{entity.kind}/{entity.value}"
