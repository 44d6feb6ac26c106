"""What the institution says again, or late, changes nothing, however long ago it was said."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.state.account import RECENT_FLOWS
from measures.state.seen import BOOKINGS, GAPS, Seen
from schemas.commands import DecideRefund, Move, ObjectToRefund, OpenRefund, PaymentFailed, StateFacts
from schemas.measure import AccountFacts, Claim
from schemas.order import Direction, Flow
from schemas.reply import Why
from tests.measures.kit import PAID, T0, Bench, defrauded, make_order
from tests.tokens import token_of

FACTS = AccountFacts(currency="CNY", balance_minor=0, language="en")


def move(number: int, *, position: int | None = None, balance: int | None = None, amount: int = 250) -> Move:
    flow = Flow(txn_id=f"t{number}", at_us=T0 + number, direction=Direction.CREDIT, amount_minor=amount)
    return Move(at_us=T0 + 10_000, flow=flow, balance_minor=balance, position=position)


@pytest.mark.parametrize("numbered", [True, False])
def test_facts_stated_again_do_not_undo_the_bookings(numbered: bool) -> None:
    bench = Bench()
    opening = StateFacts(at_us=T0, facts=FACTS, position=0 if numbered else None)
    bench.do(opening)
    bench.do(move(1, position=1 if numbered else None, amount=PAID))
    bench.order(make_order("F1", "FREEZE"), T0 + 10_000)
    bench.do(msgspec.structs.replace(opening, at_us=T0 + 20_000))
    assert (bench.account.balance_minor, bench.measure("F1").held_minor) == (PAID, PAID)
    assert bench.measure("F1").state == "ACTIVE"


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("count", [100, BOOKINGS + 300])
def test_bookings_delivered_again_beyond_what_is_remembered_change_nothing(
    numbered: bool, count: int
) -> None:
    bench = Bench()
    bookings = [move(n, position=n if numbered else None) for n in range(1, count + 1)]
    for booking in bookings:
        bench.do(booking)
    before = bench.account
    assert before.balance_minor == 250 * count and len(before.flows) == RECENT_FLOWS
    for booking in bookings:
        bench.do(booking)
    assert bench.account == before
    assert bench.alerts() == []


def test_a_booking_older_than_what_is_remembered_is_refused_aloud() -> None:
    bench = Bench()
    for n in range(2, BOOKINGS + 10):
        bench.do(move(n))
    refusal = bench.do(move(1)).refusal
    assert refusal is not None and refusal.why is Why.STALE_BOOKING


def test_a_booking_that_comes_late_for_the_first_time_is_booked_once() -> None:
    bench = Bench()
    bench.do(StateFacts(at_us=T0, facts=FACTS, position=0))
    for position in (1, 3, 2, 2, 3, 1):
        bench.do(move(position, position=position))
    assert bench.account.balance_minor == 750
    assert bench.account.seen.gaps == ()


def test_a_late_booking_is_not_added_to_a_balance_that_has_it_in() -> None:
    bench = Bench()
    bench.do(move(1, position=1, balance=250))
    bench.do(move(3, position=3, balance=750))
    bench.do(move(2, position=2, balance=500))
    assert bench.account.balance_minor == 750
    assert [flow.txn_id for flow in bench.account.flows] == ["t1", "t3", "t2"]


def test_older_facts_that_come_late_do_not_replace_newer_ones() -> None:
    bench = Bench()
    bench.do(StateFacts(at_us=T0, facts=msgspec.structs.replace(FACTS, closed=True), position=5))
    bench.do(StateFacts(at_us=T0, facts=msgspec.structs.replace(FACTS, balance_minor=900), position=4))
    assert bench.account.facts is not None and bench.account.facts.closed
    assert bench.account.balance_minor == 0


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=12))
def test_numbers_are_new_once_in_whatever_order_they_come(order: list[int], again: list[int]) -> None:
    seen, new = Seen(), 0
    for position in (*order, *again):
        new += seen.is_new(position)
        seen = seen.numbered(position, states_balance=False) if seen.is_new(position) else seen
    assert (new, seen.gaps, seen.position) == (12, (), 11)


def test_only_so_many_gaps_are_remembered_and_what_lies_in_older_ones_was_seen() -> None:
    seen = Seen()
    for position in range(0, 4 * GAPS, 2):
        seen = seen.numbered(position, states_balance=False)
    assert len(seen.gaps) == GAPS
    assert not seen.is_new(1) and seen.is_new(4 * GAPS - 3)


def refund_of(bench: Bench) -> str:
    bench.order(make_order("F1", "FREEZE"))
    (freeze,) = bench.account.measures
    victim = token_of("v1")
    opening = OpenRefund(
        at_us=bench.now, freeze_id=freeze, round_no=1, senders={"victim-txn": victim},
        claims=(Claim(victim_id=victim, loss_minor=PAID),),
    )  # fmt: skip
    bench.do(opening)
    (refund_id,) = bench.account.refunds
    return refund_id


def test_an_objection_that_comes_twice_is_heard_once() -> None:
    bench = defrauded()
    refund_id = refund_of(bench)
    objection = ObjectToRefund(
        at_us=bench.now, refund_id=refund_id, reason="less was lost",
        claims=(Claim(victim_id=token_of("v1"), loss_minor=PAID // 2),),
    )  # fmt: skip
    for _ in range(3):
        bench.do(objection)
    bench.do(msgspec.structs.replace(objection, objection_no="o-2"))
    assert bench.account.refunds[refund_id].objections == ("less was lost", "less was lost")


def test_a_failed_payment_that_is_told_twice_counts_once() -> None:
    bench = defrauded()
    refund_id = refund_of(bench)
    decision = DecideRefund(
        at_us=bench.now, refund_id=refund_id, decision_no="d-1", by=("clerk-1", "clerk-2"), reason="verified"
    )
    bench.do(decision)
    (share,) = bench.account.refunds[refund_id].shares
    failed = PaymentFailed(at_us=bench.now, refund_id=refund_id, payment_id=share.payment_id)
    for _ in range(3):
        bench.do(failed)
    bench.do(msgspec.structs.replace(failed, failure_no="f-2"))
    assert bench.account.refunds[refund_id].shares[0].attempts == 2
