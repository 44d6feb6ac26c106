"""Tokens as numbers: 26 letters of base32 are 128 bits, two words of 64."""

from collections.abc import Sequence

import numpy as np
from msgspec import ValidationError
from numpy.typing import NDArray

from schemas.ids import LETTERS, base32
from schemas.rows.compiled import compiled, inlined

Words = NDArray[np.uint64]

TOKEN_LETTERS = 26


def _letter_values() -> NDArray[np.uint8]:
    """Return the value of every octet as a letter of base32; 255 is none."""
    table = np.full(256, 255, np.uint8)
    table[np.frombuffer(LETTERS.encode(), np.uint8)] = np.arange(32)
    return table


_VALUES = _letter_values()
_LETTERS = np.frombuffer(LETTERS.encode(), np.uint8)
_PLACES = np.array([16, 8, 4, 2, 1], np.uint8)


def token_words(tokens: Sequence[str], name: str = "token") -> Words:
    """Return 128-bit tokens as uint64[n, 2].

    >>> token_text(token_words(["abcdefghijklmnopqrstuvwxya"])[0])
    'abcdefghijklmnopqrstuvwxya'

    Raises:
        ValidationError: a token is not 26 letters of lower-case base32.

    """
    letters = np.frombuffer(ascii_bytes(name, "".join(tokens)), np.uint8)
    words = np.empty((len(tokens), 2), np.uint64)
    if len(letters) != TOKEN_LETTERS * len(tokens) or not _pack(letters, words):
        raise ValidationError(f"Expected a token of 26 base32 letters (a-z, 2-7) - at `$.{name}`")
    return words


def token_text(words: Words) -> str:
    """Return the token of uint64[2]."""
    return base32(int(words[0]) << 64 | int(words[1]))


def token_texts(words: Words) -> list[str]:
    """Return the tokens of uint64[n, 2]; the inverse of `token_words`.

    >>> token_texts(token_words(["abcdefghijklmnopqrstuvwxya"] * 2)) == ["abcdefghijklmnopqrstuvwxya"] * 2
    True
    """
    bits = np.zeros((len(words), TOKEN_LETTERS * 5), np.uint8)
    bits[:, :128] = np.unpackbits(words.astype(">u8", order="C").view(np.uint8), axis=-1).reshape(-1, 128)
    letters = _LETTERS[bits.reshape(-1, 5) @ _PLACES].tobytes().decode()
    return [letters[start : start + TOKEN_LETTERS] for start in range(0, len(letters), TOKEN_LETTERS)]


def ascii_bytes(name: str, text: str) -> bytes:
    """Return the text of field `name` as bytes.

    Raises:
        ValidationError: it holds other characters than ASCII.

    """
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValidationError(f"Expected ASCII characters only - at `$.{name}`") from error


@inlined
def packed(letters: NDArray[np.uint8], start: int) -> tuple[bool, np.uint64, np.uint64]:
    """Pack 26 letters into two words, big end first; the last letter holds three bits. False: no token."""
    high, low = np.uint64(0), np.uint64(0)
    for place in range(TOKEN_LETTERS):
        value = np.uint64(_VALUES[letters[start + place]])
        last = place == TOKEN_LETTERS - 1
        if value > 31 or (last and value & np.uint64(3)):
            return False, high, low
        bits = np.uint64(3 if last else 5)
        value >>= np.uint64(5) - bits
        high = (high << bits) | (low >> (np.uint64(64) - bits))
        low = (low << bits) | value
    return True, high, low


@compiled
def _pack(letters: NDArray[np.uint8], words: Words) -> bool:
    for row in range(len(words)):
        whole, words[row, 0], words[row, 1] = packed(letters, row * TOKEN_LETTERS)
        if not whole:
            return False
    return True
