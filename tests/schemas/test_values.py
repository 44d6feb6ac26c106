"""Values in one piece of memory are the byte strings they were made of."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rows.values import AFTER, END, Values

lists = st.lists(st.binary(max_size=20), max_size=8)


@given(lists)
def test_values_are_the_byte_strings_they_were_made_of(strings: list[bytes]) -> None:
    values = Values.of(strings)

    assert list(values) == strings
    assert values == strings
    assert values.sizes().tolist() == [*map(len, strings)]
    assert [values[place] for place in range(-len(strings), len(strings))] == strings + strings
    assert pickle.loads(pickle.dumps(values)) == strings


@given(lists, st.integers(-9, 9), st.integers(-9, 9))
def test_a_slice_of_values_is_the_slice_of_the_byte_strings(strings: list[bytes], a: int, b: int) -> None:
    assert list(Values.of(strings)[a:b]) == strings[a:b]
    assert list(Values.of(strings)[a:b][1:]) == strings[a:b][1:]


@given(lists)
def test_every_value_is_followed_by_its_end_and_the_last_by_room_for_a_word(strings: list[bytes]) -> None:
    values = Values.of(strings)

    assert values.text.tobytes() == b"".join(each + END for each in strings) + bytes(AFTER)


def test_no_value_can_be_changed_or_found_where_there_is_none() -> None:
    values = Values.of([b"a", b"b"])

    with pytest.raises(ValueError, match="read-only"):
        values.text[0] = 0
    with pytest.raises(IndexError):
        values[2]
    with pytest.raises(ValueError, match="one piece"):
        values[::2]
