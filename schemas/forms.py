"""What a value that is no JSON object looks like, and how its producer is mended."""

import re
from collections.abc import Callable

#: How compressed bytes begin: gzip, zstd, lz4, and snappy in its two framings.
_COMPRESSED = (b"\x1f\x8b", b"(\xb5/\xfd", b"\x04\x22\x4d\x18", b"\xff\x06\x00\x00sNaPpY", b"\x82SNAPPY\x00")
_NO_NUMBER = re.compile(rb"[:,\[]\s*-?(NaN|Infinity|inf|nan)\b")
_SURROGATE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F])"
)

_FORMS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda value: not value, "send no message without a value: nothing here is deleted by one"),
    (
        lambda value: value.startswith(b"\xef\xbb\xbf"),
        "it begins with a byte order mark; write UTF-8 without one",
    ),
    (
        lambda value: value.startswith((b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")),
        "this looks like UTF-16; write UTF-8",
    ),
    (
        lambda value: value.startswith(_COMPRESSED),
        "this looks compressed; leave that to the Kafka client (its option compression.type)",
    ),
    (
        lambda value: value.startswith(b"\x00"),
        "this looks like Avro or Protobuf of a schema registry; configure a JSON serializer without schema",
    ),
    (
        lambda value: value.startswith(b"["),
        "write one JSON object a message, in a file one a line, and no array",
    ),
    (
        lambda value: value.startswith(b'"{') or value.startswith(b'"\\"{'),
        "this is JSON within a string; serialize it once",
    ),
    (
        lambda value: value.startswith(b"{'"),
        "this looks like a dict of Python as text; write it with json.dumps",
    ),
    (
        lambda value: value.startswith(b"{") and not value.rstrip().endswith(b"}"),
        "the object is cut off, or spread over several lines; write each message in one line",
    ),
    (
        lambda value: b"," in value and not value.startswith((b"{", b"<")),
        "this looks like a table; make messages of it with: stopline import",
    ),
    (
        lambda value: _NO_NUMBER.search(value) is not None,
        "NaN and Infinity are no JSON; leave out a number that is unknown",
    ),
    (
        lambda value: _SURROGATE.search(value) is not None,
        "half a character stands in it (a surrogate alone); cut texts between characters, write UTF-8",
    ),
)

#: Every next step that a form may have.
MENDS = tuple(mend for _, mend in _FORMS)


def mend_of_form(value: bytes) -> str:
    """Return the next step for a value that is no JSON object, as it looks; "" if nothing is known.

    >>> mend_of_form(b"{'amount_minor': 5}")
    'this looks like a dict of Python as text; write it with json.dumps'
    >>> mend_of_form(b'{"amount_minor": 5}')
    ''
    """
    value = value.lstrip(b" \t\r\n")
    return next((mend for looks, mend in _FORMS if looks(value)), "")
