"""Tracing: methods, depth, wallets joined by clearing serial, good faith and hop limit."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.money.purse import Lot, Method, debit, taint_of
from measures.money.tracing import Transfer, join_legs, trace

METHODS: tuple[Method, ...] = ("FIFO", "LIFO", "LIBR", "PRO_RATA")
PURSE = [Lot(100), Lot(60, "v1"), Lot(40, "v2"), Lot(100)]
lots = st.lists(
    st.builds(Lot, st.integers(1, 10**9), st.sampled_from(["", "v1", "v2"]), st.integers(0, 3)), max_size=8
)


@pytest.mark.parametrize(
    ("method", "stays"),
    [
        ("FIFO", {"v1": 10, "v2": 40}),
        ("LIFO", {"v1": 50}),
        ("LIBR", {"v1": 60, "v2": 40}),
        ("PRO_RATA", {"v1": 30, "v2": 20}),
    ],
)
def test_how_a_debit_takes_from_the_lots_is_the_method(method: Method, stays: dict[str, int]) -> None:
    kept, left = debit(PURSE, 150, method)
    assert taint_of(kept) == stays
    assert sum(lot.amount_minor for lot in left) == 150


def test_taint_never_exceeds_the_balance_by_the_lowest_balance_rule() -> None:
    kept, _ = debit(PURSE, 250, "LIBR")
    assert taint_of(kept) == {"v1": 30, "v2": 20}


@given(lots, st.integers(0, 10**10), st.sampled_from(METHODS))
def test_a_debit_loses_no_unit_of_any_origin(purse: list[Lot], amount: int, method: Method) -> None:
    kept, left = debit(purse, amount, method)
    assert sum(lot.amount_minor for lot in left) == amount
    before, after = taint_of(purse), taint_of([*kept, *left])
    assert before == after
    assert sum(lot.amount_minor for lot in kept) == max(0, sum(lot.amount_minor for lot in purse) - amount)


def chain(length: int, amount: int = 1000) -> list[Transfer]:
    return [Transfer(f"t{n}", n, f"a{n}", f"a{n + 1}", amount) for n in range(length)]


def hops_of(transfers: Sequence[Transfer], **options: object) -> list[tuple[str, int, bool]]:
    found = trace(transfers, {"t0": "v1"}, hop_limit=3, **options).hops
    return [(hop.creditor, hop.hop, hop.freezable) for hop in found]


def test_money_is_followed_layer_by_layer_up_to_the_hop_limit() -> None:
    assert hops_of(chain(7)) == [
        ("a1", 0, True), ("a2", 1, True), ("a3", 2, True), ("a4", 3, True), ("a5", 4, False),
    ]  # fmt: skip


def test_fresh_evidence_carries_the_trace_beyond_the_limit() -> None:
    found = hops_of(chain(7), evidence={"a5"})
    assert [hop for _, hop, _ in found] == [0, 1, 2, 3, 0, 1, 2]
    assert all(freezable for _, _, freezable in found)


def test_money_that_reached_a_seller_in_good_faith_is_not_followed_further() -> None:
    assert hops_of(chain(5), good_faith={"a2"}) == [("a1", 0, True), ("a2", 1, False)]
    assert len(hops_of(chain(4), good_faith={"a2"}, evidence={"a2"})) == 4


def test_a_split_and_a_collection_carry_each_victims_money_to_the_cent() -> None:
    transfers = [
        Transfer("t0", 0, "victim-1", "m", 700),
        Transfer("t1", 1, "victim-2", "m", 300),
        Transfer("t2", 2, "m", "x", 650),
        Transfer("t3", 3, "m", "y", 350),
        Transfer("t4", 4, "x", "z", 650),
        Transfer("t5", 5, "y", "z", 300),
    ]
    found = trace(transfers, {"t0": "v1", "t1": "v2"}, hop_limit=5)
    assert found.remaining == {"z": {"v1": 700, "v2": 250}, "y": {"v2": 50}}


def test_an_opening_balance_leaves_first_by_fifo() -> None:
    transfers = [Transfer("t0", 0, "victim", "m", 100), Transfer("t1", 1, "m", "x", 120)]
    found = trace(transfers, {"t0": "v1"}, hop_limit=3, opening={"m": 80})
    assert found.remaining == {"m": {"v1": 60}, "x": {"v1": 40}}


def test_a_wallet_hop_is_joined_to_its_bank_leg_by_the_clearing_serial() -> None:
    legs = [
        Transfer("t0", 0, "victim", "m", 500),
        Transfer("bank-leg", 1, "m", "pool", 500, "cs-1"),
        Transfer("wallet-leg", 2, "pool", "wallet", 498, "cs-1"),
        Transfer("other", 2, "someone", "pool", 70, "cs-2"),
    ]
    joined = join_legs(legs, {"pool"})
    assert [(t.txn_id, t.debtor, t.creditor, t.amount_minor) for t in joined] == [
        ("t0", "victim", "m", 500),
        ("bank-leg", "m", "pool", 2),
        ("bank-leg", "m", "wallet", 498),
        ("other", "someone", "pool", 70),
    ]
    assert trace(joined, {"t0": "v1"}, hop_limit=3).remaining["wallet"] == {"v1": 498}


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(1, 500)), max_size=25),
    st.sampled_from(METHODS),
)
def test_tainted_money_is_neither_made_nor_lost(moves: list[tuple[str, str, int]], method: Method) -> None:
    transfers = [Transfer("seed", 0, "victim", "a", 1000)]
    transfers += [
        Transfer(f"t{n:02d}", n + 1, a, b, amount) for n, (a, b, amount) in enumerate(moves) if a != b
    ]
    found = trace(transfers, {"seed": "v1"}, method=method, hop_limit=99)
    assert sum(taint["v1"] for taint in found.remaining.values()) == 1000


def bank(txn_id: str, amount: int, debtor: str = "m", at_us: int = 1) -> Transfer:
    return Transfer(txn_id, at_us, debtor, "pool", amount, "cs-1")


def wallet(creditor: str, amount: int, at_us: int = 2) -> Transfer:
    return Transfer(f"to-{creditor}", at_us, "pool", creditor, amount, "cs-1")


def arrived(legs: Sequence[Transfer]) -> dict[str, int]:
    found = trace(
        join_legs([Transfer("t0", 0, "victim", "m", 100), *legs], {"pool"}), {"t0": "v"}, hop_limit=9
    )
    return {account: taint["v"] for account, taint in found.remaining.items()}


def test_one_bank_leg_and_two_wallet_legs_of_a_serial_carry_all_of_the_money() -> None:
    assert arrived([bank("b", 100), wallet("M1", 60), wallet("M2", 40)]) == {"M1": 60, "M2": 40}


def test_two_bank_legs_and_one_wallet_leg_of_a_serial_carry_all_of_the_money() -> None:
    assert arrived([bank("b1", 60), bank("b2", 40), wallet("M1", 100)]) == {"M1": 100}


def test_of_two_payers_of_one_serial_the_first_money_in_is_the_first_out() -> None:
    """M pays in 100, N 50; 120 go to W1 and 30 to W2: W1 has M's 100 and 20 of N, W2 the rest of N."""
    joined = join_legs(
        [bank("b1", 100), bank("b2", 50, "n", 2), wallet("W1", 120, 3), wallet("W2", 30, 4)], {"pool"}
    )
    assert [(t.debtor, t.creditor, t.amount_minor) for t in joined] == [
        ("m", "W1", 100), ("n", "W1", 20), ("n", "W2", 30),
    ]  # fmt: skip


def test_what_has_not_left_the_pooled_account_lies_there() -> None:
    assert arrived([bank("b", 100), wallet("M1", 60)]) == {"M1": 60, "pool": 40}


@given(st.lists(st.integers(1, 90), max_size=4), st.lists(st.integers(1, 90), max_size=4), st.randoms())
def test_joining_legs_changes_no_accounts_sum(into: list[int], out: list[int], rng: random.Random) -> None:
    legs = [bank(f"b{n}", amount, f"m{n % 2}", n) for n, amount in enumerate(into)]
    legs += [wallet(f"w{n}", amount, n) for n, amount in enumerate(out)]
    joined = join_legs(rng.sample(legs, len(legs)), {"pool"})

    def sums(transfers: Sequence[Transfer]) -> Counter[str]:
        found: Counter[str] = Counter()
        for transfer in transfers:
            found[transfer.debtor] -= transfer.amount_minor
            found[transfer.creditor] += transfer.amount_minor
        return Counter({account: value for account, value in found.items() if value})

    assert sums(joined) == sums(legs)
