"""Tables: rows are found by key, and only `locate` adds any."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledgers.table import NEVER, Table

ROW = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("count", "i8")])

#: Few and close values, so that keys share words and slots.
keys = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=200)


def words(drawn: list[tuple[int, int]]) -> np.ndarray:
    return np.array(drawn, np.uint64).reshape(-1, 2)


@settings(deadline=None)
@given(keys, keys)
def test_a_key_is_found_where_it_was_put_and_looking_adds_no_row(
    put: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    table = Table.empty(ROW)
    places = table.locate(words(put)).tolist()
    first = {key: place for key, place in zip(reversed(put), reversed(places), strict=True)}

    assert table.find(words(asked)).tolist() == [first.get(key, -1) for key in asked]
    assert table.used == len(set(put))
    copy = Table.empty(ROW)
    copy.put(table.filled)
    assert copy.find(words(put)).tolist() == places


def test_a_new_row_has_times_that_never_were_and_a_table_grows_with_its_rows() -> None:
    table = Table.empty(ROW)
    many = np.random.default_rng(1).integers(0, 2**64, (1_000, 2), np.uint64)
    places = table.locate(many)

    assert places.tolist() == table.find(many).tolist() == list(range(1_000))
    assert (table.filled["at_us"] == NEVER).all()
    assert not table.filled["count"].any()
