"""Ledgers: commutative, indifferent to cuts, and right about what they estimate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.accounts import BUCKETS as ACCOUNT_BUCKETS
from models.ledgers.decay import HORIZONS_S
from models.ledgers.ledger import Ledger
from models.ledgers.parties import BUCKETS as PARTY_BUCKETS
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.table import Table
from schemas.units import DAY_US
from tests.hotpath.states import assert_close

T0_US = 1_756_656_000_000_000

FACTS = {PAYERS.name: PARTY_FACT, ACCOUNTS.name: ACCOUNT_FACT}

each_kind = pytest.mark.parametrize("kind", [PAYERS, ACCOUNTS], ids=lambda kind: kind.name)


def observed(kind: Ledger, table: Table, facts: np.ndarray) -> np.ndarray:
    return kind.fold(table, [facts])


def facts_of(kind: Ledger, drawn: list[tuple[int, int, int, int, int, int]]) -> np.ndarray:
    """Facts from (key, second, amount, counterparty, credit, risky)."""
    facts = np.zeros(len(drawn), FACTS[kind.name])
    for place, (key, second, amount, counterparty, credit, risky) in enumerate(drawn):
        facts["key"][place] = key, key
        facts["at_us"][place] = T0_US + second * 1_000_000
        facts["value"][place] = amount
        facts["counterparty"][place] = counterparty
        if kind is ACCOUNTS:
            facts["credit"][place], facts["risky"][place] = credit, risky
    return facts


def random_facts(kind: Ledger, count: int, keys: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    facts = np.zeros(count, FACTS[kind.name])
    facts["key"] = draw.integers(0, 2**64, (keys, 2), np.uint64)[draw.integers(0, keys, count)]
    facts["at_us"] = T0_US + np.sort(draw.integers(0, 30 * DAY_US, count))
    facts["value"] = draw.lognormal(9, 2, count).round()
    facts["counterparty"] = draw.integers(0, 2**64, count, np.uint64)
    if kind is ACCOUNTS:
        facts["credit"], facts["risky"] = draw.integers(0, 2, count), draw.integers(0, 2, count)
    return facts


def fold(kind: Ledger, *blocks: np.ndarray) -> tuple[Table, np.ndarray]:
    table = Table.empty(kind.row)
    return table, np.concatenate([observed(kind, table, block) for block in blocks])


def by_key(table: Table) -> np.ndarray:
    return table.filled[np.lexsort(table.filled["key"].T)]


month_s = 30 * 86_400
drawn_facts = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, month_s), st.integers(1, 10**12), st.integers(0, 40),
        st.integers(0, 1), st.integers(0, 1),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


@each_kind
@settings(deadline=None)
@given(data=st.data())
def test_a_ledger_ends_the_same_whatever_the_order_and_the_cuts(kind: Ledger, data: st.DataObject) -> None:
    facts = facts_of(kind, data.draw(drawn_facts))
    order = data.draw(st.permutations(range(len(facts))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(facts)), max_size=5)))
    straight, _ = fold(kind, facts[np.argsort(facts["at_us"], kind="stable")])
    shuffled, _ = fold(kind, *np.split(facts[list(order)], cuts))

    assert_close(by_key(straight), by_key(shuffled))


@each_kind
@settings(deadline=None)
@given(data=st.data())
def test_what_was_known_before_a_fact_does_not_depend_on_the_cuts(kind: Ledger, data: st.DataObject) -> None:
    facts = facts_of(kind, data.draw(drawn_facts))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(facts)), max_size=5)))
    whole, seen_whole = fold(kind, facts)
    cut, seen_cut = fold(kind, *np.split(facts, cuts))

    assert seen_whole.tobytes() == seen_cut.tobytes()
    assert whole.filled.tobytes() == cut.filled.tobytes()


@settings(deadline=None)
@given(drawn_facts)
def test_a_view_holds_the_decayed_sums_of_the_facts_before_it(drawn: list[tuple[int, ...]]) -> None:
    """Against the definition: sum of v exp(-(t - t_i) / tau) over earlier facts of the same key."""
    facts = facts_of(ACCOUNTS, sorted(drawn, key=lambda fact: fact[1]))  # type: ignore[arg-type]
    _, views = fold(ACCOUNTS, facts)
    for place, fact in enumerate(facts):
        before = facts[:place][(facts["key"][:place] == fact["key"]).all(axis=1)]
        age_s = (fact["at_us"] - before["at_us"])[:, None] / 1e6
        weight = np.exp(-age_s / HORIZONS_S)
        credit, value = before["credit"][:, None], before["value"][:, None]
        sums = {
            "in_count": credit,
            "in_value": credit * value,
            "out_count": 1 - credit,
            "out_value": (1 - credit) * value,
            "risky_value": credit * before["risky"][:, None] * value,
        }
        for name, summand in sums.items():
            np.testing.assert_allclose(views[name][place], (weight * summand).sum(axis=0), rtol=1e-9)
        newest = before["at_us"].max() if len(before) else None
        ins = before["at_us"][before["credit"] == 1]
        assert views["age_s"][place] == pytest.approx(
            (fact["at_us"] - before["at_us"].min()) / 1e6 if newest else math.nan, nan_ok=True
        )
        assert views["in_gap_s"][place] == pytest.approx(
            (fact["at_us"] - ins.max()) / 1e6 if len(ins) else math.nan, nan_ok=True
        )
        assert views["largest_in"][place] == max(before["value"][before["credit"] == 1], default=0.0)


def test_a_late_fact_is_told_no_negative_time_and_takes_its_place_in_the_sums() -> None:
    late = facts_of(PAYERS, [(1, 100, 5, 0, 0, 0), (1, 40, 7, 0, 0, 0)])
    _, views = fold(PAYERS, late)
    ordered, _ = fold(PAYERS, late[::-1])
    table, _ = fold(PAYERS, late)

    assert (views["gap_s"][1], views["age_s"][1]) == (0.0, 0.0)
    assert_close(ordered.filled, table.filled)


@pytest.mark.parametrize("truth", [1, 2, 5, 10, 20, 30])
def test_the_estimate_of_distinct_counterparties_is_near_the_truth(truth: int) -> None:
    """Over 300 accounts: within 6 % in the mean and 20 % (or one) for two of three accounts."""
    draw = np.random.default_rng(truth)
    count = 300
    others = draw.integers(0, 2**64, (count, truth), np.uint64)
    known = np.repeat(others, 2, axis=1).ravel()  # each of them twice
    for kind, name, buckets in (
        (PAYERS, "payees_1d", PARTY_BUCKETS),
        (ACCOUNTS, "payers_1d", ACCOUNT_BUCKETS),
    ):
        facts = np.zeros(len(known) + count, FACTS[kind.name])
        facts["key"][: len(known)] = np.repeat(np.arange(count), 2 * truth)[:, None]
        facts["key"][len(known) :] = np.arange(count)[:, None]
        facts["at_us"] = T0_US
        facts["counterparty"][: len(known)] = known
        if kind is ACCOUNTS:
            facts["credit"] = 1
        estimate = fold(kind, facts)[1][name][len(known) :]
        if truth <= buckets:
            assert estimate.mean() == pytest.approx(truth, rel=0.06)
            near = np.abs(estimate - truth) <= max(1.0, 0.2 * truth)
            assert near.mean() > 2 / 3


def test_counterparties_older_than_the_window_do_not_count() -> None:
    day_s = 86_400
    seconds = (0, day_s // 2, day_s + 1, 8 * day_s)
    facts = facts_of(ACCOUNTS, [(1, second, 1, payer, 1, 0) for payer, second in enumerate(seconds)])
    _, views = fold(ACCOUNTS, facts)
    one = -ACCOUNT_BUCKETS * math.log1p(-1 / ACCOUNT_BUCKETS)

    assert views["payers_1d"].tolist() == pytest.approx([0, one, one, 0])
    assert views["payers_7d"][3] == pytest.approx(one)


@each_kind
def test_growth_keeps_the_rows_and_finds_them_again(kind: Ledger) -> None:
    facts = random_facts(kind, 20_000, 5_000)
    table = Table.empty(kind.row)
    for block in np.array_split(facts, 37):
        observed(kind, table, block)
    keys = np.unique(facts["key"], axis=0)
    places = table.locate(keys)

    assert table.used == len(keys) == len(table.filled)
    assert sorted(places.tolist()) == list(range(len(keys)))
    assert (table.filled["key"][places] == keys).all()
    assert len(table.rows) < 4 * len(keys)
    copy = Table.empty(kind.row)
    copy.put(table.filled)
    assert copy.filled.tobytes() == table.filled.tobytes()
    assert (copy.locate(keys) == places).all()


@each_kind
def test_keys_that_are_no_hashes_are_told_apart_as_well(kind: Ledger) -> None:
    keys = np.array([(high, low) for high in range(40) for low in range(40)], np.uint64)
    table = Table.empty(kind.row)

    assert table.locate(keys).tolist() == list(range(1600))
    assert table.locate(keys[::-1]).tolist() == list(range(1599, -1, -1))


def test_facts_and_rows_are_as_small_as_the_design_says() -> None:
    assert (PARTY_FACT.itemsize, ACCOUNT_FACT.itemsize) == (48, 48)
    assert max(PAYERS.row.itemsize, ACCOUNTS.row.itemsize) <= 12 * 64  # lines of cache
    assert PAYERS.row.itemsize % 8 == ACCOUNTS.row.itemsize % 8 == 0  # words of every row lie on words


def test_a_view_of_an_unknown_account_knows_nothing() -> None:
    seen = observed(ACCOUNTS, Table.empty(ACCOUNTS.row), facts_of(ACCOUNTS, [(1, 0, 5, 0, 1, 1)]))
    payer = observed(PAYERS, Table.empty(PAYERS.row), facts_of(PAYERS, [(1, 0, 5, 0, 1, 1)]))

    for name in ("age_s", "in_gap_s", "out_gap_s", "counterparty_gap_s"):
        assert math.isnan(seen[name][0])
    assert math.isnan(payer["payee_gap_s"][0])
    assert not seen["in_count"].any() and not seen["payers_1d"].any() and not payer["largest"].any()


def test_a_payee_paid_before_is_remembered_and_of_others_few_are_taken_for_him() -> None:
    draw = np.random.default_rng(7)
    payees = draw.integers(0, 2**64, 50, np.uint64)
    facts = np.zeros(2_100, PARTY_FACT)
    facts["key"] = 1
    facts["at_us"] = T0_US + np.arange(2_100)
    facts["counterparty"] = np.concatenate([payees, payees, draw.integers(0, 2**64, 2_000, np.uint64)])
    table = Table.empty(PAYERS.row)
    first, again = observed(PAYERS, table, facts[:50]), observed(PAYERS, table, facts[50:100])
    strangers = np.concatenate(
        [observed(PAYERS, _copy(table), facts[place : place + 1]) for place in range(100, 2_100)]
    )

    assert first["payee_paid"].sum() <= 1
    assert again["payee_paid"].all()
    assert strangers["payee_paid"].mean() < 0.01


def _copy(table: Table) -> Table:
    copied = Table.empty(PAYERS.row)
    copied.put(table.filled)
    return copied
