"""Payments as rows of numbers: what the stream and training compute on.

Messages are decoded a block at once: `plain_transfers`, then `full_transfers` what it left. A row holds
everything the hot path needs, so that no text travels through it but the transaction id, which alerts
must name.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import ValidationError
from numpy.typing import NDArray

from schemas import traceparent
from schemas.payment import AGE_BANDS, CHANNELS, PAYEE_CHECKS, PURPOSES, STATUSES, Payment
from schemas.rows import Rows
from schemas.rows.plain_json import Column, plan, read
from schemas.rows.tokens import ascii_bytes, token_texts, token_words
from schemas.rows.values import Values

#: Bits of `signals`: what the payer's device shows while he pays.
REMOTE_CONTROL, SCREEN_SHARE, CALL_IN_PROGRESS = 1, 2, 4

#: One payment. Times are microseconds UTC, amounts minor units, -1 is unknown; tokens are two words.
#: `payer_listed` and `payee_listed` are what version `lists` of the registry says, 0 where it is not asked;
#: `traceparent` is the message's, as `schemas.traceparent` has it.
TRANSFER = np.dtype(
    [
        ("txn_id", "S36"),
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
        ("payer_listed", "u2"),
        ("payee_listed", "u2"),
        ("offset", "i8"),
        ("received_us", "i8"),
        ("clearing_serial", "S35"),
        ("debtor_agent", "S14"),
        ("creditor_agent", "S14"),
        ("lists", "u4"),
        ("traceparent", "u8", 4),
    ],
    align=True,
)


class Paid(NamedTuple):
    """What alerts and warnings tell of a payment, as values of Python; tokens as text."""

    txn_id: str
    debtor: str
    debtor_account: str
    creditor_account: str
    amount_minor: int
    currency: str
    at_us: int
    signals: int
    debtor_agent: str
    creditor_agent: str
    partition: int
    offset: int
    received_us: int
    lists: int = 0
    traceparent: str = ""


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
_TEXTS = ("clearing_serial", "debtor_agent", "creditor_agent")
_TOKENS = ("debtor", "debtor_account", "creditor_account")
_NUMBERS = (
    "accepted_at_us", "amount_minor", "balance_after_minor", "payee_added_at_us", "creditor_opened_at_us",
    "limit_changed_at_us", "new_device_age_h",
)  # fmt: skip
_SIGNALS = {
    "remote_control": REMOTE_CONTROL, "screen_share": SCREEN_SHARE, "call_in_progress": CALL_IN_PROGRESS
}  # fmt: skip
_DECODE = msgspec.json.Decoder(Payment).decode

#: Fields a payment is scored without.
_SOFT = frozenset(f.name for f in msgspec.structs.fields(Payment) if not f.required) - {"status"}

#: What a word that is not in a field's list becomes; where there is none, the field is absent.
_OTHER = {"channel": "OTHER", "purpose_code": "OTHR"}

#: How others write a yes or no.
_YES_NO = {
    **dict.fromkeys(("1", "true", "yes", "y"), True),
    **dict.fromkeys(("0", "false", "no", "n"), False),
}

#: Where a message breaks its contract, as msgspec says it.
_PLACE = re.compile(r" - at `\$\.([a-z0-9_]+)`$")

#: Where the fields of a payment go.
_COLUMNS = {name: Column(name) for name in TRANSFER.fields or () if name in Payment.__struct_fields__} | {
    "accepted_at_us": Column("at_us"),
    "purpose_code": Column("purpose"),
    **{name: Column("signals", bit) for name, bit in _SIGNALS.items()},
}

#: How payments become rows.
PLAN = plan(Payment, TRANSFER, _COLUMNS)


def paid(transfers: Rows) -> list[Paid]:
    """Return TRANSFER[n] as `Paid`, a column at a time."""
    columns = [_values(transfers[name]) for name in Paid._fields]
    return list(map(Paid._make, zip(*columns, strict=True)))


def _values(column: NDArray[Any]) -> list[Any]:
    if column.ndim > 1:
        return traceparent.texts(column) if column.shape[1] == traceparent.WORDS else token_texts(column)
    values: list[Any] = (column.astype(str) if column.dtype.kind == "S" else column).tolist()
    return values


def plain_transfers(values: Values) -> tuple[Rows, NDArray[np.bool_]]:
    """Decode the payments among messages that are plain JSON, TRANSFER[n]; tell which those are.

    `partition`, `offset`, `received_us` and `traceparent` are left 0.
    """
    return read(PLAN, values, TRANSFER)


def full_transfers(values: Sequence[bytes]) -> tuple[Rows, Counter[str]]:
    """Decode payments in whatever JSON; count by name the optional fields that were as if absent.

    A refused payment is not scored, so an optional field costs it nothing: null is absent, a word that is not
    in the contract's list is the list's other word, and what else breaks the contract is absent. Required
    fields, and `status`, which says whether a payment is scored at all, stay strict.

    Raises:
        ValidationError: at least one is not a payment of version 1; the text names the field.
        DecodeError: at least one is not JSON.

    """
    softened: Counter[str] = Counter()
    return of_payments([_softly(value, softened) for value in values]), softened


def _softly(value: bytes, softened: Counter[str]) -> Payment:
    try:
        return _DECODE(value)
    except ValidationError as refusal:
        fields = msgspec.json.decode(value)
        if not isinstance(fields, dict):
            raise
        return _without_faults(fields, refusal, softened)


def _without_faults(fields: dict[str, Any], refusal: ValidationError, softened: Counter[str]) -> Payment:
    """Take optional fields out, one fault after the other, until what is left is a payment."""
    for _ in _SOFT:
        at = _PLACE.search(str(refusal))
        name = at[1] if at else ""
        if name not in _SOFT or name not in fields:
            raise refusal
        said = _understood(name, fields.pop(name))
        if said is not None:
            fields[name] = said
        softened[name] += 1
        try:
            return msgspec.convert(fields, Payment)
        except ValidationError as error:
            refusal = error
    raise refusal


def _understood(name: str, value: Any) -> Any:
    """Return what a value that breaks the contract says all the same; None if nothing."""
    if name in _SIGNALS:
        return _YES_NO.get(str(value).lower())
    return _OTHER.get(name) if isinstance(value, str) else None


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
    out["txn_id"] = _ascii("txn_id", columns["txn_id"], 36)
    out["currency"] = _ascii("currency", columns["currency"], 3)
    for name in _TEXTS:
        if any(columns[name]):
            out[name] = [text.encode("ascii", "replace") for text in columns[name]]
    for name in _NUMBERS:
        out[_COLUMNS[name].name] = np.fromiter(columns[name], np.int64, rows)
    for name in _TOKENS:
        out[name] = token_words(columns[name], name)
    for name, codes in _CODES.items():
        coded = bytes(map(codes.__getitem__, columns[name]))
        out[_COLUMNS[name].name] = np.frombuffer(coded, np.uint8)
    for name in _SIGNALS:
        column, bit = _COLUMNS[name]
        out[column] |= np.frombuffer(bytes(columns[name]), np.uint8) * np.uint8(bit)
    return out


def _ascii(name: str, texts: Sequence[str], size: int) -> NDArray[np.bytes_]:
    letters = np.frombuffer(ascii_bytes(name, "".join(texts)), np.uint8)
    if ((letters <= _BLANK) | (letters == _DELETE)).any():
        raise ValidationError(f"Expected printable ASCII characters without blanks - at `$.{name}`")
    return np.array(texts, f"S{size}")


_BLANK, _DELETE = 32, 127
