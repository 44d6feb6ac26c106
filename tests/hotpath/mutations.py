"""Ways in which a message can be broken, drawn from a seed."""

import json
import random
from collections.abc import Callable
from typing import Any

WORDS = [
    "",
    "\x00",
    "é",
    "银行卡",
    "\ud83d",
    "A" * 27,
    "a" * 26,
    "NaN",
    "null",
    "x" * 300,
    "' OR 1=1",
    "\n",
    "7" * 26,
]
NUMBERS = [0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63), 10**40, 1.5, 1e308, True, None]
TREES: list[Any] = [[], {}, [1, [2, [3]]], {"a": {"b": None}}, [None] * 50]
RAW = [
    b"", b"{", b"null", b"[]", b"[{}]", b"true", b"NaN", b'"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"0" * 50,
    b"[" * 5000, b'{"a":' * 5000, b"\x00" * 10, b'{"txn_id":"\xc3"}', b"{} {}",
]  # fmt: skip


def mutated(value: bytes, draw: random.Random) -> bytes:
    """Break a message one to three times."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        value = draw.choice(WAYS)(value, draw)
    return value


def _flip(value: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(value) or 1)
    return value[:at] + bytes([draw.randrange(256)]) + value[at + 1 :]


def _cut(value: bytes, draw: random.Random) -> bytes:
    return value[: draw.randrange(len(value) + 1)]


def _insert(value: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(value) + 1)
    return value[:at] + draw.randbytes(draw.randrange(1, 9)) + value[at:]


def _swap(value: bytes, draw: random.Random) -> bytes:
    at, to = sorted(draw.randrange(len(value) + 1) for _ in range(2))
    return value[to:] + value[at:to] + value[:at]


def _enlarge(value: bytes, draw: random.Random) -> bytes:
    return value + b" " * draw.choice((10, 15_000, 17_000))


def _replace_all(value: bytes, draw: random.Random) -> bytes:
    return draw.choice(RAW)


def _field(change: Callable[[dict[str, Any], str, random.Random], None]) -> Callable[..., bytes]:
    def way(value: bytes, draw: random.Random) -> bytes:
        try:
            fields = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if not isinstance(fields, dict) or not fields:
            return value
        change(fields, draw.choice(sorted(fields)), draw)
        return json.dumps(fields, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")

    return way


def _drop(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    del fields[name]


def _word(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    fields[name] = draw.choice(WORDS)


def _number(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    fields[name] = draw.choice(NUMBERS)


def _tree(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    fields[draw.choice((name, "tomorrow"))] = draw.choice(TREES)


def _letter(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    text = str(fields[name])
    at = draw.randrange(len(text) or 1)
    fields[name] = text[:at] + draw.choice("aZ7{é \x00") + text[at + 1 :]


def _shift(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    fields["accepted_at_us"] = draw.choice((0, 1, 2**53, 1_756_656_000_000_000 + 400 * 86_400_000_000))


def _harmless(fields: dict[str, Any], name: str, draw: random.Random) -> None:
    fields["tomorrow"] = draw.random()


WAYS: tuple[Callable[..., bytes], ...] = (
    _flip, _cut, _insert, _swap, _enlarge, _replace_all,
    *map(_field, (_drop, _word, _word, _number, _number, _tree, _letter, _letter, _shift, _harmless)),
)  # fmt: skip
