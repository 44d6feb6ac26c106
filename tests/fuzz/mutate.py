"""Ways to break an input: by its structure where it is JSON, by its lines where it is text, by its bytes."""

import json
import random
from collections.abc import Callable
from typing import Any

NUMBERS: list[Any] = [
    0, -1, 1, 127, 2**15, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31),
    -(2**63), -(2**63) - 1, 10**30, 10**400, 1.5, -0.0, 1e308, 5e-324, True, False, None,
    1_756_656_000, 1_756_656_000_000, 1_756_656_000_000_000, 1_756_656_000_000_000_000,
]  # fmt: skip
WORDS: list[Any] = [
    "", " ", "\x00", "é", "银行卡", "\ud83d", "\u202e", "A" * 26, "a" * 26, "7" * 26, "x" * 300, "x" * 70_000,
    "../../etc/passwd", "../cn", "CN", "cn", "XX", "C" * 300, "NaN", "null", "~", "yes", "1:30", "1e400",
    "{{7*7}}", "%s%n", "$(id)", "' OR 1=1", "2025-02-30", "0000-00-00", "9999-12-31T23:59:60Z", 
    "Europe/../x", "-", "=1+1", "acct-live",
]  # fmt: skip
TREES: list[Any] = [[], {}, [[]], [{}], {"": None}, [None] * 500, {"a": {"b": {"c": []}}}, [1, "a", None]]
RAW: list[bytes] = [
    b"", b"\x00", b"null", b"[]", b"{}", b'""', b"true", b"0", b"NaN", b"{", b"[" * 3000, b'{"a":' * 3000,
    b"[" * 100_000, b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\xed\xa0\x80", b"1" * 5000, b"- " * 999,
    b"&a [*a, *a]", b"a: &a\nb: *a\n", b"!!python/object:os.system {}", b"\t", b"%YAML 9.9\n", b"---\n---\n",
    b"?", b": :", b"PAR1", b"PK\x03\x04", b"\x80\x04", b"ARROW1\x00\x00",
]  # fmt: skip

Draw = random.Random
Way = Callable[[bytes, Draw], bytes]


def mutated(value: bytes, draw: Draw, others: list[bytes]) -> bytes:
    """Break an input one to four times; `others` are inputs of its kind to take parts from."""
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        value = draw.choice(_WAYS)(value, draw) if draw.random() < 0.95 else _spliced(value, draw, others)
    return value


def _spliced(value: bytes, draw: Draw, others: list[bytes]) -> bytes:
    other = draw.choice(others)
    return value[: draw.randrange(len(value) + 1)] + other[draw.randrange(len(other) + 1) :]


def _flipped(value: bytes, draw: Draw) -> bytes:
    at = draw.randrange(len(value) or 1)
    return value[:at] + bytes([draw.randrange(256)]) + value[at + 1 :]


def _cut(value: bytes, draw: Draw) -> bytes:
    return value[: draw.randrange(len(value) + 1)]


def _without_middle(value: bytes, draw: Draw) -> bytes:
    at, to = sorted(draw.randrange(len(value) + 1) for _ in range(2))
    return value[:at] + value[to:]


def _inserted(value: bytes, draw: Draw) -> bytes:
    at = draw.randrange(len(value) + 1)
    return (
        value[:at] + draw.choice((draw.randbytes(draw.randrange(1, 9)), draw.choice(RAW)[:200])) + value[at:]
    )


def _repeated(value: bytes, draw: Draw) -> bytes:
    return (value * draw.choice((2, 3, 40)))[: 1 << 20]


def _replaced(value: bytes, draw: Draw) -> bytes:
    return draw.choice(RAW)


def _line_changed(value: bytes, draw: Draw) -> bytes:
    lines = value.split(b"\n")
    at = draw.randrange(len(lines))
    line = lines[at]
    name = line.partition(b":")[0]
    scalar = json.dumps(draw.choice(NUMBERS + WORDS)).encode()[:500]
    lines[at : at + 1] = draw.choice(
        (
            [],
            [line, line],
            [name + b": " + scalar],
            [b"  " + line],
            [line.strip()],
            [name + b":"],
            [name + b": []"],
        )
    )
    return b"\n".join(lines)


def _by_structure(value: bytes, draw: Draw) -> bytes:
    try:
        tree = json.loads(value)
    except (ValueError, RecursionError):
        return _line_changed(value, draw)
    box = [tree]
    holders: list[tuple[Any, Any]] = []
    try:
        _walk(box, holders)
    except RecursionError:
        return value
    for _ in range(draw.choice((1, 1, 2, 3))):
        holder, key = draw.choice(holders)
        try:
            _change(holder, key, draw)
        except (KeyError, IndexError):  # an earlier change took it away
            continue
    try:
        return json.dumps(box[0] if box else None, ensure_ascii=draw.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError):
        return value


def _walk(node: Any, holders: list[tuple[Any, Any]]) -> None:
    for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
        holders.append((node, key))
        if isinstance(child, dict | list):
            _walk(child, holders)


def _change(holder: Any, key: Any, draw: Draw) -> None:
    old = holder[key]
    way = draw.randrange(8)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[draw.choice([*WORDS[:20], str(key) + "_"])] = old
    elif way == 2 and isinstance(old, str):
        at = draw.randrange(len(old) + 1)
        holder[key] = old[:at] + draw.choice("aZ7{é \x00-") + old[at + 1 :]
    elif way == 3 and isinstance(old, int):
        holder[key] = old + draw.choice((1, -1, 3_600_000_000, -3_600_000_000, 10**15, -old * 2))
    elif way == 4:
        deep: Any = old
        for _ in range(draw.choice((1, 20, 400))):
            deep = [deep] if draw.random() < 0.5 else {"a": deep}
        holder[key] = deep
    else:
        holder[key] = draw.choice(draw.choice((NUMBERS, WORDS, TREES)))


_WAYS: tuple[Way, ...] = (
    *(_by_structure,) * 8, _flipped, _flipped, _cut, _without_middle, _inserted, _repeated, _replaced,
    _line_changed,
)  # fmt: skip
