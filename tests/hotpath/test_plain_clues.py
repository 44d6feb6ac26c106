"""Clues in plain JSON are read by columns; what comes of them is what reading them one by one gives."""

import json
import random
from concurrent.futures import Future
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledgers.clues import CLUE_FACT
from pipelines import policy
from pipelines.kafka.port import Chunk
from pipelines.streams.clock import window
from pipelines.streams.clues import CLUES_STREAM, VALUE_BYTES_MAX, plain_clues
from pipelines.streams.stream import Decoded
from schemas import topics
from schemas.clue import Clue
from schemas.rows.values import Values
from tests.schemas.records import record

AT_US = 1_756_721_472_345_000
by_place = attrgetter("offset", "error_code")
RULES = policy.load()
PARTY, OTHER = "abcdefghijklmnopqrstuvwxya", "bcdefghijklmnopqrstuvwxyza"[:25] + "e"
BASE: dict[str, Any] = {"clue_id": "c1", "kind": "CALL", "party": PARTY, "at_us": AT_US}


def chunk_of(values: list[bytes]) -> Chunk:
    places = np.arange(len(values))
    return Chunk(topics.CLUES, Values.of(values), places.astype(np.int32), places, places * 0 + AT_US)


def read(chunk: Chunk) -> Decoded:
    return CLUES_STREAM.decode(chunk, RULES, window(chunk, RULES.clock, None))


def one_by_one(chunk: Chunk) -> Decoded:
    """Read a chunk of which nothing is plain."""
    none: Future[Any] = Future()
    none.set_result((np.zeros(len(chunk.values), CLUE_FACT), np.zeros(len(chunk.values), np.bool_)))
    return read(chunk._replace(ahead=none))


def agree(values: list[bytes]) -> list[bool]:
    """Tell which messages are plain; facts, letters and counts must be the same either way."""
    fast, full = read(chunk_of(values)), one_by_one(chunk_of(values))
    assert np.array_equal(fast.facts[0], full.facts[0])
    assert sorted(fast.letters, key=by_place) == sorted(full.letters, key=by_place)
    assert fast.counts == full.counts
    return plain_clues(Values.of(values))[1].tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(record(Clue), max_size=8), st.booleans(), st.randoms(use_true_random=False))
def test_clues_with_keys_in_any_order_are_read_alike_and_plain(
    drawn: list[Clue], spaced: bool, order: random.Random
) -> None:
    values = []
    for each in drawn:
        fields = list(json.loads(msgspec.json.encode(each)).items())
        order.shuffle(fields)
        values.append(json.dumps(dict(fields), indent=1 if spaced else None).encode())

    assert all(agree(values))


PIECES = [
    b"", b"0", b"-", b"9" * 19, b".0", b"e1", b'"', b"\\", b"\\u0061", b",", b"{", b"}", b"[", b" ", b"\n",
    b"\0", b"null", b"true", b"nul", b'"x":1,', b'"x":{},', b'"at_us":7,', b'"specversion":"1.0",',
    b'"subscriptionId":1,', b'"specversion"', b'"counterparty":"",', b'"counterparty":"+8613800138000",',
    b'"active":false,', "银".encode(),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(record(Clue), st.data())
def test_a_mutated_clue_is_read_and_refused_in_the_same_words(drawn: Clue, data: st.DataObject) -> None:
    value = bytearray(msgspec.json.encode(drawn))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(value) - 1))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=1))
        value[place : place + data.draw(st.integers(0, 2))] = piece

    agree([bytes(value), json.dumps(BASE).encode()])


@pytest.mark.parametrize(
    ("change", "plain"),
    [
        ({}, True),
        ({"counterparty": OTHER}, True),
        ({"counterparty": ""}, True),
        ({"counterparty": "+8613800138000"}, False),
        ({"active": False}, True),
        ({"active": True, "known": True, "overseas": True, "grade": 3}, True),
        ({"active": None}, False),
        ({"attestation": "C"}, True),
        ({"attestation": ""}, True),
        ({"attestation": "c"}, False),
        ({"kind": "call"}, False),
        ({"tail": "0123"}, True),
        ({"tail": "012a"}, False),
        ({"origid": "a" * 36}, True),
        ({"origid": "g"}, False),
        ({"clue_id": "a b"}, False),
        ({"clue_id": "a~"}, False),
        ({"clue_id": "specversion"}, True),
        ({"duration_s": 604_800}, True),
        ({"duration_s": 604_801}, False),
        ({"grade": 4}, False),
        ({"at_us": 1}, True),
        ({"at_us": AT_US / 1e6}, False),
        ({"party": None}, False),
        ({"specversion": "1.0"}, False),
        ({"subscriptionId": "s"}, False),
        ({"of_a_newer_writer": "x" * VALUE_BYTES_MAX}, True),
        ({"of_a_newer_writer": [1]}, False),
    ],
)
def test_what_of_a_clue_is_plain(change: dict[str, Any], plain: bool) -> None:
    assert agree([json.dumps(BASE | change).encode()]) == [plain]


def test_clues_among_broken_and_untrue_ones_keep_their_places() -> None:
    whole = json.dumps(BASE).encode()
    late = json.dumps(BASE | {"at_us": AT_US - 11 * 60_000_000, "kind": "SMS"}).encode()
    future = json.dumps(BASE | {"at_us": 2 * AT_US}).encode()
    values = [b"", whole, b"{}", late, b"\xff", future, whole.replace(b'"c1"', b'"\\u0063"'), whole]

    found = read(chunk_of(values))

    assert agree(values) == [False, True, False, True, False, True, False, True]
    assert found.facts[0]["kind"].tolist() == [0, 1, 0, 0]
    assert found.counts == {"clues": 4, "clues_late": 1, "clue_subscriptions_ended": 0}
    assert sorted(letter.offset for letter in found.letters) == [0, 2, 4, 5]


def test_a_message_that_lacks_a_required_field_is_not_plain() -> None:
    for name in BASE:
        lacking = {key: value for key, value in BASE.items() if key != name}
        assert agree([json.dumps(lacking).encode()]) == [False]
