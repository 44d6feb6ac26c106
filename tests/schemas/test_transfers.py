"""Payments as rows: tokens, texts, codes."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError

from schemas.ids import derived_id
from schemas.payment import AGE_BANDS, CHANNELS, PAYEE_CHECKS, PURPOSES, STATUSES, Payment
from schemas.rows.tokens import token_text, token_texts, token_words
from schemas.rows.transfers import (
    CALL_IN_PROGRESS,
    REMOTE_CONTROL,
    SCREEN_SHARE,
    of_payments,
    paid,
)
from tests.payments import transfers
from tests.schemas.records import payments, token_of, tokens

TOKEN = token_of(bytes(range(16)))


def payment(**changes: object) -> Payment:
    same = {"debtor": TOKEN, "debtor_account": TOKEN, "creditor_account": TOKEN}
    base = {"txn_id": "t", "accepted_at_us": 1, "amount_minor": 1, "currency": "CNY", **same}
    return Payment(**{**base, **changes})  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=5))
def test_a_token_is_two_words_of_its_128_bits_and_comes_back_as_text(raw: list[bytes]) -> None:
    texts = [token_of(each) for each in raw]
    words = token_words(texts)

    assert [b"".join(int(word).to_bytes(8, "big") for word in pair) for pair in words] == raw
    assert [token_text(pair) for pair in words] == token_texts(words) == texts


@pytest.mark.parametrize(
    "text",
    [
        "",
        TOKEN[:-1],
        TOKEN + "a",
        TOKEN.upper(),
        "1" * 26,
        TOKEN[:-1] + "b",
        TOKEN[:-1] + "é",
        " " + TOKEN[1:],
    ],
)
def test_what_is_not_a_token_is_refused_and_the_field_named(text: str) -> None:
    with pytest.raises(ValidationError, match=r"at `\$.debtor`"):
        token_words([TOKEN, text], "debtor")


def test_two_texts_that_only_together_have_the_length_of_two_tokens_are_refused_on_the_wire() -> None:
    parts = [payment(debtor=TOKEN + "aa"), payment(debtor=TOKEN[:-2])]

    with pytest.raises(ValidationError, match=r"length"):
        transfers([msgspec.json.encode(each) for each in parts])


@settings(max_examples=60, deadline=None)
@given(st.lists(payments, min_size=1, max_size=4))
def test_a_row_says_what_its_payment_says(drawn: list[Payment]) -> None:
    rows = transfers([msgspec.json.encode(each) for each in drawn])

    assert (rows == of_payments(drawn)).all()
    for row, told, said in zip(rows, paid(rows), drawn, strict=True):
        for name in set(told._fields) & set(said.__struct_fields__):
            written = getattr(said, name)
            if isinstance(written, str):  # of other than ASCII a row has a question mark, no zeros at its end
                written = written.encode("ascii", "replace").decode().rstrip("\0")
            assert getattr(told, name) == written
        assert (told.at_us, told.signals) == (said.accepted_at_us, row["signals"])
        for name in ("balance_after_minor", "payee_added_at_us", "creditor_opened_at_us"):
            assert row[name] == getattr(said, name)
        assert row["limit_changed_at_us"] == said.limit_changed_at_us
        assert row["new_device_age_h"] == said.new_device_age_h
        words = (STATUSES, CHANNELS, PAYEE_CHECKS, AGE_BANDS, PURPOSES)
        codes = ("status", "channel", "payee_check", "age_band", "purpose")
        assert [of[row[code]] for of, code in zip(words, codes, strict=True)] == [
            said.status, said.channel, said.payee_check, said.age_band, said.purpose_code,
        ]  # fmt: skip
        assert bool(row["signals"] & REMOTE_CONTROL) == said.remote_control
        assert bool(row["signals"] & SCREEN_SHARE) == said.screen_share
        assert bool(row["signals"] & CALL_IN_PROGRESS) == said.call_in_progress


@given(
    st.sampled_from(["txn_id", "currency"]),
    st.sampled_from(["\x00", " ", "\n", "\x7f", "é", "银", "\u2028"]),
)
def test_text_that_would_not_survive_the_row_is_refused(name: str, character: str) -> None:
    with pytest.raises(ValidationError, match=name):
        of_payments([payment(**{name: "ab" + character})])


def test_no_payments_are_no_rows() -> None:
    assert len(of_payments([])) == 0


@given(st.text(), st.lists(st.text(), max_size=3), tokens)
def test_an_id_depends_on_its_kind_and_causes_alone(kind: str, causes: list[str], other: str) -> None:
    named = derived_id(kind, *causes)

    assert named == derived_id(kind, *causes)
    assert named.removeprefix(f"{kind}_") != derived_id(f"{kind}x", *causes).removeprefix(f"{kind}x_")
    assert len(named) == len(kind) + 1 + 26
    assert named != derived_id(kind, *causes, other)


def test_rows_of_many_payments_are_those_of_each_alone() -> None:
    many = [payment(txn_id=f"t{i}", amount_minor=i + 1) for i in range(50)]

    assert (of_payments(many) == np.concatenate([of_payments([each]) for each in many])).all()
