"""State outlives a release: rows are stored with a name and a number, and older numbers are read."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.enforcement import ENFORCEMENT
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.table import NEVER
from pipelines.hot import brake, dissuade
from pipelines.state import evolve, shard_state
from pipelines.state.evolve import Schema, columns_of, pack, recorded, schema_of, unpack
from pipelines.state.shard_state import Tables, Version, rebuilt
from pipelines.streams import moves
from schemas.errors import StateError
from tests.hotpath.states import Shard
from tests.hotpath.test_ledger import random_facts

#: Every type of rows that the main job stores.
STORED = (
    PAYERS.row, PARTY_FACT, ACCOUNTS.row, ACCOUNT_FACT, ENFORCEMENT,
    moves.MOVE, dissuade.PARTY, dissuade.SAID, brake.COUNTS,
)  # fmt: skip

#: SHA-256 of the columns of each number, as they were when it was recorded. Add to it, never change it.
FROZEN = {
    "payers 1": "8ac4c08c0c49c32a",
    "payers 2": "60c6b5d2ed2563e3",
    "payers 3": "6579c898d9759403",
    "payer_facts 1": "3779d8ebe0912f6e",
    "payer_facts 2": "af1c03e03cc93a27",
    "clue_facts 1": "23706b59bd0abb92",
    "accounts 1": "44a3e1a4d3fe2184",
    "accounts 2": "202754aa30d9819c",
    "payers 4": "f6743741bcdd155b",
    "payers 5": "665e0d937fb5d627",
    "payers 6": "209350947b99e542",
    "watch_facts 1": "5c0e67be0ebe4855",
    "accounts 3": "2ecd6b8f6815c0b1",
    "findings 1": "cab4cee83a6db9eb",
    "payer_findings 1": "5f22dad5312a84c8",
    "account_facts 1": "404793e6de464692",
    "enforcement 1": "0b678b37dfff1389",
    "tainted_moves 1": "a54ba264399241c5",
    "tainted_moves 2": "b15437a16ee6a918",
    "heard 1": "3144587230a6769c",
    "warnings_heard 1": "dde7c1e31022764d",
    "brake_counts 1": "afe933af4226d73c",
}

#: The newest number of the facts that the tests below give one more column.
NUMBER = max(recorded()["payer_facts"])


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[np.dtype]:
    """Facts of payers with one more column, recorded as the next number."""
    row = np.dtype([*PARTY_FACT.descr, ("device", "i4"), ("seen_us", "i8"), ("calls", "i8")])
    name = schema_of(PARTY_FACT).name
    record = {key: dict(numbers) for key, numbers in recorded().items()}
    number = max(record[name]) + 1
    record[name][number] = Schema(name, number, row, {"device": -1})
    monkeypatch.setattr(evolve, "recorded", lambda: record)
    schema_of.cache_clear()
    yield row
    schema_of.cache_clear()


@pytest.mark.parametrize("row", STORED, ids=lambda row: row.names[-1])
def test_what_is_stored_is_recorded(row: np.dtype) -> None:
    """If this fails: columns of stored rows changed; the message says what to add to schemas.json."""
    assert schema_of(row).row == row


def test_what_was_recorded_once_stays_as_it_was() -> None:
    found = {
        f"{name} {number}": hashlib.sha256(json.dumps(columns_of(schema.row)).encode()).hexdigest()[:16]
        for name, numbers in recorded().items()
        for number, schema in numbers.items()
    }

    assert found == FROZEN


@pytest.mark.parametrize("name", recorded())
def test_a_block_of_every_number_ever_recorded_is_read(name: str) -> None:
    newest = recorded()[name][max(recorded()[name])]
    for number, schema in recorded()[name].items():
        rows = np.zeros(3, schema.row)
        column = next(each for each in schema.row.names or () if schema.row[each].base.kind in "iuf")
        rows[column] = 7
        stored = evolve._HEAD.pack(name.encode(), number, rows.nbytes) + rows.tobytes()

        (read,) = unpack(stored + bytes(-rows.nbytes % 8), newest.row)

        assert read.dtype == newest.row
        assert (read[column] == 7).all()


def test_rows_of_several_types_are_read_back_as_they_were() -> None:
    facts, views = random_facts(PAYERS, 7, 3), np.zeros(2, ENFORCEMENT)
    views["limit_minor"] = 5

    one, other = unpack(pack(facts, views), ENFORCEMENT, PARTY_FACT)

    assert one.dtype is PARTY_FACT and (one == facts).all()
    assert (other == views).all()


def test_a_column_that_was_added_gets_its_default_and_one_that_is_gone_is_dropped(newer: np.dtype) -> None:
    facts = random_facts(PAYERS, 5, 3)
    old = evolve._HEAD.pack(b"payer_facts", NUMBER, facts.nbytes) + facts.tobytes()

    (read,) = unpack(old, newer)

    for name in PARTY_FACT.names:
        assert (read[name] == facts[name]).all()
    assert set(read["device"]) == {-1}
    assert set(read["seen_us"]) == {NEVER}
    assert set(read["calls"]) == {0}


def test_a_ledger_stored_before_a_column_was_added_goes_on(newer: np.dtype) -> None:
    """A log of one number is replayed by folds of the next, and gets entries of that."""
    facts = random_facts(PAYERS, 40, 9)
    shard, number = Shard(), 77_001
    entry = evolve._HEAD.pack(b"payer_facts", NUMBER, facts.nbytes) + facts.tobytes()
    shard.logs[0].add(shard_state.sealed(shard_state._ENTRY.pack(1, -1, len(entry)), entry))
    shard.version.write(shard_state._VERSION.pack(*Version(1, b"12345678", facts_bytes=len(entry))))

    def fold(table, parts):  # type: ignore[no-untyped-def]
        assert [rows.dtype for rows in parts] == [newer]
        return PAYERS.fold(table, [rows[list(PARTY_FACT.names)].astype(PARTY_FACT) for rows in parts])

    kind = replace(PAYERS, facts=(newer,), fold=fold)
    more = np.zeros(4, newer)
    more["at_us"] = facts["at_us"].max()
    Tables().observe(kind, number, [more], shard.version, shard.logs)
    version = Version(*shard_state._VERSION.unpack(shard.version.read() or b""))

    again = rebuilt(kind, shard.logs, version)
    assert version.sequence == 2
    assert again.used == len({key.tobytes() for key in (*facts["key"], *more["key"])})


def test_rows_of_a_newer_release_or_of_another_name_are_refused_in_one_sentence() -> None:
    facts = random_facts(PAYERS, 5, 2)
    of_later = evolve._HEAD.pack(b"payer_facts", 9, facts.nbytes) + facts.tobytes()

    with pytest.raises(StateError, match=f"number 9, this release knows {NUMBER}; run the newer release"):
        list(unpack(of_later, PARTY_FACT))
    with pytest.raises(StateError, match="'payer_facts' where payers belong"):
        list(unpack(pack(facts), PAYERS.row))


def test_rows_that_are_not_recorded_are_not_stored_and_the_refusal_says_what_to_add() -> None:
    with pytest.raises(StateError, match=r'\{"columns": \[\["key", "<u8", \[2\]\], \["colour", "<i8"\]\]\}'):
        pack(np.zeros(1, [("key", "u8", 2), ("colour", "i8")]))


def test_a_column_whose_meaning_changed_is_refused(newer: np.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pack(np.zeros(2, newer))
    row = np.dtype([(name, "f4" if name == "device" else newer[name]) for name in newer.names or ()])
    record = {key: dict(numbers) for key, numbers in evolve.recorded().items()}
    record["payer_facts"][NUMBER + 2] = Schema("payer_facts", NUMBER + 2, row, {})
    monkeypatch.setattr(evolve, "recorded", lambda: record)
    schema_of.cache_clear()

    with pytest.raises(
        StateError, match=f"column device of rows 'payer_facts' changed from int32 in number {NUMBER + 1}"
    ):
        list(unpack(stored, row))
