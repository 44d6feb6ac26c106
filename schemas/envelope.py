"""CloudEvents 1.0 in Kafka's binary mode (domain.md 4.0): attributes as headers, the record as JSON value."""

from datetime import UTC, datetime

Headers = tuple[tuple[str, bytes], ...]


def headers(*, event_id: str, event_type: str, source: str, subject: str, time_us: int) -> Headers:
    """Return the headers of one event; `time_us` is its event time, microseconds UTC.

    >>> dict(headers(event_id="a", event_type="t", source="s", subject="x", time_us=1_500_000))["ce_time"]
    b'1970-01-01T00:00:01.500000+00:00'
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_type": event_type,
        "ce_source": source,
        "ce_subject": subject,
        "ce_time": datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="microseconds"),
        "content-type": "application/json",
    }
    return tuple((name, value.encode()) for name, value in attributes.items())
