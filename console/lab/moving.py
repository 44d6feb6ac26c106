"""Recorded messages as if they were made today: all times moved by one span."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from schemas.iso20022.document import is_xml

Message = tuple[bytes | None, bytes]

#: Of JSON, microseconds since 1970 by the ending of a field's name.
_JSON = re.compile(rb'("[a-z_]*_us"\s*:\s*)([1-9][0-9]{14,15})(?![0-9.])')

#: Of XML, an element that holds a time of ISO 8601, or a day.
_XML = re.compile(
    rb">\s*([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)\s*<"
)
_XML_DAY = re.compile(rb">\s*([0-9]{4}-[0-9]{2}-[0-9]{2})\s*<")


def moved(messages: Sequence[Message], now_us: int) -> list[Message]:
    """Return messages with all their times moved by one span, by which the newest becomes `now_us`.

    Days without an hour move by whole days.

    >>> moved([(None, b'{"accepted_at_us": 1756717200000000, "n": 7}')], 1756717200000009)
    [(None, b'{"accepted_at_us": 1756717200000009, "n": 7}')]
    """
    newest_us = max((each for _, value in messages for each in _times_us(value)), default=now_us)
    return [(key, _moved(value, now_us - newest_us)) for key, value in messages]


def _times_us(value: bytes) -> list[int]:
    if is_xml(value):
        return [_us(found) for found in _XML.findall(value)]
    return [int(found) for _, found in _JSON.findall(value)]


def _moved(value: bytes, span_us: int) -> bytes:
    if not is_xml(value):
        return _JSON.sub(lambda found: found[1] + b"%d" % (int(found[2]) + span_us), value)
    span = timedelta(microseconds=span_us)
    value = _XML.sub(_in_place(lambda text: _text(_instant(text) + span)), value)
    return _XML_DAY.sub(
        _in_place(lambda text: (date.fromisoformat(text) + timedelta(span.days)).isoformat()), value
    )


def _in_place(change: Callable[[str], str]) -> Callable[[re.Match[bytes]], bytes]:
    def changed(found: re.Match[bytes]) -> bytes:
        try:
            return found[0].replace(found[1], change(found[1].decode()).encode())
        except ValueError:  # no such day: whoever reads it says so
            return found[0]

    return changed


def _us(text: bytes) -> int:
    try:
        return round(_instant(text.decode()).timestamp() * 1_000_000)
    except ValueError:
        return 0


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")
