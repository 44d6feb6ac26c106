"""Bytes of a file that a person wrote: UTF-8, with or without a byte order mark, of a bounded size."""

import codecs
from pathlib import Path

from schemas.errors import ConfigError, cause

#: No settings file is longer; a recorded stream is read by the line.
MOST_BYTES = 1_048_576

#: Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: it cannot be read or is longer than `most` bytes.

    """
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise ConfigError(f"{path} cannot be read: {cause(error)}; give another path") from error
    if len(raw) > most:
        raise ConfigError(f"{path} is longer than {most:,} bytes; no such file is, so give another path")
    return raw


def utf8(raw: bytes, name: str) -> bytes:
    r"""Return UTF-8 bytes without their byte order mark.

    Raises:
        ConfigError: they are in another encoding; names the line, and what to do.

    >>> utf8(b"\xef\xbb\xbfa: 1", "a.yaml")
    b'a: 1'

    """
    raw = raw.removeprefix(codecs.BOM_UTF8)
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and b"\x00" in raw[:2]:
        encoding = "UTF-16"
    if encoding:
        raise ConfigError(f"{name}:1: the file is in {encoding}; save it as UTF-8")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}:{line}: byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from error
    return raw


def is_number(text: str) -> bool:
    """Tell whether a text is digits of ASCII and nothing else: what `int` reads as a person means it.

    `str.isdigit` takes "²", which `int` refuses, and digits of other scripts, which look like others.

    >>> is_number("2026"), is_number("²"), is_number("１２"), is_number("")
    (True, False, False, False)
    """
    return text.isascii() and text.isdigit()
