"""Whose money is spent and whose is left: cases computed by hand, and what must hold of any account."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.law.country_file import FOLDER, jurisdiction
from measures.money.allocation import METHODS, TRACES, Allocation, Pot, allocate, presumption
from measures.money.purse import PRESUMPTIONS, Method
from measures.money.tracing import Transfer, onward, trace
from schemas.order import Direction, Flow
from tests.measures.kit import T0

COUNTRIES = sorted(path.stem.upper() for path in FOLDER.glob("*.yaml"))
FILES = {country: jurisdiction(country).on(T0).refund.methods for country in COUNTRIES}
COMMON_LAW = ("UK", "SG", "MY", "IN", "AU", "HK")
CN = FILES["CN"]
ANY_TRACING = [methods for methods in FILES.values() if not TRACES.keys().isdisjoint(methods)]


def flow(txn_id: str, at_us: int, amount: int, **known: str) -> Flow:
    direction = Direction.CREDIT if amount > 0 else Direction.DEBIT
    return Flow(txn_id=txn_id, at_us=at_us, direction=direction, amount_minor=abs(amount), **known)


def account(*amounts: tuple[str, int], opening: int = 0, **known: int) -> Pot:
    """Movements a second apart: whose ("" the holder's own) and how much; all of the balance is frozen."""
    flows = tuple(flow(f"t{n}", n, amount) for n, (_, amount) in enumerate(amounts))
    victims = {f"t{n}": who for n, (who, amount) in enumerate(amounts) if who and amount > 0}
    balance = opening + sum(amount for _, amount in amounts)
    return Pot(known.get("frozen", max(0, balance)), flows, victims, opening)


# --- zero is a result --------------------------------------------------------------------------------


@pytest.mark.parametrize("country", [c for c in COUNTRIES if not TRACES.keys().isdisjoint(FILES[c])])
def test_a_salary_after_the_stolen_money_was_spent_is_not_the_victims(country: str) -> None:
    """1,000 stolen in, 1,000 out, salary 5,000 in: nothing of the victim's is left (Roscoe v Winder)."""
    pot = account(("v", 1_000), ("", -1_000), ("", 5_000))
    assert allocate(FILES[country], pot, {"v": 1_000}).shares == {"v": 0}


def test_a_later_victims_money_is_not_shared_with_an_earlier_one_whose_money_is_gone() -> None:
    """A 600 in, 600 out, B 400 in: all 400 are B's, by every file that traces."""
    pot = account(("a", 600), ("", -600), ("b", 400))
    for methods in ANY_TRACING:
        assert allocate(methods, pot, {"a": 600, "b": 400}).shares == {"a": 0, "b": 400}


def test_only_money_that_time_cannot_separate_is_shared_by_loss_and_no_more_than_that() -> None:
    """A 600 and B 300 in at one instant, 720 out, salary 5,000 in: 180 are theirs, 120 and 60 by loss."""
    flows = (flow("a", 1, 600), flow("b", 1, 300), flow("x", 2, -720), flow("pay", 3, 5_000))
    pot = Pot(5_180, flows, {"a": "a", "b": "b"})
    shares = {"a": 120, "b": 60}
    assert allocate(CN, pot, {"a": 600, "b": 300}) == Allocation("PRO_RATA", shares)
    # UK: the salary came last, but the 720 were spent before it: 180 are left of both.
    assert allocate(FILES["UK"], pot, {"a": 600, "b": 300}) == Allocation("PRO_RATA", shares)


def test_money_that_time_does_separate_stays_with_its_victim_beside_what_it_does_not() -> None:
    """A 600 and B 300 at one instant, 720 out, then C 400: A and B share 180 by loss, the 400 are C's."""
    flows = (flow("a", 1, 600), flow("b", 1, 300), flow("x", 2, -720), flow("c", 3, 400))
    pot = Pot(580, flows, {"a": "a", "b": "b", "c": "c"})
    for country in ("CN", "UK", "TH", "IN"):
        found = allocate(FILES[country], pot, {"a": 600, "b": 300, "c": 400})
        assert found == Allocation("PRO_RATA", {"a": 120, "b": 60, "c": 400})


def test_money_older_than_the_movements_known_is_shared_up_to_what_is_left_of_it() -> None:
    """The victim's transfer is older than the window, which opens with 700: 500 spent, salary 900."""
    pot = Pot(1_100, (flow("x", 1, -500), flow("pay", 2, 900)), {"long-ago": "v"}, opening_minor=700)
    assert allocate(CN, pot, {"v": 1_000}) == Allocation("PRO_RATA", {"v": 200})


def test_a_claimant_whose_money_never_came_in_gets_nothing() -> None:
    pot = account(("v", 1_000), ("", 500))
    assert allocate(CN, pot, {"v": 1_000, "stranger": 5_000}).shares == {"stranger": 0, "v": 1_000}


# --- presumptions by pair ----------------------------------------------------------------------------


@pytest.mark.parametrize("country", COMMON_LAW)
def test_the_holders_own_money_is_spent_before_the_victims(country: str) -> None:
    """Victim 1,000, own 500, spent 800: the own 500 go first, then 300; 700 are left (Re Hallett)."""
    for opening, amounts in (
        (0, [("v", 1_000), ("", 500), ("", -800)]),
        (0, [("", 500), ("v", 1_000), ("", -800)]),
        (500, [("v", 1_000), ("", -800)]),
    ):
        assert allocate(FILES[country], account(*amounts, opening=opening), {"v": 1_000}).shares == {"v": 700}


def test_money_paid_in_later_does_not_make_the_victims_loss_good() -> None:
    """Victim 1,000, spent 800, own 900 in: 200 are the victim's, the lowest balance in between."""
    pot = account(("v", 1_000), ("", -800), ("", 900))
    for country in COMMON_LAW:
        assert allocate(FILES[country], pot, {"v": 1_000}).shares == {"v": 200}


@pytest.mark.parametrize(
    ("country", "shares"),
    [
        # A 1,000, B 1,000, own 500, spent 1,100: own 500 first, then 600 of the victims'.
        ("UK", {"a": 400, "b": 1_000}),  # the older first: A (Clayton's case)
        ("IN", {"a": 400, "b": 1_000}),
        ("AU", {"a": 700, "b": 700}),  # rateably (Caron v Jahani)
        ("HK", {"a": 700, "b": 700}),
        ("CN", {"a": 0, "b": 900}),  # by time, everybody alike: A 1,000 and B 100
    ],
)
def test_among_victims_the_country_says_who_comes_first(country: str, shares: dict[str, int]) -> None:
    pot = account(("a", 1_000), ("b", 1_000), ("", 500), ("", -1_100))
    assert allocate(FILES[country], pot, {"a": 1_000, "b": 1_000}).shares == shares


def test_a_country_that_names_pro_rata_alone_repays_out_of_what_is_there() -> None:
    """BR: own 100, victim 150 in, 100 out: 150 are blocked, and 150 go back."""
    pot = account(("", 100), ("v", 150), ("", -100))
    assert allocate(FILES["BR"], pot, {"v": 150}).shares == {"v": 150}


def test_every_tracing_method_of_the_files_names_its_case() -> None:
    for country in COMMON_LAW:
        sources = " ".join(jurisdiction(country).on(T0).refund.sources)
        assert any(case in sources for case in ("Hallett", "Caron", "French Caledonia")), country


# --- overdrafts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRACES)
def test_an_overdraft_swallows_what_comes_in(name: str) -> None:
    """Overdrawn by 400, victim pays 1,000 in, later own 700: 600 are the victim's, not 1,000."""
    pot = account(("v", 1_000), ("", 700), opening=-400)
    assert pot.frozen_minor == 1_300
    assert allocate((name,), pot, {"v": 1_000}).shares == {"v": 600}


@pytest.mark.parametrize("name", TRACES)
def test_money_spent_into_overdraft_is_gone_for_good(name: str) -> None:
    """Victim 1,000 in, 1,300 out (overdrawn by 300), victim B 500 in, salary 800: B 200, A nothing."""
    pot = account(("a", 1_000), ("", -1_300), ("b", 500), ("", 800))
    assert allocate((name,), pot, {"a": 1_000, "b": 500}).shares == {"a": 0, "b": 200}


def test_an_overdrawn_account_on_the_way_swallows_the_trace() -> None:
    transfers = [Transfer("t0", 0, "victim", "m", 1_000), Transfer("t1", 1, "m", "x", 1_000)]
    found = trace(transfers, {"t0": "v"}, hop_limit=3, opening={"m": -300})
    assert found.remaining == {"x": {"v": 700}}
    assert found.swallowed == {"m": {"v": 300}}
    (hop,) = (hop for hop in found.hops if hop.creditor == "x")
    assert hop.amount_minor == 700


def test_what_an_account_spends_beyond_a_known_balance_is_owed() -> None:
    transfers = [
        Transfer("spree", 0, "m", "shop", 200),
        Transfer("t0", 1, "victim", "m", 500),
    ]
    assert trace(transfers, {"t0": "v"}, hop_limit=3, opening={"m": 50}).remaining == {"m": {"v": 350}}
    assert trace(transfers, {"t0": "v"}, hop_limit=3).remaining == {"m": {"v": 500}}


# --- assets ------------------------------------------------------------------------------------------


def test_what_mixed_money_bought_is_named_whoever_the_presumption_says_paid() -> None:
    """Own 500, victim 1,000; a car for 600 first, then 900 spent: by Re Hallett 500 of the car were own
    money and nothing is left; by Re Oatway the victim may claim the car instead, up to its price."""
    transfers = [
        Transfer("t0", 0, "victim", "m", 1_000),
        Transfer("car", 1, "m", "dealer", 600),
        Transfer("rest", 2, "m", "casino", 900),
    ]
    found = trace(
        transfers, {"t0": "v"}, method="LIBR", hop_limit=3, good_faith={"dealer"}, opening={"m": 500}
    )
    (car,) = found.assets
    assert (car.txn_id, car.buyer, car.seller, car.price_minor) == ("car", "m", "dealer", 600)
    assert (car.origin, car.traced_minor, car.mixed_minor) == ("v", 100, 600)
    assert found.remaining == {"casino": {"v": 900}}


def test_what_was_bought_before_the_stolen_money_came_is_nobodys_claim() -> None:
    transfers = [Transfer("car", 0, "m", "dealer", 600), Transfer("t0", 1, "victim", "m", 1_000)]
    found = trace(transfers, {"t0": "v"}, hop_limit=3, good_faith={"dealer"}, opening={"m": 600})
    assert found.assets == ()


# --- cause before effect -----------------------------------------------------------------------------


@pytest.mark.parametrize("ids", ["abc", "cba", "bca", "cab"])
def test_a_chain_within_one_instant_is_followed_whatever_its_ids(ids: str) -> None:
    accounts = ("V", "A", "B", "C")
    transfers = [Transfer(ids[n], 7, accounts[n], accounts[n + 1], 1_000) for n in range(3)]
    found = trace(transfers, {ids[0]: "v"}, hop_limit=5)
    assert [(hop.debtor, hop.creditor, hop.amount_minor) for hop in found.hops] == [
        ("V", "A", 1_000), ("A", "B", 1_000), ("B", "C", 1_000),
    ]  # fmt: skip
    assert found.remaining == {"C": {"v": 1_000}}


def test_money_that_goes_in_a_circle_at_one_instant_begins_where_it_is() -> None:
    """A holds the victim's 100; A pays B, B pays A, A pays nobody else: the money ends with A."""
    transfers = [
        Transfer("t0", 0, "V", "A", 100),
        Transfer("y", 5, "A", "B", 100),
        Transfer("x", 5, "B", "A", 100),
    ]
    assert trace(transfers, {"t0": "v"}, hop_limit=9).remaining == {"A": {"v": 100}}


@pytest.mark.parametrize(("into", "out"), [("a", "b"), ("b", "a")])
def test_an_emptied_account_tells_where_the_money_went_in_the_same_second(into: str, out: str) -> None:
    credit, gone = flow(into, 3, 900), flow(out, 3, -900, counterparty_token="next")
    (found,) = onward([gone, credit], 0, credit)
    assert (found.counterparty_token, found.amount_minor) == ("next", 900)


@pytest.mark.parametrize(("country", "carried"), [("HK", 300), ("MY", 300), ("CN", 800)])
def test_what_went_on_and_what_is_left_add_up_by_one_presumption(country: str, carried: int) -> None:
    """Victim 1,000, own 500, 800 out: HK 300 went on and 700 are left, CN 800 and 200."""
    pot = account(("v", 1_000), ("", 500), ("", -800))
    credit = pot.flows[0]
    (found,) = onward(pot.flows, 700, credit, presumption(FILES[country]))
    assert found.amount_minor == carried
    assert carried + allocate(FILES[country], pot, {"v": 1_000}).shares["v"] == 1_000


instant = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.sampled_from("ABCD"), st.integers(1, 500)), min_size=1, max_size=7
)


