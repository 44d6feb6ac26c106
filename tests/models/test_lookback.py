import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.benchmarks.lookback import History

rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(-3, 9), st.booleans()),
    min_size=1,
    max_size=40,
)
window = st.sampled_from([None, 1, 3, 10])
delay = st.sampled_from([0, 1, 4, 50])


def columns(table):
    entity, time, value, event = (np.array(column) for column in zip(*table, strict=True))
    order = np.argsort(time, kind="stable")
    return entity[order], time[order], value[order].astype(float), event[order]


def past(entity, time, row, window, delay, *, with_self=False):
    """Rows that `row` may look at, oldest first, found the slow way."""
    return [
        other
        for other in range(len(time))
        if entity[other] == entity[row]
        and (other < row or (other == row and with_self) or (delay and time[other] <= time[row] - delay))
        and time[other] <= time[row] - delay
        and (window is None or time[other] > time[row] - delay - window)
    ]


@settings(max_examples=200, deadline=None)
@given(rows, window, delay, st.booleans())
def test_counts_and_totals_see_exactly_the_past_window(table, window, delay, with_self):
    entity, time, value, _ = columns(table)
    with_self = with_self and delay == 0
    history = History(entity, time)
    seen = [past(entity, time, row, window, delay, with_self=with_self) for row in range(len(time))]

    assert history.count(window=window, delay=delay, with_self=with_self).tolist() == [len(s) for s in seen]
    np.testing.assert_allclose(
        history.total(value, window=window, delay=delay, with_self=with_self),
        [value[s].sum() for s in seen],
        atol=1e-9,
    )


@settings(max_examples=200, deadline=None)
@given(rows, delay)
def test_last_highest_since_and_latest_see_exactly_the_past(table, delay):
    entity, time, value, event = columns(table)
    history = History(entity, time)
    seen = [past(entity, time, row, None, delay) for row in range(len(time))]
    marked = [[other for other in s if event[other]] for s in seen]

    def each(pick, rows):
        return [pick(row, s) if s else np.nan for row, s in enumerate(rows)]

    np.testing.assert_array_equal(history.last(value, delay=delay), each(lambda _, s: value[s[-1]], seen))
    np.testing.assert_array_equal(
        history.highest(value, delay=delay), each(lambda _, s: value[s].max(), seen)
    )
    np.testing.assert_array_equal(
        history.since(event, delay=delay), each(lambda row, s: time[row] - time[s[-1]], marked)
    )
    np.testing.assert_array_equal(
        history.latest(value, event, delay=delay), each(lambda _, s: value[s[-1]], marked)
    )


@settings(max_examples=200, deadline=None)
@given(rows)
def test_first_is_the_oldest_event_up_to_the_row_itself(table):
    entity, time, _, event = columns(table)
    upto = [[*past(entity, time, row, None, 0), row] for row in range(len(time))]

    np.testing.assert_array_equal(
        History(entity, time).first(event),
        [next((time[other] for other in seen if event[other]), np.nan) for seen in upto],
    )


@pytest.mark.parametrize("later", [1, 3])
def test_rows_added_later_change_nothing_before_them(later):
    draw = np.random.default_rng(0)
    entity, time = draw.integers(0, 5, 300), np.sort(draw.integers(0, 400, 300))
    value = draw.random(300)
    cut = 300 - 50 * later
    while time[cut] == time[cut - 1]:
        cut -= 1

    whole = History(entity, time).total(value, window=30, delay=7)[:cut]
    np.testing.assert_allclose(
        History(entity[:cut], time[:cut]).total(value[:cut], window=30, delay=7), whole
    )
