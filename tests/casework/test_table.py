"""Many subjects at once: what is in force at a time, by a filter, exact rows and what changed since."""

import random
import time

import numpy as np
import pytest
from joserfc.jwk import OKPKey

from measures.authority.signing import AuthorityKey, KeyRing
from measures.refusal import Refusal
from measures.registry import snapshot
from measures.registry.table import Entries, Lists, Row, Table, entries_of, merged
from schemas.order import Actor

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(KEY.as_dict(private=False))
RING = KeyRing([AuthorityKey("keeper", "k", Actor.POLICE, "CN", PUBLIC, 0, 2**62)])
NOW = 1_790_000_000_000_000


def tokens(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, (count, 2), dtype=np.uint64)


def named(key: np.ndarray) -> tuple[int, int]:
    return int(key[0]), int(key[1])


def asked(lists: Lists, keys: np.ndarray, at_s: int) -> list[int]:
    return lists.codes(keys, np.full(len(keys), at_s * 1_000_000 + 999_999)).tolist()


def table(keys: np.ndarray, *rows: Row) -> Table:
    return Table(entries_of({named(key): rows for key in keys}))


def test_what_is_there_is_found_from_its_first_second_to_before_its_last_and_nothing_else() -> None:
    known, others = tokens(5_000), tokens(5_000, 2)
    lists = Lists(table(known, Row(100, 200, 3), Row(150, 300, 8)))

    assert [set(asked(lists, known, at)) for at in (99, 100, 150, 200, 300)] == [{0}, {3}, {11}, {8}, {0}]
    assert set(asked(lists, others, 150)) == {0}


def test_of_what_changed_since_only_the_change_counts() -> None:
    known = tokens(3)
    changed = {named(known[0]): [], named(known[1]): [Row(0, 1000, 1)]}
    lists = Lists(table(known, Row(0, 1000, 7)), Table(entries_of(changed)))

    assert asked(lists, known, 10) == [0, 1, 7]
    assert asked(merged(lists), known, 10) == [0, 1, 7]
    assert merged(lists).whole.count == 2


def test_a_table_says_the_same_as_a_dictionary_whatever_changes() -> None:
    dice, names = random.Random(4), tokens(60)
    said: dict[tuple[int, int], list[Row]] = {}
    changed: dict[tuple[int, int], list[Row]] = {}
    lists = Lists()
    for _ in range(400):
        key = named(names[dice.randrange(60)])
        starts = [dice.randint(0, 99) for _ in range(dice.randint(0, 4))]
        said[key] = changed[key] = [
            Row(start, start + dice.randint(0, 50), dice.choice([1, 3, 7, 8, 24])) for start in starts
        ]
        lists = Lists(lists.whole, Table(entries_of(changed)))
        if dice.random() < 0.1:
            lists, changed = merged(lists), {}
        at_s, expected = dice.randint(0, 120), [0] * 60
        for place, name in enumerate(names):
            for row in said.get(named(name), []):
                expected[place] |= row.code if row.from_s <= at_s < row.until_s else 0
        assert asked(lists, names, at_s) == expected


def test_an_entry_takes_at_most_forty_octets() -> None:
    made = table(tokens(30_000), Row(0, 1, 1))

    assert made.octets / made.count <= 40


def test_a_snapshot_comes_back_and_one_that_was_touched_is_refused() -> None:
    entries = entries_of({(1, 2): [Row(3, 4, 5), Row(6, 7, 8)], (9, 10): [Row(11, 12, 13)]})
    file = snapshot.written(entries, KEY, "k", version=77, read={"listings/0": 5}, at_us=NOW)

    found = snapshot.opened(file, RING, NOW)

    assert isinstance(found, snapshot.Snapshot)
    assert (found.head.version, found.head.read) == (77, {"listings/0": 5})
    assert [column.tolist() for column in found.entries] == [column.tolist() for column in entries]
    for place in (10, len(file) // 2, len(file) - 1):
        touched = file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]
        assert isinstance(snapshot.opened(touched, RING, NOW), Refusal), place
    assert isinstance(snapshot.opened(file[:-3], RING, NOW), Refusal)


@pytest.mark.slow
def test_ten_million_entries_are_loaded_within_a_minute() -> None:
    count = 10_000_000
    spans = np.zeros((count, 2), np.uint32)
    spans[:, 1] = 2**31
    entries = Entries(tokens(count), spans, np.full(count, 1, np.uint16))
    file = snapshot.written(entries, KEY, "k", version=1, read={}, at_us=NOW)
    begin_s = time.monotonic()
    found = snapshot.opened(file, RING, NOW)
    assert isinstance(found, snapshot.Snapshot)
    made = Table(found.entries)

    assert time.monotonic() - begin_s < 60
    assert made.octets / count <= 40
