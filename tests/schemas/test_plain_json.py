"""The compiled reader says what msgspec says, or nothing."""

import json
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from schemas.payment import Payment
from schemas.rows import plain_json
from schemas.rows.plain_json import Column, plan
from schemas.rows.transfers import PLAN, TRANSFER, of_payments
from schemas.rows.values import Values
from tests.payments import transfers
from tests.schemas.records import payments

SPACED = {"separators": (" , ", "\t:\n"), "indent": 1}


def is_plain(*values: bytes) -> list[bool]:
    return plain_json.read(PLAN, Values.of(values), TRANSFER)[1].tolist()


def agrees(value: bytes) -> bool:
    """Tell whether the message is plain; what is plain must be what msgspec reads."""
    rows, plain = plain_json.read(PLAN, Values.of([value]), TRANSFER)
    if plain[0]:
        assert rows.tobytes() == of_payments([msgspec.json.decode(value, type=Payment)]).tobytes()
    return bool(plain[0])


@settings(max_examples=100, deadline=None)
@given(payments, st.booleans(), st.randoms(use_true_random=False))
def test_keys_may_stand_in_any_order_with_any_blanks(
    drawn: Payment, spaced: bool, order: random.Random
) -> None:
    fields = list(json.loads(msgspec.json.encode(drawn)).items())
    order.shuffle(fields)
    text = json.dumps(dict(fields), ensure_ascii=False, **(SPACED if spaced else {}))  # type: ignore[arg-type]

    assert agrees(f" {text}\r\n".encode()) == (text.isascii() and "\\" not in text and "\x7f" not in text)


@settings(max_examples=400, deadline=None)
@given(payments, st.data())
def test_a_mutated_message_is_read_as_msgspec_reads_it_or_not_at_all(
    drawn: Payment, data: st.DataObject
) -> None:
    value = bytearray(msgspec.json.encode(drawn))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(value) - 1))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=1))
        value[place : place + data.draw(st.integers(0, 2))] = piece

    agrees(bytes(value))


PIECES = [
    b"", b"0", b"-", b"9" * 19, b".0", b"e1", b'"', b"\\", b"\\u0061", b",", b"{", b"}", b"[", b" ", b"\n",
    b"\0", b"null", b"true", b"nul", b'"x":1,', b'"x":"y",', b'"x":{},', b'"x":-0,', b'"amount_minor":7,',
    "银".encode(),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "plain"),
    [
        ({"amount_minor": 2**53}, True),
        ({"amount_minor": 2**53 + 1}, False),
        ({"amount_minor": 0}, False),
        ({"amount_minor": 1.0}, False),
        ({"amount_minor": "1"}, False),
        ({"balance_after_minor": -1}, True),
        ({"balance_after_minor": -2}, False),
        ({"txn_id": "a" * 36}, True),
        ({"txn_id": "a" * 37}, False),
        ({"txn_id": ""}, False),
        ({"txn_id": "a b"}, False),
        ({"txn_id": 'a"b'}, False),
        ({"status": "SETTLED"}, True),
        ({"status": "SETTLE"}, False),
        ({"status": "SETTLEDX"}, False),
        ({"channel": ""}, False),
        ({"age_band": ""}, True),
        ({"remote_control": True}, True),
        ({"remote_control": 1}, False),
        ({"remote_control": None}, False),
        ({"debtor": "a" * 25 + "b"}, False),
        ({"debtor": "a" * 25}, False),
        ({"debtor_agent": "x" * 14}, True),
        ({"debtor_agent": "x" * 15}, False),
        ({"of_a_newer_writer": "a b"}, True),
        ({"of_a_newer_writer": -12}, True),
        ({"of_a_newer_writer": False}, True),
        ({"of_a_newer_writer": [1]}, False),
        ({"of_a_newer_writer": 1.5}, False),
    ],
)
def test_what_is_plain_and_what_is_left_to_msgspec(change: dict[str, object], plain: bool) -> None:
    assert agrees(json.dumps(BASE | change).encode()) == plain


TOKEN = "abcdefghijklmnopqrstuvwxya"
BASE = {
    "txn_id": "t", "accepted_at_us": 1, "amount_minor": 1, "currency": "CNY", "debtor": TOKEN,
    "debtor_account": TOKEN, "creditor_account": TOKEN,
}  # fmt: skip


@pytest.mark.parametrize("name", list(BASE))
def test_a_record_that_lacks_a_required_field_is_not_plain(name: str) -> None:
    assert not agrees(json.dumps({key: value for key, value in BASE.items() if key != name}).encode())


def test_a_key_said_twice_is_left_to_msgspec() -> None:
    assert not agrees(json.dumps(BASE).encode()[:-1] + b',"txn_id":"u"}')


def test_no_message_is_read_into_the_next() -> None:
    whole = json.dumps(BASE).encode()
    for cut in range(1, len(whole)):
        assert is_plain(whole[:cut], whole[cut:], whole) == [False, False, True]


def test_plain_messages_among_others_keep_their_rows() -> None:
    whole = json.dumps(BASE).encode()
    escaped = whole.replace(b'"t"', b'"\\u0074"')
    rows = transfers([whole, escaped, whole, escaped])

    assert is_plain(whole, escaped) == [True, False]
    assert [row.tobytes() for row in rows] == [rows[0].tobytes()] * 4


def test_a_field_of_another_type_is_refused_when_the_plan_is_made() -> None:
    class Odd(Struct):
        ratio: float

    with pytest.raises(TypeError, match=r"Odd\.ratio"):
        plan(Odd, np.dtype([("ratio", "f8")]), {"ratio": Column("ratio")})
