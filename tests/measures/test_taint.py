"""Taint of live accounts: conservation, duplicates and order, limits, what orders state."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.money import purse
from measures.money.purse import Lot, taint_of
from measures.money.taint import Debit, Limits, TaintedMove, carried, left, statements
from tests.measures.kit import ACCOUNT, HOUR, PAID, T0, Bench, defrauded, entry_of, make_order
from tests.tokens import token_of

LIMITS = Limits(hop_limit=3, least_minor=1)


def stated(account: str = "m0", amount: int = 1_000, case: str = "c", **changes: object) -> TaintedMove:
    move = TaintedMove(f"taint_{case}{account}", case, "victim", account, amount, "CNY", 0, 0, stated=True)
    return move._replace(**changes)  # type: ignore[arg-type]


def debit(txn_id: str, debtor: str, creditor: str, amount: int, at_us: int = 1, **known: object) -> Debit:
    return Debit(txn_id, at_us, debtor, creditor, amount, "CNY", -1)._replace(**known)  # type: ignore[arg-type]


def follow(
    moves: Sequence[TaintedMove], debits: Sequence[Debit], limits: Limits = LIMITS
) -> list[TaintedMove]:
    """Take debits one after the other; gives the new moves."""
    found: list[TaintedMove] = []
    for each in debits:
        own = [move for move in (*moves, *found) if each.debtor in (move.debtor, move.creditor)]
        found += carried(each, own, limits)
    return found


def on(moves: Sequence[TaintedMove], account: str) -> dict[str, int]:
    return taint_of(left([each for each in moves if account in each[2:4]], account, 2**60))


def chain(length: int, amount: int = 1_000) -> list[Debit]:
    return [debit(f"t{n}", f"m{n}", f"m{n + 1}", amount, n + 1) for n in range(length)]


def test_money_is_followed_hop_by_hop_and_not_beyond_the_limit() -> None:
    found = follow([stated()], chain(6))

    assert [(each.creditor, each.amount_minor, each.hop, each.followed) for each in found] == [
        ("m1", 1_000, 1, True), ("m2", 1_000, 2, True), ("m3", 1_000, 3, True), ("m4", 1_000, 4, False),
    ]  # fmt: skip


def test_an_order_against_an_account_on_the_way_starts_the_hops_anew_and_adds_no_money() -> None:
    fresh = stated("m4", debtor="m3", at_us=4)
    found = follow([stated(), fresh], chain(6))

    assert [each.hop for each in found] == [1, 2, 3, 1, 2]
    assert on([stated(), fresh, *found], "m6") == {"c": 1_000}
    assert not any(on([stated(), fresh, *found], f"m{n}") for n in range(6))


def test_clean_money_leaves_first_while_the_balance_is_known() -> None:
    first = debit("t1", "m0", "shop", 700, balance_after_minor=1_300)
    second = debit("t2", "m0", "m1", 900, 2, balance_after_minor=400)

    assert [(each.creditor, each.amount_minor) for each in follow([stated()], [first, second])] == [
        ("m1", 600)
    ]


@given(st.integers(0, 5_000), st.integers(1, 9_000), st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_a_debit_takes_what_the_lowest_balance_rule_of_tracing_takes(
    clean: int, amount: int, taints: list[int]
) -> None:
    moves = [stated(amount=taint, case=f"c{n}") for n, taint in enumerate(taints)]
    balance = clean + sum(taints)
    amount = min(amount, balance)
    found = carried(debit("t", "m0", "m1", amount, balance_after_minor=balance - amount), moves, LIMITS)
    lots = [Lot(clean), *(Lot(taint, f"c{n}") for n, taint in enumerate(taints))]

    _, leaving = purse.debit([lot for lot in lots if lot.amount_minor], amount, "LIBR")

    assert {each.case: each.amount_minor for each in found} == taint_of(leaving)


def test_the_same_debit_read_twice_moves_nothing_more() -> None:
    debits = [debit("t1", "m0", "m1", 600), debit("t2", "m0", "m2", 600, 2)]
    once, twice = follow([stated()], debits), follow([stated()], [*debits, *debits])

    assert once == twice
    assert [each.amount_minor for each in once] == [600, 400]


def test_a_debit_before_the_money_came_carries_none_of_it() -> None:
    assert carried(debit("t", "m0", "m1", 50, at_us=9), [stated(at_us=10)], LIMITS) == []


def test_small_sums_good_faith_and_the_way_home_end_a_trace() -> None:
    limits = Limits(3, least_minor=10, good_faith={"shop"})
    found = follow(
        [stated()],
        [debit("t1", "m0", "m1", 9), debit("t2", "m0", "shop", 100, 2), debit("t3", "m0", "victim", 100, 3)],
        limits,
    )

    assert [(each.creditor, each.followed) for each in found] == [("shop", False), ("victim", False)]
    assert on([stated(), *found], "shop") == {}
    assert on([stated(), *found], "m0") == {"c": 800}


def test_money_leaves_a_pooled_account_only_by_the_serial_it_came_with() -> None:
    limits = Limits(3, least_minor=1, pooled={"pool"})
    found = follow(
        [stated()],
        [
            debit("bank-leg", "m0", "pool", 500, 1, clearing_serial="cs-1"),
            debit("other", "pool", "someone", 500, 2, clearing_serial="cs-2", balance_after_minor=10**6),
            debit("none", "pool", "someone", 500, 3),
            debit("wallet-leg", "pool", "wallet", 498, 4, clearing_serial="cs-1", balance_after_minor=9**9),
        ],
        limits,
    )

    assert [(each.creditor, each.amount_minor, each.hop) for each in found] == [
        ("pool", 500, 1), ("wallet", 498, 2),
    ]  # fmt: skip


def test_another_currency_is_not_touched() -> None:
    assert carried(debit("t", "m0", "m1", 50, currency="USD"), [stated()], LIMITS) == []


@given(st.integers(0, 2**32))
def test_no_unit_is_made_or_lost_whatever_is_repeated_or_overtaken(seed: int) -> None:
    """Orders and debits in any order and repeated: what lies somewhere is what the orders state."""
    rng = random.Random(seed)
    names = [f"m{n}" for n in range(5)]
    orders = [stated(rng.choice(names), rng.randint(1, 1_000), f"c{n % 2}", at_us=n) for n in range(3)]
    orders = [order._replace(move_id=f"taint_{n}") for n, order in enumerate(orders)]
    debits = [
        debit(
            f"t{n}",
            *rng.sample(names, 2),
            rng.randint(1, 800),
            n,
            balance_after_minor=rng.choice([-1, 0, 300]),
        )
        for n in range(12)
    ]
    heard: list[TaintedMove] = []
    for each in rng.choices([*orders, *debits], k=40):
        if isinstance(each, TaintedMove):
            heard += [each] if each not in heard else []
        else:
            heard += carried(each, [move for move in heard if each.debtor in move[2:4]], Limits(99, 1))
    ids = [move.move_id for move in heard]
    for case in ("c0", "c1"):
        lies = sum(on(heard, name).get(case, 0) for name in names)
        assert lies == sum(order.amount_minor for order in heard if order.stated and order.case == case)
    assert len(ids) == len(set(ids))


def told(bench: Bench) -> list[TaintedMove]:
    return statements(entry_of(bench))


def test_a_stop_states_the_victims_transfer_and_the_freeze_after_it_adds_nothing() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.order(make_order("F1", "FREEZE", issued_at_us=T0 + HOUR))

    assert {(each.debtor, each.creditor, each.at_us) for each in told(bench)} == {
        (token_of("acct-victim"), ACCOUNT, T0)
    }
    assert taint_of(left(newest(told(bench)), ACCOUNT, T0)) == {"family-1": PAID}


def test_a_lifted_measure_states_nothing_any_more_and_one_that_ran_out_still_does() -> None:
    lifted, lapsed = defrauded(), defrauded()
    for bench in (lifted, lapsed):
        bench.order(make_order("S1"))
    lifted.order(make_order("L1", action="LIFT", original_order_no="S1", issued_at_us=T0 + 1))
    lapsed.tick(T0 + 49 * HOUR)

    assert left(newest(told(lifted)), ACCOUNT, T0) == []
    assert taint_of(left(newest(told(lapsed)), ACCOUNT, T0)) == {"family-1": PAID}


def test_the_onward_trace_of_an_emptied_account_names_the_next_one() -> None:
    bench = defrauded()
    bench.move("onward-1", -PAID, T0 + 1, counterparty_token=token_of("acct-next"), clearing_serial="cs-9")
    bench.order(make_order("S1"), T0 + 2)

    (onward,) = [each for each in told(bench) if not each.stated]
    assert (onward.creditor, onward.amount_minor, onward.hop) == (token_of("acct-next"), PAID, 1)
    assert onward.clearing_serial == "cs-9"
    assert left(told(bench), ACCOUNT, T0 + 2) == []


@pytest.mark.parametrize("kind", ["STOP", "FREEZE"])
def test_an_order_that_names_no_loss_states_nothing(kind: str) -> None:
    bench = defrauded()
    bench.order(make_order("X1", kind, victim_transfer=None, amount_minor=10))

    assert told(bench) == []


def newest(moves: Sequence[TaintedMove]) -> list[TaintedMove]:
    return list({each.move_id: each for each in sorted(moves, key=lambda move: move.version)}.values())
