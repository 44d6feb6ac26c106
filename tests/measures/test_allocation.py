"""Refund arithmetic against a second implementation in rational numbers, and the rules around it."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.money.allocation import Allocation, Pot, allocate, reimburse
from measures.money.rounding import proportion
from schemas.order import Direction, Flow


def flow(txn_id: str, at_us: int, amount: int) -> Flow:
    direction = Direction.CREDIT if amount > 0 else Direction.DEBIT
    return Flow(txn_id=txn_id, at_us=at_us, direction=direction, amount_minor=abs(amount))


# --- the independent implementation -------------------------------------------------------------------


def exact_shares(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Largest remainder by rational numbers; ties to the name that sorts first."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    exact = {name: Fraction(total * weight, whole) for name, weight in weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name))
    for name in order[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def exact_fifo(events: Sequence[tuple[str, int]]) -> dict[str, int]:
    """What is left of each credit: credits line up end to end, and debits eat from the front."""
    spent = -sum(amount for _, amount in events if amount < 0)
    left: dict[str, int] = {}
    end = 0
    for victim, amount in events:
        if amount > 0:
            start, end = end, end + amount
            left[victim] = left.get(victim, 0) + max(0, end - max(start, spent))
    return left


def exact_libr(events: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Taint never exceeds the balance; what exceeds it is taken off the credits in proportion."""
    balance = 0
    lots: dict[str, tuple[str, int]] = {}
    for number, (victim, amount) in enumerate(events):
        balance += amount
        if amount > 0 and victim:
            lots[f"{number:04d}"] = (victim, amount)
        over = sum(value for _, value in lots.values()) - balance
        if over > 0:
            takes = exact_shares(over, {key: value for key, (_, value) in lots.items()})
            lots = {key: (who, value - takes[key]) for key, (who, value) in lots.items()}
    left: dict[str, int] = {}
    for who, value in lots.values():
        left[who] = left.get(who, 0) + value
    return left


def expected(
    method: str, frozen: int, events: Sequence[tuple[str, int]], losses: Mapping[str, int]
) -> dict[str, int]:
    if method == "PRO_RATA":
        return exact_shares(min(frozen, sum(losses.values())), losses)
    left = exact_fifo(events) if method == "TRACE_FIFO" else exact_libr(events)
    entitled = {victim: min(loss, left.get(victim, 0)) for victim, loss in losses.items()}
    return exact_shares(min(frozen, sum(entitled.values())), entitled)


# --- random accounts ---------------------------------------------------------------------------------


def random_case(rng: random.Random) -> tuple[int, list[tuple[str, int]], dict[str, int]]:
    """A frozen sum, the account's events (victim or "" and signed amount), and the losses claimed."""
    victims = [f"v{n}" for n in range(rng.randint(1, 6))]
    scale = 10 ** rng.randint(1, 12)
    events: list[tuple[str, int]] = []
    balance = 0
    for _ in range(rng.randint(1, 10)):
        leaves = balance and rng.random() < 0.45
        amount = -rng.randint(1, balance) if leaves else rng.randint(1, scale)
        events.append((rng.choice([*victims, ""]) if amount > 0 else "", amount))
        balance += amount
    losses = {victim: rng.randint(1, scale) for victim in victims}
    return rng.randint(0, balance), events, losses


@pytest.mark.parametrize("cases", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_shares_equal_the_rational_numbers_in_random_cases(
    cases: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(20260302)
    spent = 0.0
    methods = ("PRO_RATA", "TRACE_FIFO", "LIBR")
    for number in range(cases):
        frozen, events, losses = random_case(rng)
        flows = tuple(flow(f"t{i:02d}", i, amount) for i, (_, amount) in enumerate(events))
        pot = Pot(frozen, flows, {f"t{i:02d}": who for i, (who, _) in enumerate(events) if who})
        method = methods[number % 3]
        started = time.perf_counter()
        result = allocate((method, "PRO_RATA"), pot, losses)
        spent += time.perf_counter() - started
        assert result == allocate((method, "PRO_RATA"), pot, losses)
        assert result.shares == expected(result.method, frozen, events, losses), (frozen, events, losses)
        assert sum(result.shares.values()) <= frozen
        assert all(result.shares[victim] <= loss for victim, loss in losses.items())
    record_property("refund_cases_per_second", round(cases / spent))
    print(f"\nrefund cases: {cases}, {cases / spent:,.0f} allocations/s")


# --- the rules ---------------------------------------------------------------------------------------


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_a_proportion_loses_no_unit_and_is_off_by_less_than_one(total: int, weights: list[int]) -> None:
    shares = proportion(total, weights)
    if not sum(weights):
        assert shares == [0] * len(weights)
        return
    assert sum(shares) == total
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    assert all(abs(share - value) < 1 for share, value in zip(shares, exact, strict=True))


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.integers(0, 10**9), st.randoms())
def test_shares_do_not_depend_on_the_order_of_the_claims(
    losses: list[int], frozen: int, rng: random.Random
) -> None:
    claims = [(f"v{n}", loss) for n, loss in enumerate(losses)]
    shuffled = rng.sample(claims, len(claims))
    first, second = (allocate(("PRO_RATA",), Pot(frozen), dict(c)) for c in (claims, shuffled))
    assert first == second


CN = ("DIRECT", "TRACE_FIFO", "PRO_RATA")


def test_a_single_incoming_record_is_returned_directly() -> None:
    pot = Pot(700, (flow("a", 1, 1000), flow("x", 2, -300)), {"a": "v1"})
    assert allocate(CN, pot, {"v1": 1000}) == Allocation("DIRECT", {"v1": 700})


def test_money_that_time_separates_is_traced() -> None:
    flows = (flow("a", 1, 1000), flow("b", 2, 500), flow("x", 3, -1200))
    pot = Pot(300, flows, {"a": "v1", "b": "v2"})
    assert allocate(CN, pot, {"v1": 1000, "v2": 500}) == Allocation("TRACE_FIFO", {"v1": 0, "v2": 300})


def test_money_that_came_in_at_one_instant_is_shared_pro_rata() -> None:
    flows = (flow("a", 1, 1000), flow("b", 1, 500), flow("x", 3, -1200))
    pot = Pot(300, flows, {"a": "v1", "b": "v2"})
    assert allocate(CN, pot, {"v1": 1000, "v2": 500}) == Allocation("PRO_RATA", {"v1": 200, "v2": 100})


def test_the_lowest_balance_after_a_deposit_caps_the_claim() -> None:
    flows = (flow("a", 1, 1000), flow("x", 2, -1300), flow("own", 3, 5000))
    pot = Pot(5200, flows, {"a": "v1"}, opening_minor=500)
    assert allocate(("LIBR",), pot, {"v1": 1000}).shares == {"v1": 200}


def test_without_an_applicable_method_the_file_is_at_fault() -> None:
    with pytest.raises(ValueError, match="PRO_RATA"):
        allocate(("DIRECT",), Pot(1), {"v1": 1})


def test_a_reimbursement_is_capped_and_split_without_loss() -> None:
    assert reimburse(9_000_001, 8_500_000, (50, 50)) == [4_250_000, 4_250_000]
    assert sum(reimburse(99_999, 8_500_000, (50, 50))) == 99_999
