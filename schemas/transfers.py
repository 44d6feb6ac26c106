"""Payments as rows of numbers: what the stream and training compute on.

`transfers` decodes a block of messages at once. The row holds everything the hot path needs, so that no
text travels through it but the transaction id, which alerts must name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import ValidationError
from numpy.typing import NDArray

from schemas.compiled import compiled
from schemas.ids import base32
from schemas.payment import AGE_BANDS, CHANNELS, PAYEE_CHECKS, PURPOSES, STATUSES, Payment

Rows = NDArray[np.void]
Words = NDArray[np.uint64]

#: Bits of `signals`: what the payer's device shows while he pays.
REMOTE_CONTROL, SCREEN_SHARE, CALL_IN_PROGRESS = 1, 2, 4

#: One payment. Times are microseconds UTC, amounts minor units, -1 is unknown; tokens are two words.
TRANSFER = np.dtype(
    [
        ("txn_id", "S35"),
        ("currency", "S3"),
        ("status", "u1"),
        ("signals", "u1"),
        ("at_us", "i8"),
        ("amount_minor", "i8"),
        ("debtor", "u8", 2),
        ("debtor_account", "u8", 2),
        ("creditor_account", "u8", 2),
        ("balance_after_minor", "i8"),
        ("payee_added_at_us", "i8"),
        ("creditor_opened_at_us", "i8"),
        ("limit_changed_at_us", "i8"),
        ("new_device_age_h", "i4"),
        ("channel", "u1"),
        ("payee_check", "u1"),
        ("age_band", "u1"),
        ("purpose", "u1"),
        ("partition", "i4"),
        ("offset", "i8"),
        ("received_us", "i8"),
        ("clearing_serial", "S35"),
    ],
    align=True,
)

_CODES: Mapping[str, Mapping[str, int]] = {
    name: {word: code for code, word in enumerate(words)}
    for name, words in (
        ("status", STATUSES),
        ("channel", CHANNELS),
        ("payee_check", PAYEE_CHECKS),
        ("age_band", AGE_BANDS),
        ("purpose_code", PURPOSES),
    )
}
_TOKENS = ("debtor", "debtor_account", "creditor_account")
_NUMBERS = (
    "amount_minor", "balance_after_minor", "payee_added_at_us", "creditor_opened_at_us",
    "limit_changed_at_us", "new_device_age_h",
)  # fmt: skip
_SIGNALS = {
    "remote_control": REMOTE_CONTROL, "screen_share": SCREEN_SHARE, "call_in_progress": CALL_IN_PROGRESS
}  # fmt: skip
_DECODE = msgspec.json.Decoder(Payment).decode
_TOKEN_LETTERS = 26
_BAD = 255


def _alphabet() -> NDArray[np.uint8]:
    table = np.full(256, _BAD, np.uint8)
    for value, letter in enumerate(b"abcdefghijklmnopqrstuvwxyz234567"):
        table[letter] = value
    return table


_ALPHABET = _alphabet()


def transfers(values: Sequence[bytes]) -> Rows:
    """Decode payments, TRANSFER[n]; `partition`, `offset` and `received_us` are left 0.

    Raises:
        ValidationError: at least one is not a payment of version 1; the text names the field.
        DecodeError: at least one is not JSON.

    """
    return of_payments([*map(_DECODE, values)])


def of_payments(payments: Sequence[Payment]) -> Rows:
    """Return `payments` as TRANSFER[n].

    Raises:
        ValidationError: a token, currency or transaction id holds a character it may not.

    """
    if not payments:
        return np.empty(0, TRANSFER)
    columns = zip(*map(msgspec.structs.astuple, payments), strict=True)
    return of_columns(dict(zip(Payment.__struct_fields__, columns, strict=True)), len(payments))


def of_columns(columns: Mapping[str, Sequence[Any]], rows: int) -> Rows:
    """Return equally long columns named as in `Payment` as TRANSFER[rows].

    Raises:
        ValidationError: see `of_payments`.

    """
    out = np.zeros(rows, TRANSFER)
    out["txn_id"] = _ascii("txn_id", columns["txn_id"], 35)
    out["currency"] = _ascii("currency", columns["currency"], 3)
    out["at_us"] = np.fromiter(columns["accepted_at_us"], np.int64, rows)
    if any(columns["clearing_serial"]):
        out["clearing_serial"] = [serial.encode("ascii", "replace") for serial in columns["clearing_serial"]]
    for name in _NUMBERS:
        out[name] = np.fromiter(columns[name], np.int64, rows)
    for name in _TOKENS:
        out[name] = token_words(columns[name], name)
    for name, codes in _CODES.items():
        out[name.removesuffix("_code")] = np.frombuffer(
            bytes(map(codes.__getitem__, columns[name])), np.uint8
        )
    for name, bit in _SIGNALS.items():
        out["signals"] |= np.frombuffer(bytes(columns[name]), np.uint8) * np.uint8(bit)
    return out


def token_words(tokens: Sequence[str], name: str = "token") -> Words:
    """Return 128-bit tokens as uint64[n, 2].

    >>> token_text(token_words(["abcdefghijklmnopqrstuvwxya"])[0])
    'abcdefghijklmnopqrstuvwxya'

    Raises:
        ValidationError: a token is not 26 letters of lower-case base32.

    """
    letters = np.frombuffer(_bytes(name, "".join(tokens)), np.uint8)
    words = np.empty((len(tokens), 2), np.uint64)
    if len(letters) != _TOKEN_LETTERS * len(tokens) or not _pack(letters, _ALPHABET, words):
        raise ValidationError(f"Expected a token of 26 base32 letters (a-z, 2-7) - at `$.{name}`")
    return words


def token_text(words: Words) -> str:
    """Return the token of uint64[2]; the inverse of `token_words`."""
    return base32(int(words[0]) << 64 | int(words[1]))


def _bytes(name: str, text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValidationError(f"Expected ASCII characters only - at `$.{name}`") from error


def _ascii(name: str, texts: Sequence[str], size: int) -> NDArray[np.bytes_]:
    letters = np.frombuffer(_bytes(name, "".join(texts)), np.uint8)
    if ((letters <= _BLANK) | (letters == _DELETE)).any():
        raise ValidationError(f"Expected printable ASCII characters without blanks - at `$.{name}`")
    return np.array(texts, f"S{size}")


_BLANK, _DELETE = 32, 127


@compiled
def _pack(letters: NDArray[np.uint8], alphabet: NDArray[np.uint8], words: Words) -> bool:
    """Pack 26 letters per token into two words, big end first; the last letter holds three bits."""
    for row in range(len(words)):
        high, low = np.uint64(0), np.uint64(0)
        for place in range(26):
            value = np.uint64(alphabet[letters[row * 26 + place]])
            if value > 31 or (place == 25 and value & np.uint64(3)):
                return False
            bits = np.uint64(3 if place == 25 else 5)
            value >>= np.uint64(5) - bits
            high = (high << bits) | (low >> (np.uint64(64) - bits))
            low = (low << bits) | value
        words[row, 0], words[row, 1] = high, low
    return True