@given(instant, st.sampled_from(sorted(PRESUMPTIONS)), st.randoms())
def test_ids_and_order_of_input_change_nothing_within_one_instant(
    moves: list[tuple[str, str, int]], method: Method, rng: random.Random
) -> None:
    seeds = [Transfer("t0", 0, "V", "A", 700), Transfer("t1", 1, "W", "B", 500)]
    moves = [move for move in moves if move[0] != move[1]]
    names, results = [f"n{n}" for n in range(len(moves))], []
    for _ in range(2):
        told = [*seeds, *(Transfer(name, 2, *move) for name, move in zip(names, moves, strict=True))]
        rng.shuffle(told)
        found = trace(told, {"t0": "v", "t1": "w"}, method=method, hop_limit=99)
        results.append((found.remaining, sorted(hop[2:] for hop in found.hops)))
        rng.shuffle(names)
    assert results[0] == results[1]


@given(instant, instant, st.sampled_from(sorted(PRESUMPTIONS)), st.integers(-300, 300))
def test_what_the_victims_paid_lies_somewhere_or_was_swallowed(
    one: Sequence[tuple[str, str, int]],
    two: Sequence[tuple[str, str, int]],
    method: Method,
    opening: int,
) -> None:
    transfers = [Transfer("t0", 0, "V", "A", 700), Transfer("t1", 0, "W", "A", 500)]
    for at_us, moves in ((1, one), (2, two)):
        transfers += [Transfer(f"{at_us}-{n}", at_us, *move) for n, move in enumerate(moves)]
    opened = dict.fromkeys("ABCD", opening)
    found = trace(transfers, {"t0": "v", "t1": "w"}, method=method, hop_limit=99, opening=opened)
    for origin, paid in (("v", 700), ("w", 500)):
        lies = sum(taint.get(origin, 0) for taint in found.remaining.values())
        assert lies + sum(taint.get(origin, 0) for taint in found.swallowed.values()) == paid


movements = st.lists(
    st.tuples(st.sampled_from(["", "a", "b"]), st.integers(-900, 900).filter(bool), st.integers(0, 5)),
    min_size=1,
    max_size=9,
)


@given(movements, st.sampled_from([*METHODS]), st.integers(-500, 500), st.randoms())
def test_shares_never_exceed_pot_or_loss_and_ids_change_nothing(
    moves: list[tuple[str, int, int]], name: str, opening: int, rng: random.Random
) -> None:
    names = [f"n{n}" for n in range(len(moves))]
    losses, repaid = {"a": 700, "b": 400}, {"a": 250}
    results = []
    for _ in range(2):
        flows = [flow(i, at_us, amount) for i, (_, amount, at_us) in zip(names, moves, strict=True)]
        victims = {i: who for i, (who, amount, _) in zip(names, moves, strict=True) if who and amount > 0}
        pot = Pot(600, rng.sample(flows, len(flows)), victims, opening, repaid)
        results.append(allocate((name, "PRO_RATA"), pot, losses))
        rng.shuffle(names)
    assert results[0] == results[1]
    shares = results[0].shares
    assert sum(shares.values()) <= 600
    assert shares["a"] <= 450 and shares["b"] <= 400
