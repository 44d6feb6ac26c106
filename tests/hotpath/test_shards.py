"""Rows are ordered and split the same however they are, and nothing is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.state.shards import by_shard, event_order, put, shard_of
from pipelines.streams.table import STREAMS, ledgers_of
from schemas.rows.transfers import TRANSFER

#: Few values, so that times, partitions and offsets are often the same.
few = st.integers(0, 3)
rows = st.lists(st.tuples(few, few, few, st.booleans()), max_size=60)


def transfers(drawn: list[tuple[int, int, int, bool]]) -> np.ndarray:
    made = np.zeros(len(drawn), TRANSFER)
    for row, (at_us, partition, offset, _) in zip(made, drawn, strict=True):
        row["at_us"], row["partition"], row["offset"] = at_us, partition, offset
    return made


@given(rows)
def test_event_order_is_by_time_then_place_in_the_log_then_leg(
    drawn: list[tuple[int, int, int, bool]],
) -> None:
    order = event_order(transfers(drawn), np.array([credit for *_, credit in drawn], np.bool_))

    assert sorted(order.tolist()) == list(range(len(drawn)))
    assert [drawn[place] for place in order] == sorted(drawn)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=60), st.integers(1, 1024))
def test_every_row_goes_to_the_shard_of_its_token_in_its_order(tokens: list[int], shards: int) -> None:
    made = np.zeros(len(tokens), TRANSFER)
    made["debtor"][:, 0], made["offset"] = tokens, np.arange(len(tokens))
    parts = dict(by_shard(made, shard_of(made["debtor"], shards)))

    assert all(len(part) for part in parts.values())
    for shard, part in parts.items():
        own = [place for place, token in enumerate(tokens) if (token >> 40) % shards == shard]
        assert part["offset"].tolist() == own
    assert sum(map(len, parts.values())) == len(tokens)


@given(rows)
def test_rows_put_into_a_column_are_the_same_rows(drawn: list[tuple[int, int, int, bool]]) -> None:
    legs, made = np.zeros(len(drawn), ledgers_of(STREAMS).leg), transfers(drawn)
    legs["value"] = 1.5
    put(legs, "transfer", made)

    assert (legs["transfer"] == made).all()
    assert (legs["value"] == 1.5).all()
    assert not legs["payer"]["age_s"].any()
