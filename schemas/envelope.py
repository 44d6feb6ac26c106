"""CloudEvents 1.0 in Kafka's binary mode (domain.md 4.0): attributes as headers, the record as JSON value."""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from schemas.traceparent import HEADER as TRACEPARENT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: CloudEvents writes years with four digits.
YEAR_10000_US = 253_402_300_800_000_000

#: The header that makes a message an event, and that of its type.
SPECVERSION, TYPE = "ce_specversion", "ce_type"

#: A header of an attribute (Kafka Protocol Binding 1.0.2, 3.2.3); what the data are says `content-type`.
_ATTRIBUTE = re.compile("ce_([a-z0-9]{1,64})")
_OF_DATA = frozenset({"data", "datacontenttype"})
_CONTENT_TYPE = "content-type"
_OF_JSON = re.compile(r"[a-z0-9.+-]+/(?:json|[a-z0-9.+-]+\+json)")

_VERSION, _JSON = (SPECVERSION, b"1.0"), (_CONTENT_TYPE, b"application/json")

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
        (TYPE, event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        _JSON,
        *(((TRACEPARENT, traceparent.encode()),) if traceparent else ()),
    )
    if not 0 <= time_us < YEAR_10000_US:
        return head
    second, part_us = divmod(time_us, 1_000_000)
    return (*head, ("ce_time", b"%b.%06d+00:00" % (_second(second), part_us)))


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    """Write a second since 1970; events of a batch share few."""
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19].encode()


def structured(headers: Sequence[tuple[str, bytes | None]], value: bytes) -> bytes:
    """Return an event of binary mode as structured mode has it: attributes around `data`, which stay as sent.

    Data that are not JSON, by their header `content-type`, are base64 in `data_base64`. A message that is in
    structured mode already, or none, is left alone. Of equal headers the last counts.

    >>> structured([("ce_specversion", b"1.0"), ("ce_id", b"a")], b'{"b": 1}')
    b'{"specversion":"1.0","id":"a","data":{"b": 1}}'
    """
    said = {name.lower(): (text or b"").decode("utf-8", "replace") for name, text in headers}
    media = said.get(_CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if SPECVERSION not in said or media.startswith("application/cloudevents"):
        return value
    attributes = {
        found[1]: text
        for name, text in said.items()
        if (found := _ATTRIBUTE.fullmatch(name)) and found[1] not in _OF_DATA
    }
    if media:
        attributes["datacontenttype"] = said[_CONTENT_TYPE]
    if value and media and not _OF_JSON.fullmatch(media):
        return msgspec.json.encode({**attributes, "data_base64": base64.b64encode(value).decode()})
    head = msgspec.json.encode(attributes)
    return b'%b,"data":%b}' % (head[:-1], value) if value else head
