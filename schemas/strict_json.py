"""The one way JSON gets in from a file: keys stand once, numbers are finite, depth and size bounded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from schemas.errors import ConfigError
from schemas.strict_text import MOST_BYTES, read_bytes, utf8

#: A line of a recorded stream is one message; no message is longer.
MOST_LINE_BYTES = MOST_BYTES

#: A file of lines is read whole: a few million findings.
MOST_LINES_BYTES = 2**31


def read(path: Path) -> bytes:
    """Return the bytes of a JSON file that `checked` accepts; raises ConfigError if it does not."""
    raw = utf8(read_bytes(path), str(path))
    try:
        checked(raw)
    except ValueError as error:
        line = getattr(error, "lineno", 0)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: {_said(error)}") from error
    return raw


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each line of a JSONL file that is not empty.

    Raises ConfigError if the file cannot be read or is not UTF-8. Whether a line is good is for `checked`.
    """
    raw = utf8(read_bytes(path, MOST_LINES_BYTES), str(path))
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            yield number, line


def checked(raw: bytes) -> bytes:
    """Return JSON that means one thing.

    Raises ValueError, in one sentence: no JSON, a key twice, NaN or Infinity, nested too deep, or too long.

    >>> checked(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: key 'a' stands twice; keep one
    """
    if len(raw) > MOST_LINE_BYTES:
        raise ValueError(f"longer than {MOST_LINE_BYTES:,} bytes")
    try:
        json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_bounded)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:40]!r} stands twice; keep one")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _bounded(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:24]}... is too large a number")
    return int(text)


def _said(error: ValueError) -> str:
    return f"this is no JSON: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
