"""Tokens: one value gives one token, however it is spelt, and nobody can read it back from a key file."""

import stat
from pathlib import Path

import pytest

from schemas import token_keys
from schemas.errors import ConfigError
from schemas.token_recipe import normalised, token, tokens

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    ("scheme", "spellings"),
    [
        ("IBAN", ["GB82WEST12345698765432", "gb82 west 1234 5698 7654 32", "GB82-WEST-1234-5698-7654-32"]),
        ("PHONE", ["+44 121 234 5678", "0121 234 5678", "+44(0)1212345678"]),
        ("CARD", ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"]),
        ("NAME", ["Anna Smith", "ANNA  SMITH", "Ａｎｎａ Ｓｍｉｔｈ"]),
        ("ACCOUNT", ["12-34-56 78901234", "12345678901234", "１２３４５６ 78901234"]),
    ],
)
def test_spellings_of_one_value_give_one_token(scheme: str, spellings: list[str]) -> None:
    assert len({token(SECRET, scheme, spelling, "GB") for spelling in spellings}) == 1


def test_the_same_digits_under_another_scheme_or_secret_are_another_token() -> None:
    made = {
        token(secret, scheme, "4111111111111111")
        for scheme in ("CARD", "ACCOUNT")
        for secret in (SECRET, bytes(32))
    }

    assert len(made) == 4


@pytest.mark.parametrize(
    ("scheme", "value"),
    [("IBAN", "GB82WEST12345698765433"), ("PHONE", "0121 234 5678"), ("CARD", "41x1"), ("ACCOUNT", " - ")],
)
def test_what_is_no_value_of_its_scheme_is_refused_without_repeating_it(scheme: str, value: str) -> None:
    with pytest.raises(ValueError) as refused:
        normalised(scheme, value)

    assert value.strip(" -") == "" or value not in str(refused.value)
    assert tokens(SECRET, scheme, [value]) == {}


def test_a_key_file_is_for_its_owner_alone_and_its_newest_secret_is_used(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "tokens.json"
    token_keys.add(path, "2026-11")
    first = token_keys.secret(path)
    token_keys.add(path, "2026-12")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token_keys.secret(path) != first == token_keys.secret(path, "2026-11")
    with pytest.raises(ConfigError, match="has an epoch '2026-12' already"):
        token_keys.add(path, "2026-12")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '[{"name":"a","secret":"c2hvcnQ="}]', '[{"name":"a","secret":"*"}]']
)
def test_a_key_file_that_cannot_be_used_is_refused_with_the_next_step(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)

    with pytest.raises(ConfigError, match="stopline tokens keygen"):
        token_keys.secret(path)
