"""CloudEvents 1.0 in Kafka's binary mode (domain.md 4.0): attributes as headers, the record as JSON value."""

from datetime import UTC, datetime, timedelta

from schemas.traceparent import HEADER as TRACEPARENT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: CloudEvents writes years with four digits.
YEAR_10000_US = 253_402_300_800_000_000

_VERSION, _JSON = ("ce_specversion", b"1.0"), ("content-type", b"application/json")

Headers = tuple[tuple[str, bytes], ...]


def headers(
    *, event_id: str, event_type: str, source: str, subject: str, time_us: int, traceparent: str = ""
) -> Headers:
    """Return the headers of one event; `time_us` is its event time, microseconds UTC.

    `traceparent` is the W3C trace context that the event belongs to, as OpenTelemetry reads it off messages.

    A time outside the years 1970 to 9999, which a producer may have stamped on a message, is left out.

    >>> dict(headers(event_id="a", event_type="t", source="s", subject="x", time_us=1_500_000))["ce_time"]
    b'1970-01-01T00:00:01.500000+00:00'
    """
    head = (
        _VERSION,
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        _JSON,
        *(((TRACEPARENT, traceparent.encode()),) if traceparent else ()),
    )
    if not 0 <= time_us < YEAR_10000_US:
        return head
    time = EPOCH + timedelta(microseconds=time_us)
    return (*head, ("ce_time", time.isoformat(timespec="microseconds").encode()))
