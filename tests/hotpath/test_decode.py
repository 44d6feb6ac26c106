"""Decoding: every message is accepted or dead-lettered, none stops the job, none vanishes."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.hot.decision_log.read import read
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import window
from pipelines.streams.payments import VALUE_BYTES_MAX, decode
from schemas.dead_letter import FORM_HINTS, HINTS, DeadLetter
from schemas.ids import derived_id
from schemas.payment import CHANNELS, PAYEE_CHECKS, PURPOSES, STATUSES, Payment
from schemas.rows.transfers import CALL_IN_PROGRESS
from schemas.stored import stored
from tests.hotpath.conftest import Stream, Written, chunk_of
from tests.hotpath.mutations import mutated

MUTATIONS = 10_000
REPLAYED = 3_000

Run = Callable[..., Written]


@pytest.fixture(scope="module")
def broken(stream: Stream) -> list[bytes]:
    """10,000 messages of the stream, each broken in some way, always the same."""
    draw = random.Random(20251124)
    return [mutated(draw.choice(stream.values), draw) for _ in range(MUTATIONS)]


@pytest.fixture(scope="module")
def arrival_us(stream: Stream) -> int:
    return int(stream.rows["at_us"].max())


def judged(chunk: Chunk, policy: Policy) -> tuple[np.ndarray, list]:
    """What a replay decodes of a chunk."""
    rows, letters, _ = decode(chunk, policy, window(chunk, policy.clock, None))
    return rows, letters


def decoded(
    values: list[bytes], policy: Policy, at_us: int, first_offset: int = 0
) -> tuple[np.ndarray, list]:
    chunk = chunk_of(values, timestamps_us=[at_us] * len(values), first_offset=first_offset)
    return judged(chunk, policy)


def test_each_of_10_000_broken_messages_is_either_a_row_or_a_dead_letter(
    broken: list[bytes], rules: Policy, arrival_us: int
) -> None:
    accepted, refused, codes = set(), set(), set()
    for start in range(0, MUTATIONS, 2_000):
        values = broken[start : start + 2_000]
        rows, letters = decoded(values, rules, arrival_us, start)
        for letter in letters:
            assert letter.value == broken[letter.offset]
            assert (letter.topic, letter.partition, letter.stage) == ("payments", 1, "decode")
            assert letter.timestamp_us == arrival_us
            assert letter.hint in {HINTS[letter.error_code], *FORM_HINTS}
            assert letter.dead_letter_id == derived_id("dead", "payments", 1, letter.offset)
            assert letter.message
        refused |= {letter.offset for letter in letters}
        codes |= {letter.error_code for letter in letters}
        assert len(rows) + len(letters) == len(values)
        assert set(rows["partition"]) <= {1}
        accepted |= set(rows["offset"].tolist())

    assert accepted | refused == set(range(MUTATIONS))
    assert not accepted & refused
    assert min(len(accepted), len(refused)) > MUTATIONS / 20
    assert codes == {"NOT_JSON", "INVALID", "UNKNOWN_CURRENCY", "PAST", "FUTURE", "TOO_LARGE"}


def test_what_is_accepted_follows_the_published_schema(
    broken: list[bytes], rules: Policy, arrival_us: int
) -> None:
    rows, _ = decoded(broken[:3_000], rules, arrival_us)
    check = jsonschema.Draft202012Validator(stored("payment.v1"))
    soft = {field.name for field in msgspec.structs.fields(Payment) if not field.required} - {"status"}

    for place in rows["offset"].tolist():
        value = json.loads(broken[place].decode(errors="replace"))  # in names of unknown fields
        faults = [str(fault.path[0]) for fault in check.iter_errors(value)]
        assert set(faults) <= soft
        check.validate({name: each for name, each in value.items() if name not in faults})


def test_a_block_decodes_as_its_messages_do_one_by_one(
    broken: list[bytes], stream: Stream, rules: Policy, arrival_us: int
) -> None:
    mixed = [*stream.values[:300], *broken[:300], *stream.values[300:600]]
    rows, letters = decoded(mixed, rules, arrival_us)
    alone = [decoded([value], rules, arrival_us, place) for place, value in enumerate(mixed)]

    assert (rows == np.concatenate([each[0] for each in alone])).all()
    assert sorted(letters, key=lambda letter: letter.offset) == [
        letter for each in alone for letter in each[1]
    ]


@settings(max_examples=30, deadline=None)
@given(bad=st.sets(st.integers(0, 63), max_size=64))
def test_good_neighbours_of_bad_messages_are_kept_in_order(
    bad: set[int], stream: Stream, rules: Policy, arrival_us: int
) -> None:
    values = [b"{" if place in bad else stream.values[place] for place in range(64)]
    rows, letters = decoded(values, rules, arrival_us)

    assert rows["offset"].tolist() == [place for place in range(64) if place not in bad]
    assert {letter.offset for letter in letters} == bad


def test_no_messages_are_no_rows_and_no_letters(rules: Policy) -> None:
    rows, letters = judged(chunk_of([]), rules)

    assert (len(rows), letters) == (0, [])


UETR = "83a0d986-0866-4f38-b8c0-fc65bfcda452"


@pytest.mark.parametrize(
    ("fields", "column", "expected"),
    [
        ({"age_band": None}, "age_band", 0),
        ({"purpose_code": "CASH"}, "purpose", PURPOSES.index("OTHR")),
        ({"channel": "BRANCH"}, "channel", CHANNELS.index("OTHER")),
        ({"payee_check": "MAYBE"}, "payee_check", PAYEE_CHECKS.index("UNAVAILABLE")),
        ({"balance_after_minor": "12.50"}, "balance_after_minor", -1),
        ({"payee_added_at_us": 1.5e15}, "payee_added_at_us", -1),
        ({"new_device_age_h": 10**12}, "new_device_age_h", -1),
        ({"debtor_agent": "x" * 15}, "currency", b"CNY"),
        ({"call_in_progress": 1, "remote_control": 0, "screen_share": "no"}, "signals", CALL_IN_PROGRESS),
        ({"call_in_progress": None, "remote_control": None, "age_band": None}, "signals", 0),
        ({"txn_id": UETR}, "txn_id", UETR.encode()),
    ],
)  # fmt: skip
def test_what_an_optional_field_says_wrongly_costs_a_payment_nothing_and_is_counted(
    stream: Stream, rules: Policy, fields: dict[str, object], column: str, expected: object
) -> None:
    chunk = chunk_of([changed(stream, **{"remote_control": False, "screen_share": False, **fields})])

    rows, letters, softened = decode(chunk, rules, window(chunk, rules.clock, None))

    assert (len(rows), letters) == (1, [])
    assert rows[column][0] == expected
    assert dict(softened) == dict.fromkeys(fields.keys() - {"txn_id"}, 1)


def changed(stream: Stream, **fields: object) -> bytes:
    return json.dumps({**json.loads(stream.values[0]), **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"amount_minor": 0}, "INVALID", "amount_minor"),
        ({"amount_minor": "4111 1111"}, "INVALID", "amount_minor"),
        ({"status": "Zhang San"}, "INVALID", "status"),
        ({"status": "a` - at `$.b\n"}, "INVALID", "status"),
        ({"txn_id": "Zhang San"}, "INVALID", "txn_id"),
        ({"debtor": "Zhang San Zhang San Zhang!"}, "INVALID", "debtor"),
        ({"currency": "XXX"}, "UNKNOWN_CURRENCY", "currency"),
        ({"currency": "cny"}, "INVALID", "Currencies are upper case ISO 4217"),
        ({"currency": "156"}, "INVALID", "Currencies are upper case ISO 4217"),
        ({"currency": "yuan"}, "INVALID", "Currencies are upper case ISO 4217"),
        ({"currency": "cny", "memo": "Zhang San"}, "INVALID", "Currencies are upper case ISO 4217"),
        ({"tomorrow": "x" * VALUE_BYTES_MAX}, "TOO_LARGE", str(VALUE_BYTES_MAX)),
    ],
)
def test_a_dead_letter_names_the_field_and_never_its_value(
    stream: Stream, rules: Policy, fields: dict[str, object], code: str, field: str
) -> None:
    _, (letter,) = decoded([changed(stream, **fields)], rules, 2**53)

    assert (letter.error_code, field in letter.message) == (code, True)
    for value in fields.values():
        assert str(value) not in letter.message or value == 0


def test_the_job_lives_through_broken_messages_wrong_clocks_tombstones_and_giants(
    broken: list[bytes], stream: Stream, rules: Policy, run: Run, tmp_path: Path
) -> None:
    draw = random.Random(5)
    values = [*stream.values[:1_000], *broken[:REPLAYED], b"", b"x" * 900_000]
    keys = [*stream.keys[:1_000], *(b"%d" % draw.randrange(99) for _ in range(REPLAYED + 2))]
    times = [*stream.timestamps_us[:1_000], *([int(stream.timestamps_us[-1])] * (REPLAYED + 2))]
    for place, at_us in ((1_000, 0), (1_001, 10**18), (1_002, 9 * 10**18)):
        values[place], times[place] = b"{", at_us
    letters = [
        msgspec.json.decode(sent.value, type=DeadLetter)
        for partition in run(keys, values, times, tmp_path)["dead_letters"]
        for sent in partition
    ]

    rows, expected = judged(chunk_of(values, timestamps_us=times), rules)
    asked = rows["txn_id"][rows["status"] == STATUSES.index("INITIATED")]
    assert set(read(tmp_path, "CREDIT").rows["txn_id"].to_pylist()) == set(asked.astype(str).tolist())
    assert sorted(letter.value for letter in letters) == sorted(letter.value for letter in expected)
    assert len({letter.dead_letter_id for letter in letters}) == len(letters)
    assert max(letter.value_bytes for letter in letters) == 900_000
